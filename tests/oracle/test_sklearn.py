"""scikit-learn's own checks of estimators, its tools around them, and what they refuse."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.ir import state
from chainrule.sklearn import NetClassifier, NetRegressor
from tests.oracle.nets import IRIS, same, small


@pytest.fixture(autouse=True)
def on_the_reference_executor() -> Iterator[None]:
    """In this file, on machine code, which users have: in place of the fixture of conftest.py."""
    with state.using(state.executor, "native"):
        yield


@parametrize_with_checks([NetClassifier(), NetRegressor()])  # type: ignore[untyped-decorator]
def test_scikit_learns_own_checks(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


# Among scikit-learn's tools


def test_pipeline_and_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": np.arange(60.0), "kind": ["a", "b", "c"] * 20})
    y = np.where(frame["kind"] == "a", frame["size"], -frame["size"])
    columns = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["kind"]))
    net = make_pipeline(columns, NetRegressor(random_state=0)).fit(frame, y)
    assert net.score(frame, y) > 0.8


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_of_categories_and_gaps_needs_no_pipeline(library: str) -> None:
    frames = pytest.importorskip(library)
    draws = np.random.default_rng(0)
    kind, size = draws.choice(["a", "b", "c"], 300), draws.normal(size=300)
    y = np.where(kind == "a", size, -size)
    size[::7] = np.nan
    frame = frames.DataFrame({"size": size, "kind": kind, "constant": ["x"] * 300})
    net: Any = NetRegressor(random_state=0).fit(frame, y)
    assert net.score(frame, y) > 0.7
    assert net.feature_names_in_.tolist() == ["size", "kind", "constant"]
    assert net.n_features_in_ == 3
    assert [str(column) for column in net.columns_ if not column.used] == ["constant: not used, constant ('x')"]
    assert same(pickle.loads(pickle.dumps(net)).predict(frame), net.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame[["kind", "size", "constant"]])
    other = frames.DataFrame({"size": [0.5], "kind": ["new"], "constant": ["x"]})
    with pytest.warns(UserWarning, match="kind: an unseen category in 1 cell \\('new'\\)"):
        net.predict(other)


def test_weights_are_repetitions_in_frames_too() -> None:
    pandas = pytest.importorskip("pandas")
    draws = np.random.default_rng(0)
    frame = pandas.DataFrame({"size": draws.normal(size=200), "kind": draws.choice(["a", "b", "c"], 200)})
    y, times = draws.integers(0, 2, 200), draws.integers(0, 3, 200)
    rows = draws.permutation(np.arange(200).repeat(times))
    weighted = NetClassifier(epochs=3, random_state=0).fit(frame, y, sample_weight=times)
    repeated = NetClassifier(epochs=3, random_state=0).fit(frame.iloc[rows], y[rows])
    assert same(weighted.predict_proba(frame), repeated.predict_proba(frame))


def test_a_frame_of_which_nothing_can_be_used() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"name": [f"row {k}" for k in range(150)]})
    with pytest.raises(ArgumentError, match="no column of X can be used: name: not used, "):
        NetClassifier().fit(frame, IRIS[1])


def test_names_of_columns_are_kept_and_checked() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = IRIS
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    net = NetClassifier(epochs=2, random_state=0).fit(frame, pandas.Series(y))
    assert net.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame[["b", "a", "c", "d"]])


def test_grid_search_in_processes_gives_what_one_process_gives() -> None:
    X, y = IRIS
    grid = [{"hidden": [(8,), (16,)]}, {"model": [small]}]
    found = [GridSearchCV(NetClassifier(epochs=5, random_state=0), grid, cv=2, n_jobs=n).fit(X, y) for n in (1, 2)]
    one, two = (search.cv_results_["mean_test_score"] for search in found)
    assert same(one, two)


class Telling(nn.Module):
    """A linear model that notes how many threads machine code may take where it is made."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.threads = cr.get_num_threads()

    def forward(self, x: cr.Tensor) -> Any:
        return self.linear(x)


def threads_of_a_fit() -> int:
    return int(NetClassifier(Telling, epochs=1).fit(*IRIS).module_.threads)


