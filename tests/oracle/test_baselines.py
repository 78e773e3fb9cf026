"""The baselines of a run against scikit-learn's own, and the figures of predictions against sklearn.metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets, linear_model, metrics

from chainrule.runs.baselines import PENALTIES, logistic, ridge, trees, trees_installed
from chainrule.runs.config import RunConfig
from chainrule.runs.folder import read_run
from chainrule.runs.job import add_trees, train_run
from chainrule.runs.measures import measures


def standardised(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean(0)) / (x.std(0) + 1e-9), np.float32)


@pytest.mark.parametrize("load", [datasets.load_iris, datasets.load_breast_cancer, datasets.load_wine])
def test_logistic_regression_finds_the_same_minimum(load) -> None:  # type: ignore[no-untyped-def]
    x, y = load(return_X_y=True)
    x = standardised(x)
    theirs = linear_model.LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000).fit(x, y)
    assert (logistic(x, y, len(set(y)))(x) == theirs.predict(x)).mean() > 0.995


def test_ridge_chooses_the_same_penalty_and_predicts_the_same() -> None:
    x, y = datasets.load_diabetes(return_X_y=True)
    x = standardised(x)
    theirs = linear_model.RidgeCV(alphas=PENALTIES).fit(x, y)
    np.testing.assert_allclose(ridge(x, y)(x), theirs.predict(x), rtol=1e-4)


def test_trees_are_there_with_scikit_learn() -> None:
    assert trees_installed()
    x, y = datasets.load_iris(return_X_y=True)
    assert (trees("classification", [(standardised(x), y)], 0).predict(standardised(x)) == y).mean() > 0.97


def test_figures_of_classes_are_theirs() -> None:
    draw = np.random.default_rng(0)
    truth, scores = draw.integers(0, 2, 300), draw.random(300).round(1)
    probabilities = np.stack([1 - scores, scores], 1)
    found = measures("classification", truth, probabilities)
    chosen = probabilities.argmax(1)
    assert found["accuracy"] == metrics.accuracy_score(truth, chosen)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, chosen, average="macro"))
    clear = np.clip(probabilities, 0.1, 0.9)
    assert measures("classification", truth, clear)["log_loss"] == pytest.approx(metrics.log_loss(truth, clear))


def test_f1_leaves_out_classes_that_do_not_occur() -> None:
    draw = np.random.default_rng(1)
    truth, probabilities = draw.integers(0, 3, 200), draw.random((200, 5))
    probabilities[:, 4] = 0
    theirs = metrics.f1_score(truth, probabilities.argmax(1), average="macro")
    assert measures("classification", truth, probabilities)["f1"] == pytest.approx(theirs)


def test_figures_of_numbers_are_theirs() -> None:
    draw = np.random.default_rng(2)
    truth = draw.normal(size=100)
    predicted = truth + draw.normal(size=100)
    found = measures("regression", truth, predicted)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, predicted))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, predicted))


def test_a_report_compares_with_trees_once(tmp_path: Path) -> None:
    folder = train_run(RunConfig("penguins", epochs=1, hidden=(4,)), out=str(tmp_path / "run")).folder
    assert read_run(folder)["result"]["baselines"][2]["value"] is None
    add_trees(folder)
    rivals = read_run(folder)["result"]["baselines"]
    assert [rival["name"] for rival in rivals] == ["majority", "logistic", "trees"]
    assert rivals[2]["value"] > 0.9
    before = (folder / "run.json").stat().st_mtime_ns
    add_trees(folder)
    assert (folder / "run.json").stat().st_mtime_ns == before
