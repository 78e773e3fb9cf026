from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chainrule.ir.types import Array, Shape
from chainrule.ir.value import Value
from chainrule.ops.losses import cross_entropy
from tests.oracle.agreement import assert_agrees, assert_equal

RNG = np.random.default_rng(0)
INF = float("inf")
REDUCTIONS = ("none", "sum", "mean")
# logits, class axis
SHAPES: list[tuple[Shape, int]] = [
    ((4, 3), 1),
    ((3,), 0),
    ((2, 3, 5), 1),
    ((2, 3, 4, 5), 1),
    ((4, 1), 1),
    ((0, 3), 1),
    ((2, 3, 0), 1),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"weighted": True},
    {"label_smoothing": 0.2},
    {"label_smoothing": 0.2, "weighted": True},
    {"label_smoothing": 1.0},
]


def assert_same_loss(logits: Array, target: Array, **options: Any) -> None:
    """The same loss and derivatives for every reduction; a target of probabilities is differentiated too."""
    options = dict(options)
    weight = None
    if options.pop("weighted", False):
        weight = RNG.uniform(0.5, 1.5, (logits.shape[min(1, logits.ndim - 1)],))
    for reduction in REDUCTIONS:
        given = options | {"reduction": reduction}
        ours = given | ({} if weight is None else {"weight": Value(weight)})
        theirs = given | ({} if weight is None else {"weight": torch.from_numpy(weight)})
        assert_agrees(
            lambda x, t, ours=ours: cross_entropy(x, t, **ours),
            lambda x, t, theirs=theirs: torch.nn.functional.cross_entropy(x, t, **theirs),
            logits,
            target,
        )


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("ignore_index", [-100, 0])
def test_class_numbers(shape: Shape, axis: int, options: dict[str, Any], ignore_index: int) -> None:
    target = RNG.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :])
    target = np.where(RNG.uniform(size=target.shape) < 0.3, ignore_index, target)
    assert_same_loss(RNG.standard_normal(shape), target, ignore_index=ignore_index, **options)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("options", OPTIONS)
def test_probabilities(shape: Shape, axis: int, options: dict[str, Any]) -> None:
    assert_same_loss(RNG.standard_normal(shape), RNG.dirichlet(np.ones(3), shape)[..., 0], **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_all_rows_ignored(options: dict[str, Any]) -> None:
    assert_same_loss(RNG.standard_normal((4, 3)), np.full(4, -100), **options)


def test_one_row_with_a_target_of_one_number() -> None:
    logits, target = RNG.standard_normal(3), np.array([1])
    for reduction in REDUCTIONS:
        assert_agrees(
            lambda x, t, reduction=reduction: cross_entropy(x, t, reduction=reduction),
            lambda x, t, reduction=reduction: torch.nn.functional.cross_entropy(x, t, reduction=reduction),
            logits,
            target,
            orders=0,  # PyTorch takes this target, and then fails to differentiate
        )


def test_large_logits() -> None:
    assert_same_loss(1e4 * RNG.standard_normal((4, 3)), np.array([0, 1, 2, 0]))


@pytest.mark.parametrize("target", [[1, 2], [0, 1], [-100, 0]])
def test_logits_of_minus_infinity(target: list[int]) -> None:
    logits = RNG.standard_normal((2, 3))
    logits[:, 0] = -INF
    for options in ({}, {"label_smoothing": 0.1}):
        for reduction in REDUCTIONS:
            given = options | {"reduction": reduction}
            assert_agrees(
                lambda x, t, given=given: cross_entropy(x, t, **given),
                lambda x, t, given=given: torch.nn.functional.cross_entropy(x, t, **given),
                logits,
                np.array(target),
                orders=1,
            )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classes_of_weight_zero(reduction: str, smoothing: float) -> None:
    logits, weight = RNG.standard_normal((3, 2)), np.array([0.0, 2.0])
    for target in (np.array([0, 0, 0]), np.array([0, 1, 0])):
        ours = cross_entropy(Value(logits), Value(target), Value(weight), -100, smoothing, reduction)
        theirs = torch.nn.functional.cross_entropy(
            torch.from_numpy(logits),
            torch.from_numpy(target),
            torch.from_numpy(weight),
            label_smoothing=smoothing,
            reduction=reduction,
        )
        assert_equal(ours.array, theirs, 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_of_another_type_promote(dtype: str) -> None:
    logits, target = RNG.standard_normal((3, 2)).astype("float32"), RNG.uniform(size=(3, 2)).astype(dtype)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(target))
    assert_equal(cross_entropy(Value(logits), Value(target)).array, expected, 1e-6)
