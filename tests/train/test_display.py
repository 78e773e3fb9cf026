"""What a run shows: in a terminal, in a pipe, in a notebook."""

from __future__ import annotations

import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from chainrule.train import display
from chainrule.train.display import Notebook, Rows, display_for
from chainrule.train.events import EpochEnded
from chainrule.train.table import Table, duration, figure
from tests.train.small import full_run


def epoch(number: int, **other: Any) -> EpochEnded:
    values: dict[str, Any] = {
        "epoch": number,
        "step": number,
        "train": {"loss": 1.5, "accuracy": 0.25},
        "validation": {"loss": float("nan")},
        "lr": 0.001,
        "seconds": 61.0,
        "remaining_seconds": 7300.0,
        "improved": number == 1,
    }
    return EpochEnded(**values | other)


def test_columns_stand_under_their_names() -> None:
    table = Table(epochs=20)
    parts, names, row = table.lines(epoch(1))
    (second,) = table.lines(epoch(12))
    assert len(names) == len(second) == len(row.removesuffix("  *"))
    for part in ("train", "validation"):
        assert parts.index(part) >= names.index("loss") - 8
    assert [found.start() for found in re.finditer(r"\|", names)] == [
        found.start() for found in re.finditer(r"\|", row)
    ]
    assert row.split() == ["1/20", "|", "1.5000", "0.2500", "|", "-", "|", "0.0010", "1m01s", "2h01m", "*"]


def test_without_validation_there_is_no_column_for_it() -> None:
    lines = Table().lines(epoch(3, validation={}, remaining_seconds=None))
    assert "validation" not in "".join(lines)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0000"), (1e-5, "1.00e-05"), (-0.5, "-0.5000"), (123456.0, "1.23e+05")]
)
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_durations() -> None:
    assert [duration(s) for s in (0.04, 9.96, 59.6, 3599.0, 3600.0)] == ["0.0s", "10s", "1m00s", "59m59s", "1h00m"]


def test_a_pipe_gets_plain_lines() -> None:
    out = io.StringIO()
    full_run((Rows(out),), epochs=2, compile=False)
    lines = out.getvalue().splitlines()
    assert len(lines) == 5
    assert "\033" not in out.getvalue()
    assert lines[-1].startswith("all epochs, ")


def test_a_terminal_gets_a_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "EVERY", 0.0)
    out = io.StringIO()
    full_run((Rows(out, live=True),), epochs=1, compile=False)
    assert "\r\033[K   1/1  step 2/3, " in out.getvalue()


def test_a_notebook_gets_one_table_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[Any] = []
    shown: list[Any] = []

    def show(page: Any, display_id: bool) -> Any:
        shown.append((page, display_id))
        return SimpleNamespace(update=pages.append)

    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=show))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    found = display_for(None, others=False)
    assert isinstance(found, Notebook)
    run = full_run((found,), epochs=3, compile=False)
    assert len(shown) == 1
    html = pages[-1]._repr_html_()
    assert html.count("<tr>") == 4
    assert html.count("<polyline") == 6
    assert "all epochs" in html
    assert "3/3" in run._repr_html_()


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert display_for(None, others=False) is None  # neither a terminal nor a notebook
    assert display_for(None, others=True) is None
    assert display_for(False, others=False) is None
    full_run(epochs=1, compile=False)
    assert capsys.readouterr().err == ""
    full_run(epochs=1, compile=False, show=True)
    assert "1/1" in capsys.readouterr().err
