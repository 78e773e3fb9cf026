"""Losses agree with PyTorch's, with their gradients, for every reduction and setting; as functions and as modules."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from tests.oracle.functions import assert_same_function

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3))
Y[0] = X[0]  # no difference at all
Y[1] = X[1] + 1  # where smooth_l1 and huber change
P, T = RNG.uniform(0.01, 0.99, (4, 3)), RNG.integers(0, 2, (4, 3)).astype(float)
WEIGHT = RNG.uniform(0.5, 2, (4, 3))
CLASSES = RNG.uniform(0.5, 2, 3)
LABELS = np.array([2, 0, 1, 0])
REDUCTIONS = ("mean", "sum", "none")
their = torch.nn.functional


@pytest.fixture(autouse=True)
def _no_advice() -> Iterator[None]:
    """PyTorch advises against kl_div's "mean"."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "reduction: 'mean' divides")
        yield


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mse_loss", {}),
        ("mse_loss", {"weight": WEIGHT}),
        ("l1_loss", {}),
        ("l1_loss", {"weight": WEIGHT}),
        ("smooth_l1_loss", {}),
        ("smooth_l1_loss", {"beta": 0.3}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {}),
        ("huber_loss", {"delta": 0.3}),
        ("huber_loss", {"delta": 2.0, "weight": WEIGHT}),
    ],
    ids=str,
)
def test_of_numbers(name: str, settings: dict[str, Any], reduction: str) -> None:
    assert_same_function(getattr(F, name), getattr(their, name), X, Y, reduction=reduction, **settings)


SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((4, 3), (4,)),
    ((3,), ()),
    ((2, 3, 5), (2, 5)),
    ((2, 3, 2, 2), (2, 2, 2)),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight": CLASSES},
        {"ignore_index": 1},
        {"label_smoothing": 0.1},
        {"weight": CLASSES, "ignore_index": 0, "label_smoothing": 0.2},
    ],
    ids=str,
)
@pytest.mark.parametrize(("shape", "rest"), SHAPES)
@pytest.mark.parametrize("integer", [np.int64, np.int32])
def test_cross_entropy_of_classes(
    shape: tuple[int, ...], rest: tuple[int, ...], settings: dict[str, Any], reduction: str, integer: Any
) -> None:
    logits, labels = RNG.standard_normal(shape), RNG.integers(0, 3, rest).astype(np.int64)

    def theirs(x: Any, y: Any, **named: Any) -> Any:
        return their.cross_entropy(x, y.long(), **named)

    if not rest and settings.get("ignore_index") == labels:
        labels = (labels + 1) % 3
    arguments = (logits, np.asarray(labels, integer))
    assert_same_function(F.cross_entropy, theirs, *arguments, reduction=reduction, **settings)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("settings", [{}, {"weight": CLASSES}, {"label_smoothing": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 3, 5)])
def test_cross_entropy_of_probabilities(shape: tuple[int, ...], settings: dict[str, Any], reduction: str) -> None:
    axis = min(1, len(shape) - 1)
    target = RNG.uniform(size=shape)
    target /= target.sum(axis, keepdims=True)
    arguments = (RNG.standard_normal(shape), target)
    assert_same_function(F.cross_entropy, their.cross_entropy, *arguments, reduction=reduction, **settings)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("settings", [{}, {"weight": CLASSES}, {"weight": CLASSES, "ignore_index": 0}], ids=str)
@pytest.mark.parametrize(("shape", "rest"), SHAPES)
def test_nll_loss(shape: tuple[int, ...], rest: tuple[int, ...], settings: dict[str, Any], reduction: str) -> None:
    labels = np.asarray(RNG.integers(1, 3, rest))
    if rest:
        labels[..., :1] = 0
    assert_same_function(
        F.nll_loss, their.nll_loss, RNG.standard_normal(shape), labels, reduction=reduction, **settings
    )


def test_nll_loss_of_ignored_classes_alone_is_nan() -> None:
    assert_same_function(F.nll_loss, their.nll_loss, X, np.full(4, -100))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("settings", [{}, {"weight": WEIGHT}, {"weight": CLASSES}], ids=["", "weight", "columns"])
def test_binary_cross_entropy(settings: dict[str, Any], reduction: str) -> None:
    for target in (T, P[::-1].copy()):
        assert_same_function(
            F.binary_cross_entropy, their.binary_cross_entropy, P, target, reduction=reduction, **settings
        )


def test_binary_cross_entropy_of_wrong_certainties() -> None:
    p, target = np.array([0.0, 1, 0, 1]), np.array([0.0, 1, 1, 0])
    # the derivative by p alone is not PyTorch's to 1e-10: its least p (1 - p) is the float32 nearest to 1e-12
    assert_same_function(F.binary_cross_entropy, their.binary_cross_entropy, p, target, gradient_tolerance=1e-7)
    assert_same_function(lambda t: F.binary_cross_entropy(cr.tensor(p), t), lambda t: their_loss(p, t), target)
    x = cr.tensor(p, requires_grad=True)
    F.binary_cross_entropy(x, cr.tensor(target), reduction="sum").backward()
    np.testing.assert_allclose(x.grad.numpy(), (p - target) / 1e-12, rtol=1e-15)


