"""The verdict: who wins, by how much it takes to say so, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chainrule.charts.numbers import MISSING
from chainrule.report.record import read
from chainrule.report.scores import Metric, Score, Scores, scores_of
from chainrule.report.verdict import advice, comparison, facts, score_table
from tests.report import folders


def scores(own: float, metric: str = "accuracy", rows: float = 1000, **baselines: float) -> Scores:
    others = tuple(Score(name, value) for name, value in baselines.items())
    return Scores(Metric(metric), Score("network", own), others, rows, own * rows)


def said(parts: Any) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in parts)


def test_the_winners_are_named_first() -> None:
    found = scores(0.90, majority=0.5, logistic=0.895, trees=0.95)
    assert (
        said(comparison(found))
        == ": behind gradient-boosted trees, level with logistic regression, ahead of the most frequent class."
    )
    assert said(advice(found)).startswith("Gradient-boosted trees win here. Prefer them to this network")


def test_a_simple_baseline_that_wins_is_named() -> None:
    assert said(advice(scores(0.80, majority=0.5, logistic=0.95))).startswith(
        "Logistic regression wins here. Prefer it"
    )
    assert said(advice(scores(60.0, "rmse", mean=75.0, ridge=50.0))).startswith("Ridge regression wins here.")


def test_a_network_that_beats_all_is_said_to() -> None:
    found = scores(0.99, majority=0.1, logistic=0.9)
    assert said(comparison(found)) == ": ahead of logistic regression and the most frequent class."
    assert said(advice(found)) == "No baseline comes close."


def test_a_network_that_learned_nothing_is_said_to() -> None:
    assert "learned nothing" in said(advice(scores(0.5, majority=0.5, logistic=0.5)))
    assert "learned nothing" in said(advice(scores(0.4, majority=0.5)))
    assert "learned nothing" in said(advice(scores(80.0, "rmse", mean=75.0, ridge=75.0)))


@pytest.mark.parametrize(
    ("own", "other", "rows", "certain"),
    [
        (68 / 69, 1.0, 69, False),
        (0.9, 1.0, 69, True),
        (0.97, 0.975, 100, False),
        (0.97, 0.975, 100_000, True),
        (1.0, 1.0, 5, False),
    ],
)
def test_few_rows_cannot_settle_a_small_gap(own: float, other: float, rows: float, certain: bool) -> None:
    found = scores(own, rows=rows, trees=other)
    assert found.certain(found.baselines[0]) == certain


def test_lower_errors_win_and_higher_r2() -> None:
    found = scores(50.0, "rmse", 400, ridge=60.0, trees=40.0)
    assert [one.key for one in found.won_by()] == ["trees"]
    assert [one.key for one in found.lost_by()] == ["ridge"]
    found = scores(0.5, "r2", 400, ridge=0.2, trees=0.9)
    assert [one.key for one in found.won_by()] == ["trees"]


def test_the_table_puts_the_best_first_and_marks_the_network() -> None:
    table = score_table(scores(50.0, "rmse", ridge=60.0, trees=40.0, mean=float("nan")))
    assert [row[0].words.text for row in table.rows] == ["gradient-boosted trees", "this network", "ridge regression"]
    assert [row[2].words.text for row in table.rows] == ["40.0", "50.0", "60.0"]
    assert [row[1].share for row in table.rows] == [pytest.approx(2 / 3), pytest.approx(5 / 6), 1.0]
    assert table.marked == 1


def test_where_there_is_no_test_part_the_validation_part_is_named(tmp_path: Path) -> None:
    run = folders.run_json()
    run["result"] |= {"part": "valid", "valid": run["result"]["validation"], "test": None}
    found = scores_of(read(folders.write(tmp_path / "run", run)))
    assert found is not None
    assert (found.part, found.own.value, found.rows) == ("validation", 1.0, 34)
    assert score_table(found).caption == "On the same validation rows"


def test_facts_leave_out_what_is_not_known(tmp_path: Path) -> None:
    run = {"format": 1, "data": {"rows": {"train": 5}}}
    assert facts(read(folders.write(tmp_path / "run", run))) == [
        ("rows to train, validate, test", f"5 · {MISSING} · {MISSING}")
    ]
