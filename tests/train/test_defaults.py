"""What is chosen where nothing is asked for."""

from __future__ import annotations

import json

import pytest

from chainrule.train.defaults import Defaults, batch_for, decay_for, defaults_for, epochs_for
from chainrule.train.presets import build
from chainrule.train.recipes import make_optimizer, make_schedule


@pytest.mark.parametrize("rows", [1, 2, 10, 200, 2_000, 100_000, 10**8])
@pytest.mark.parametrize("columns", [1, 30, 10_000])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_table_gets_settings_that_can_be_built(rows: int, columns: int, task: str) -> None:
    chosen = defaults_for(rows, columns, task)
    model = build(
        chosen.model,
        3,
        2,
        hidden=chosen.hidden,
        activation=chosen.activation,
        norm=chosen.norm,
        dropout=chosen.dropout,
        init=chosen.init,
    )
    optimizer = make_optimizer(chosen.optimizer, model, chosen.lr, chosen.weight_decay)
    make = make_schedule(chosen.schedule, chosen.warmup)
    assert make is not None
    make(optimizer, chosen.epochs * max(rows // chosen.batch_size, 1))
    assert 1 <= chosen.epochs <= 1000
    assert set(chosen.why) <= set(chosen.as_dict())


def test_the_same_table_gets_the_same_settings() -> None:
    assert defaults_for(300, 9, "regression") == defaults_for(300, 9, "regression")


def test_settings_are_json() -> None:
    settings = Defaults().as_dict()
    assert json.loads(json.dumps(settings)) == settings


def test_batches_grow_with_the_rows() -> None:
    sizes = [batch_for(rows) for rows in range(1, 200_000, 500)]
    assert sizes == sorted(sizes)
    assert (batch_for(1), batch_for(10**9)) == (16, 256)


def test_the_penalty_falls_as_rows_grow_and_is_bounded() -> None:
    decays = [decay_for(rows) for rows in (1, 10, 100, 1000, 10**6)]
    assert decays == sorted(decays, reverse=True)
    assert (decays[0], decays[1], decays[3]) == (0.1, 0.1, 0.01)


def test_large_tables_are_gone_over_less_often() -> None:
    epochs = [epochs_for(rows, batch_for(rows)) for rows in (1, 100, 2_000, 20_000, 10**7)]
    assert epochs == [60, 60, 60, 25, 15]
