"""Options of a run: what they accept, and their way through JSON."""

from __future__ import annotations

import json

import pytest

from chainrule.errors import ArgumentError
from chainrule.runs.config import RunConfig

FULL = RunConfig(
    "table.csv", target="y", drop=("a", "b"), features=None, valid=0.15, test="held.csv", model="net.py:Net",
    hidden=(64, 32), class_weight={"yes": 2.0, "no": 1.0}, lr=0.01, time_limit=90.0, compile=False, trees=True,
)  # fmt: skip


def test_options_survive_json() -> None:
    assert RunConfig.from_dict(json.loads(json.dumps(FULL.as_dict()))) == FULL


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"unknown option 'wings' of a run"):
        RunConfig.from_dict({"source": "digits", "wings": 2})


def test_options_without_a_source_are_damaged() -> None:
    with pytest.raises(ArgumentError, match=r"damaged: .*source"):
        RunConfig.from_dict({})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "ranking"}, "task must be classification or regression, not 'ranking'"),
        ({"valid": 1.0}, r"valid must be a share in \[0, 1\) or a file, not 1.0"),
        ({"hidden": (8, 0)}, r"hidden must be widths of at least 1, not \(8, 0\)"),
        ({"dropout": 1.5}, r"dropout must be in \[0, 1\), not 1.5"),
        ({"lr": float("nan")}, "lr must be above 0, not nan"),
        ({"lr": float("inf")}, "lr must be above 0, not inf"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": True}, "epochs must be at least 1, not True"),
        ({"time_limit": 0.0}, "time_limit must be above 0 seconds"),
        ({"class_weight": "heavy"}, "class_weight must be balanced, or weights"),
        ({"class_weight": {"yes": -1.0}}, "class_weight must be balanced, or weights"),
        ({"epochs": 0, "lr": 0.0}, "epochs must be at least 1, not 0; lr must be above 0, not 0.0"),
        ({"group": "g", "time": "t"}, "--group and --time"),
        ({"drop": ("a",), "features": ("a", "b")}, "column 'a' is in --drop and in --features"),
    ],
)
def test_an_option_outside_its_range_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        RunConfig("digits", **options)  # type: ignore[arg-type]
