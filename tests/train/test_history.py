"""The rows of a run."""

from __future__ import annotations

import math
from typing import Any

from chainrule.train.history import History


def row(epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "step": 7 * epoch,
        "train": {"loss": 0.1 * epoch, "a/b": math.inf},
        "validation": {"loss": 1 / 3},
        "lr": 1e-3,
        "seconds": 0.5,
    }


def test_rows_come_back_from_numbers_as_they_were() -> None:
    history = History()
    for epoch in range(1, 40):
        history.append(row(epoch))
    again = History.of(history.numbers().copy(), list(history.columns))
    assert again.rows == history.rows == [row(epoch) for epoch in range(1, 40)]
    assert list(again.rows[0]) == list(row(1))
    assert all(type(found["epoch"]) is int and type(found["step"]) is int for found in again.rows)
    again.append(row(40))
    assert again.numbers().shape == (40, 7)


def test_without_rows_there_is_nothing() -> None:
    assert History.of(History().numbers(), []).rows == []
