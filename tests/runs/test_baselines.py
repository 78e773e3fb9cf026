"""Baselines: each does what its name says; against scikit-learn in tests/oracle."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from chainrule.runs.baselines import MOST_COLUMNS, MOST_NUMBERS, MOST_ROWS, baselines, ridge, rows_to_fit
from chainrule.runs.lbfgs import minimise


def test_a_curved_valley_is_followed_to_its_bottom() -> None:
    def rosenbrock(p: np.ndarray) -> tuple[float, np.ndarray]:
        x, y = p
        value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
        return float(value), np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])

    assert minimise(rosenbrock, np.array([-1.2, 1.0]), steps=200).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)


def test_classes_get_the_majority_and_a_linear_model() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 3)).astype(np.float32)
    y = (x[:, 0] > 0.5).astype(np.int64)
    most, linear = baselines("classification", [(x[:200], y[:200]), (x[200:], y[200:])], 2, 0)
    assert (most.name, linear.name, linear.note) == ("majority", "logistic", "")
    assert most.predict(x).tolist() == [0] * 300
    assert (linear.predict(x) == y).mean() > 0.97


def test_numbers_get_the_mean_and_a_linear_model() -> None:
    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    y = 1e4 + x @ np.array([1.0, -2.0, 0.5])
    middle, linear = baselines("regression", [(x, y)], 0, 0)
    assert (middle.name, linear.name) == ("mean", "ridge")
    assert middle.predict(x)[0] == pytest.approx(y.mean())
    assert np.abs(linear.predict(x) - y).max() < 1e-3


def test_more_columns_than_rows_are_no_trouble() -> None:
    x = np.random.default_rng(0).normal(size=(20, 90)).astype(np.float32)
    assert np.isfinite(ridge(x, x[:, 0])(x)).all()


def test_a_constant_target_is_met() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    assert np.allclose(ridge(x, np.full(20, 4.0))(x), 4.0)


def test_large_tables_are_sampled_the_same_way_each_time() -> None:
    rows = rows_to_fit(1_000_000, 10, MOST_ROWS, 3)
    assert len(rows) == MOST_ROWS
    assert (np.diff(rows) > 0).all()
    assert (rows == rows_to_fit(1_000_000, 10, MOST_ROWS, 3)).all()
    assert len(rows_to_fit(100_000, 5_000, MOST_ROWS, 0)) <= min(MOST_COLUMNS, MOST_NUMBERS // 5_000)
    assert rows_to_fit(50, 10, MOST_ROWS, 0).tolist() == list(range(50))


def test_a_sample_is_said() -> None:
    x = np.zeros((MOST_ROWS + 1, 1), np.float32)
    x[::2] = 1
    _, linear = baselines("classification", [(x, np.arange(MOST_ROWS + 1) % 2)], 2, 0)
    assert linear.note == "fitted on 20,000 of 20,001 rows"


def test_predictions_of_many_rows_take_little_memory() -> None:
    rows = 300_000
    x = np.random.default_rng(0).standard_normal((rows, 20), dtype=np.float32)
    y = x @ np.arange(20, dtype=np.float32)
    predict = ridge(x[:1000], y[:1000])
    tracemalloc.start()
    found = predict(x)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == pytest.approx(y, abs=0.1)
    assert most < x.nbytes, "as float64 at once they would take twice that"