def test_workers_share_the_cores() -> None:
    cores = joblib.cpu_count()
    alone = threads_of_a_fit()
    assert alone == min(cores, cr.get_num_threads())
    with joblib.parallel_config(n_jobs=2):
        inside = joblib.Parallel()(joblib.delayed(threads_of_a_fit)() for _ in range(2))
    assert sum(inside) <= max(2, cores)
    with joblib.parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
        assert joblib.Parallel()(joblib.delayed(threads_of_a_fit)() for _ in range(2)) == [1, 1]
    assert threads_of_a_fit() == alone


def test_threadpoolctl_limits_a_fit() -> None:
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        assert threads_of_a_fit() == 1
        cr.set_num_threads(2)
        try:
            assert threads_of_a_fit() == 2, "what the user set is what is meant"
        finally:
            state.set_threads(0)


def test_fits_in_threads_leave_the_number_of_threads_as_it_was() -> None:
    X, y = IRIS
    nets = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(NetClassifier(epochs=3, random_state=0).fit)(X, y) for _ in range(8)
    )
    assert all(same(net.predict_proba(X), nets[0].predict_proba(X)) for net in nets)
    assert state.threads() == 0


def test_bagging_by_weights() -> None:
    X, y = IRIS
    bag = BaggingClassifier(NetClassifier(), n_estimators=3, random_state=0).fit(X, y)
    assert bag.score(X, y) > 0.9


# What it refuses


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden": (0,)}, "NetClassifier: hidden must be widths of at least 1, not (0,)."),
        ({"hidden": 64}, "NetClassifier: hidden must be widths of at least 1, not 64."),
        ({"dropout": 1.0}, "NetClassifier: dropout must be in [0, 1), not 1.0."),
        ({"epochs": 0}, "NetClassifier: epochs must be an int of at least 1, not 0."),
        ({"epochs": 2.5}, "NetClassifier: epochs must be an int of at least 1, not 2.5."),
        ({"lr": -1}, "NetClassifier: lr must be a number above 0, not -1."),
        ({"valid": "0.1"}, "NetClassifier: valid must be a share of the rows in [0, 1), not '0.1'."),
        ({"compile": "yes"}, "NetClassifier: compile must be True or False, not 'yes'."),
        ({"activation": "rleu"}, "Did you mean 'relu'?"),
        ({"optimizer": "adma"}, "Did you mean 'adam'?"),
        ({"loss": "mse"}, "unknown loss 'mse': it must be one of cross_entropy."),
        ({"model": "mpl"}, "Did you mean 'mlp'?"),
        ({"model": 3}, "model must be the name of a preset, a Module, or a class or function"),
        ({"model": lambda: 3}, "must return a Module, it returned a int."),
        ({"model": small, "hidden": (3,)}, "hidden says nothing to a model of your own: leave one of them out."),
        ({"model": "linear", "dropout": 0.1}, "dropout says nothing to the model 'linear': leave one of them out."),
        ({"class_weight": "even"}, "class_weight must be 'balanced' or a dict"),
        ({"class_weight": {5: 1.0}}, "class_weight names 5, which is no class of y: 0, 1, 2."),
        ({"class_weight": {0: -1.0}}, "class_weight must be finite and not negative"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, "all zero"),
        ({"model": nn.Linear(4, 2)}, "the model must give 3 numbers for each row"),
    ],
)
def test_wrong_parameters_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        NetClassifier(**wrong).fit(*IRIS)
    assert message in str(caught.value)


def test_one_class_is_refused() -> None:
    X, y = IRIS
    with pytest.raises(ArgumentError, match="hold one class: 0"):
        NetClassifier().fit(X[y == 0], y[y == 0])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-1.0, "row 0 has -1.0"),
        ([1.0, 2.0], r"sample_weight.shape == \(2,\), expected \(150,\)"),
        (["a"] * 150, "must hold a number for each row"),
        (np.nan, "row 0 has nan"),
    ],
)
def test_wrong_weights_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        NetClassifier().fit(*IRIS, sample_weight=weights)
