"""Metrics against scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_class_weight

import chainrule as cr
from chainrule.train.metrics import Metric, Sums, metrics_of
from chainrule.train.objective import class_weights


def value_of(metric: Metric, outputs: Any, targets: Any, batch: int = 37) -> float:
    """The value over several batches, one of them smaller."""
    if metric.whole:
        return metric.of_all(outputs, targets)
    sums = Sums([metric], cr.tensor(outputs[:1]), cr.tensor(targets[:1]))
    total = np.zeros(sums.width)
    for start in range(0, len(outputs), batch):
        part = slice(start, start + batch)
        total += sums.parts(cr.tensor(outputs[part]), cr.tensor(targets[part]))[0].numpy()
    return sums.values(total)[metric.name]


def classes(count: int, seed: int = 0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    y = draw.integers(0, count, 200)
    outputs = draw.normal(size=(200, count)) + np.eye(count)[y]
    return np.round(outputs, 1).astype(np.float32), y  # rounded, so that there are ties


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("accuracy", lambda y, z: sk.accuracy_score(y, z.argmax(1))),
        ("f1_macro", lambda y, z: sk.f1_score(y, z.argmax(1), average="macro")),
        ("f1_micro", lambda y, z: sk.f1_score(y, z.argmax(1), average="micro")),
    ],
)
def test_classification(count: int, name: str, theirs: Any) -> None:
    outputs, y = classes(count)
    assert value_of(metrics_of(name)[0], outputs, y) == pytest.approx(theirs(y, outputs), abs=1e-12)


def test_f1_of_one_class_of_two() -> None:
    outputs, y = classes(2)
    assert value_of(metrics_of("f1_binary")[0], outputs, y) == pytest.approx(sk.f1_score(y, outputs.argmax(1)))
    single = (outputs[:, 1] - outputs[:, 0]).reshape(-1, 1)
    assert value_of(metrics_of("f1_binary")[0], single, y) == pytest.approx(sk.f1_score(y, single[:, 0] > 0))


def test_f1_leaves_out_classes_that_are_neither_there_nor_predicted() -> None:
    outputs, y = classes(5)
    outputs[:, 3] = -9
    y[y == 3] = 0
    theirs = sk.f1_score(y, outputs.argmax(1), average="macro")
    assert value_of(metrics_of("f1")[0], outputs, y) == pytest.approx(theirs)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k: int) -> None:
    outputs, y = classes(6)
    outputs += np.arange(6, dtype=np.float32) / 100  # no ties, which scikit-learn counts as right
    theirs = sk.top_k_accuracy_score(y, outputs, k=k, labels=range(6))
    assert value_of(metrics_of(f"top{k}")[0], outputs, y) == pytest.approx(theirs)


def test_area_under_the_curve() -> None:
    outputs, y = classes(2)
    margin = outputs[:, 1].astype(np.float64) - outputs[:, 0]
    (auc,) = metrics_of("auc")
    assert value_of(auc, outputs, y) == pytest.approx(sk.roc_auc_score(y, margin))
    assert value_of(auc, margin.reshape(-1, 1), y) == pytest.approx(sk.roc_auc_score(y, margin))
    outputs, y = classes(4)
    scores = np.exp(outputs.astype(np.float64))
    scores /= scores.sum(1, keepdims=True)
    assert value_of(auc, outputs, y) == pytest.approx(sk.roc_auc_score(y, scores, multi_class="ovr"))


@pytest.mark.parametrize("shape", [(200,), (200, 1), (200, 3)])
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("rmse", sk.root_mean_squared_error),
        ("mse", sk.mean_squared_error),
        ("mae", sk.mean_absolute_error),
    ],
)
def test_regression(name: str, theirs: Any, shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    y = draw.normal(size=shape).astype(np.float32)
    outputs = (y + draw.normal(size=shape)).astype(np.float32)
    if name == "rmse" and len(shape) == 2 and shape[1] > 1:
        outputs[:, 1:], y[:, 1:] = outputs[:, :1], y[:, :1]  # scikit-learn takes the mean over columns after the root
    assert value_of(metrics_of(name)[0], outputs, y) == pytest.approx(theirs(y, outputs), rel=1e-6)


def test_r2() -> None:
    draw = np.random.default_rng(0)
    y = (5 + draw.normal(size=200)).astype(np.float32)
    outputs = (y + 0.3 * draw.normal(size=200)).astype(np.float32)
    theirs = sk.r2_score(y.astype(np.float64), outputs.astype(np.float64))
    assert value_of(metrics_of("r2")[0], outputs.reshape(-1, 1), y) == pytest.approx(theirs, rel=1e-9)


def test_perplexity() -> None:
    outputs, y = classes(5)
    powers = np.exp(outputs.astype(np.float64))
    theirs = np.exp(sk.log_loss(y, powers / powers.sum(1, keepdims=True)))
    assert value_of(metrics_of("perplexity")[0], outputs, y) == pytest.approx(theirs, rel=1e-5)
    sequences = outputs.reshape(20, 10, 5), y.reshape(20, 10)
    assert value_of(metrics_of("perplexity")[0], *sequences, batch=7) == pytest.approx(theirs, rel=1e-5)


def test_balanced_class_weights() -> None:
    _, y = classes(4)
    y = y[(y != 2) | (np.arange(200) % 3 == 0)]
    theirs = compute_class_weight("balanced", classes=np.arange(4), y=y)
    assert class_weights("balanced", y, 4) == pytest.approx(theirs)
