from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from chainrule.ir.types import Array, Shape
from chainrule.ir.value import Value
from chainrule.ops.normalise import layer_norm, log_softmax, softmax
from tests.oracle.agreement import assert_agrees, assert_equal

RNG = np.random.default_rng(0)
INF = float("inf")
Function = Callable[[Any, int], Any]
PAIRS = [(softmax, torch.softmax), (log_softmax, torch.log_softmax)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((2, 3), 1),
        ((2, 3), -2),
        ((4,), 0),
        ((2, 3, 4), 1),
        ((2, 1, 3), 1),
        ((), 0),
        ((), -1),
        ((0, 3), 1),
        ((3, 0), 1),
        ((3, 0), 0),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax(ours: Function, theirs: Function, shape: Shape, axis: int, scale: float) -> None:
    assert_agrees(lambda x: ours(x, axis), lambda x: theirs(x, axis), scale * RNG.standard_normal(shape))


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["softmax", "log_softmax"])
@pytest.mark.parametrize("row", [[-INF, 1, 2], [-INF, -INF, 2], [-INF, -INF, -INF], [INF, 1, 2], [np.nan, 1, 2]])
def test_softmax_of_infinities(ours: Function, theirs: Function, row: list[float]) -> None:
    # to first order: PyTorch's second derivatives are NaN where its first are finite, from 0 x -inf
    assert_agrees(lambda x: ours(x, 1), lambda x: theirs(x, 1), np.array([row, [0, 1, 2]]), orders=1)


@pytest.mark.parametrize(
    ("shape", "trailing"), [((2, 3), 1), ((2, 3, 4), 2), ((4,), 1), ((2, 3), 2), ((0, 3), 1), ((2, 5, 3), 1)]
)
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_layer_norm(shape: Shape, trailing: int, eps: float) -> None:
    size = shape[-trailing:]
    arrays = [RNG.standard_normal(each) for each in (shape, size, size)]
    for count in (1, 2, 3):
        assert_agrees(
            lambda x, weight=None, bias=None: layer_norm(x, size, weight, bias, eps),
            lambda x, weight=None, bias=None: torch.nn.functional.layer_norm(x, size, weight, bias, eps),
            *arrays[:count],
        )


@pytest.mark.parametrize("array", [np.ones((2, 3)), np.full((1, 1), 5.0), np.array([[1e4, 1e4 + 1, 1e4 + 2]])])
def test_layer_norm_of_rows_with_little_variance(array: Array) -> None:
    for eps in (1e-5, 0.0):
        expected = torch.nn.functional.layer_norm(torch.from_numpy(array), array.shape[-1:], eps=eps)
        assert_equal(layer_norm(Value(array), array.shape[-1:], eps=eps).array, expected, 1e-10)


@pytest.mark.parametrize("length", [8, 100, 768, 4096])
def test_layer_norm_far_from_zero_is_as_right_as_the_mean_can_be(length: int) -> None:
    # The rows lie a million spreads from zero, so the mean cannot be rounded to less than eps * 1e6 spreads. Both come
    # as near as that and no nearer, which of them nearer is luck; a variance of one pass would be off by 1e-4.
    rows = 1e6 + np.random.default_rng(0).standard_normal((300, length))
    exact = layer_norm_to_18_digits(rows, 1e-5)
    theirs = torch.nn.functional.layer_norm(torch.from_numpy(rows), (length,)).numpy()
    off, theirs_off = (root_mean_square(y - exact) for y in (layer_norm(Value(rows), (length,)).array, theirs))
    assert off < np.finfo(float).eps * 1e6
    assert off < 2 * theirs_off


def layer_norm_to_18_digits(rows: Array, eps: float) -> Array:
    """The mean and the variance in extended precision."""
    wide = rows.astype(np.longdouble)
    wide = wide - wide.mean(-1, keepdims=True)
    return np.asarray(wide / np.sqrt((wide * wide).mean(-1, keepdims=True) + np.longdouble(eps)))


def root_mean_square(errors: Array) -> float:
    return float(np.sqrt((errors * errors).mean()))
