"""The content of evaluation.json, on small arrays worked by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chainrule.runs.evaluation import MOST_CLASSES, MOST_RESIDUALS, WORST, calibration, evaluation, residuals
from chainrule.runs.importance import MOST_COLUMNS, MOST_NUMBERS, permutation_importance
from chainrule.runs.measures import area_under_curve, measures

TRUTH = np.array([0, 1, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.45, 0.55]], np.float32)


def cells(rows: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    return [{"place": row} for row in rows.tolist()]


def classified() -> dict[str, Any]:
    return evaluation(
        "classification",
        TRUTH,
        PROBABILITIES,
        classes=("no", "yes"),
        rows=np.array([10, 20, 30, 40]),
        cells=cells,
        importance=[],
    )


def test_classes_are_counted_against_their_truth() -> None:
    found = classified()
    assert found["confusion"] == [[1, 1], [1, 1]]
    assert found["measures"]["accuracy"] == 0.5
    assert (found["measures"]["right"], found["measures"]["rows"]) == (2, 4)
    assert found["measures"]["auc"] == 0.75


def test_the_worst_are_wrong_ones_the_most_certain_first() -> None:
    worst = classified()["worst"]
    assert [example["row"] for example in worst] == [30, 40]
    assert worst[0]["truth"] == "yes"
    assert worst[0]["predicted"] == "no"
    assert worst[0]["probability"] == pytest.approx(0.3)
    assert worst[0]["columns"] == {"place": 2}


def test_confidence_is_held_against_what_was_right() -> None:
    bins = {row["low"]: row for row in calibration(PROBABILITIES.max(1), PROBABILITIES.argmax(1) == TRUTH)}
    assert [round(low, 1) for low in bins] == [0.5, 0.7, 0.8, 0.9]
    assert bins[0.9]["right"] == 1.0
    assert bins[0.9]["mean"] == pytest.approx(0.9)
    assert sum(row["count"] for row in bins.values()) == 4


def test_certainty_falls_into_the_last_bin() -> None:
    (row,) = calibration(np.array([1.0]), np.array([True]))
    assert (row["low"], row["high"], row["count"]) == (0.9, 1.0, 1)


def test_errors_of_numbers_are_largest_first() -> None:
    truth, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.5, 0.0, 3.0])
    found = evaluation(
        "regression", truth, predicted, classes=None, rows=np.arange(3), cells=cells, importance=[]
    )  # fmt: skip
    assert [row["row"] for row in found["worst"]] == [1, 0, 2]
    assert found["worst"][0]["error"] == -2.0
    assert found["residuals"] == {"predicted": [1.5, 0.0, 3.0], "truth": [1.0, 2.0, 3.0]}
    assert found["measures"]["rmse"] == pytest.approx(np.sqrt(4.25 / 3))
    assert found["measures"]["r2"] == pytest.approx(1 - 4.25 / 2)


def test_many_rows_and_classes_stay_small() -> None:
    classes = MOST_CLASSES + 1
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(classes), 5000).astype(np.float32)
    found = evaluation(
        "classification", draw.integers(0, classes, 5000), probabilities, classes=range(classes),
        rows=np.arange(5000), cells=cells, importance=[],
    )  # fmt: skip
    assert found["confusion"] is None
    assert len(found["worst"]) == WORST
    assert len(json.dumps(found)) < 20_000
    some = residuals(np.arange(10_000.0), np.arange(10_000.0))
    assert len(some["truth"]) == MOST_RESIDUALS
    assert some["truth"][-1] == 9999.0


def test_no_rows_have_no_measures() -> None:
    assert measures("regression", np.empty(0), np.empty(0)) == {}


def test_equal_scores_tell_nothing() -> None:
    assert area_under_curve(np.array([0, 1, 1]), np.array([0.5, 0.5, 0.5])) == 0.5


def linear(x: np.ndarray[Any, Any]) -> Any:
    return 3 * x[:, 0] + x[:, 1] * x[:, 2]


def score_against(truth: np.ndarray[Any, Any]) -> Any:
    return lambda found, rows: -measures("regression", truth[rows], found)["rmse"]


def test_what_decides_is_important_and_what_is_not_read_is_not() -> None:
    x = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    columns = {"strong": [0], "pair": [1, 2], "idle": [3]}
    found = permutation_importance(x, columns, linear, score_against(linear(x)))
    assert [row["column"] for row in found] == ["strong", "pair", "idle"]
    assert found[0]["drop"] == pytest.approx(3 * np.sqrt(2), rel=0.15)
    assert found[2] == {"column": "idle", "drop": 0.0, "spread": 0.0}


def test_features_of_one_column_move_together() -> None:
    hot = np.eye(3, dtype=np.float32)[np.random.default_rng(2).integers(0, 3, 400)]
    seen: list[np.ndarray[Any, Any]] = []

    def predict(x: np.ndarray[Any, Any]) -> Any:
        seen.append(x)
        return x.argmax(1).astype(np.float64)

    permutation_importance(hot, {"kind": [0, 1, 2]}, predict, score_against(hot.argmax(1)))
    assert all((part.sum(1) == 1).all() for part in seen)


def test_of_many_columns_those_that_tell_most_are_looked_at() -> None:
    x = np.random.default_rng(3).normal(size=(200, 3 * MOST_COLUMNS)).astype(np.float32)
    columns = {f"c{place}": [place] for place in range(x.shape[1])}
    told = permutation_importance(x, columns, lambda seen: 3 * seen[:, 450], score_against(3 * x[:, 450]))
    assert len(told) == MOST_NUMBERS // (3 * x.size) < MOST_COLUMNS
    assert told[0]["column"] == "c450"


def test_every_variant_is_predicted_once() -> None:
    x = np.random.default_rng(4).normal(size=(256, 50)).astype(np.float32)
    sizes: list[int] = []

    def predict(seen: np.ndarray[Any, Any]) -> Any:
        sizes.append(len(seen))
        return seen[:, 0]

    found = permutation_importance(x, {str(place): [place] for place in range(50)}, predict, score_against(x[:, 0]))
    assert sum(sizes) == 256 + 256 * 50 * 3
    assert len(found) == 50