def their_loss(p: Any, target: torch.Tensor) -> torch.Tensor:
    return their.binary_cross_entropy(torch.tensor(p), target)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy_of_near_certainties(reduction: str) -> None:
    p, target = np.array([1e-11, 1e-6, 1 - 1e-6, 1 - 1e-11]), np.array([1.0, 0, 0.25, 0])
    assert_same_function(F.binary_cross_entropy, their.binary_cross_entropy, p, target, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"weight": WEIGHT}, {"pos_weight": CLASSES}, {"weight": CLASSES, "pos_weight": WEIGHT}],
    ids=["", "weight", "pos_weight", "both"],
)
def test_binary_cross_entropy_with_logits(settings: dict[str, Any], reduction: str) -> None:
    for logits in (X, X * 20):
        assert_same_function(
            F.binary_cross_entropy_with_logits,
            their.binary_cross_entropy_with_logits,
            logits,
            T,
            reduction=reduction,
            **settings,
        )


VARIANCES = {
    "each": RNG.uniform(0.1, 2, (4, 3)),
    "too small": np.array([[0, 1e-9, 1e-6], [1e-3, 2e-6, 0.5], [1, 2, 3], [0.1, 0.2, 0.3]]),
    "of rows": RNG.uniform(0.1, 2, (4, 1)),
    "of columns": RNG.uniform(0.1, 2, (1, 3)),
    "without the last": RNG.uniform(0.1, 2, 4),
    "a number": 0.3,
    "a small number": 1e-9,
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("settings", [{}, {"full": True}, {"eps": 1e-2}], ids=str)
@pytest.mark.parametrize("variance", VARIANCES)
def test_gaussian_nll_loss(variance: str, settings: dict[str, Any], reduction: str) -> None:
    arrays = (X, Y, VARIANCES[variance])
    assert_same_function(F.gaussian_nll_loss, their.gaussian_nll_loss, *arrays, reduction=reduction, **settings)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "settings",
    [{}, {"swap": True}, {"margin": 0.2, "p": 1}, {"p": 3, "swap": True}, {"p": np.inf}, {"eps": 0.1}],
    ids=str,
)
def test_triplet_margin_loss(settings: dict[str, Any], reduction: str) -> None:
    for arrays in ((X, Y, P), (X, Y, X - 1.0), (X[1], Y[1], P[1]), (X, X, X)):
        assert_same_function(F.triplet_margin_loss, their.triplet_margin_loss, *arrays, reduction=reduction, **settings)


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(reduction: str, log_target: bool) -> None:
    q = P / P.sum(1, keepdims=True)
    assert_same_function(
        F.kl_div, their.kl_div, X, np.log(q) if log_target else q, reduction=reduction, log_target=log_target
    )


def test_kl_div_of_a_zero_probability() -> None:
    def by_input(function: Any) -> Any:
        return lambda x, y, **named: function(x, y.detach(), **named)

    q = np.array([[0.0, 1.0], [0.5, 0.5]])
    assert_same_function(by_input(F.kl_div), by_input(their.kl_div), X[:2, :2], q, reduction="batchmean")


MODULES: list[tuple[str, dict[str, Any], Any]] = [
    ("MSELoss", {}, (X, Y)),
    ("L1Loss", {}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.4}, (X, Y)),
    ("HuberLoss", {"delta": 0.4}, (X, Y)),
    ("GaussianNLLLoss", {"full": True, "eps": 0.2}, (X, Y, P)),
    ("TripletMarginLoss", {"margin": 0.7, "p": 1.5, "swap": True}, (X, Y, P)),
    ("CrossEntropyLoss", {}, (X, LABELS)),
    ("CrossEntropyLoss", {"weight": CLASSES, "ignore_index": 1, "label_smoothing": 0.1}, (X, LABELS)),
    ("NLLLoss", {"weight": CLASSES, "ignore_index": 0}, (X, LABELS)),
    ("BCELoss", {"weight": WEIGHT}, (P, T)),
    ("BCEWithLogitsLoss", {"pos_weight": CLASSES}, (X, T)),
    ("KLDivLoss", {"log_target": True}, (X, Y)),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "settings", "arrays"), MODULES, ids=[f"{row[0]} {sorted(row[1])}" for row in MODULES])
def test_module(name: str, settings: dict[str, Any], arrays: Any, reduction: str) -> None:
    def made(library: Any) -> Any:
        return lambda *tensors, **named: getattr(library, name)(reduction=reduction, **named)(*tensors)

    assert_same_function(made(nn), made(torch.nn), *arrays, **settings)
