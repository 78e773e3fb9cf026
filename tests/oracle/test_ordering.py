"""Orders and running results against PyTorch: values, gradients and second gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chainrule.ir.types import Array, Shape
from chainrule.ir.value import Value
from chainrule.ops import ordering
from tests.oracle.agreement import assert_agrees, assert_equal

NAN = float("nan")
SHAPES: list[tuple[Shape, int]] = [
    ((3, 4), 0),
    ((3, 4), -1),
    ((2, 3, 2), 1),
    ((1,), 0),
    ((0, 3), 0),
    ((0, 3), 1),
    ((), 0),
]


def drawn(shape: Shape) -> Array:
    return np.asarray(np.random.default_rng(0).standard_normal(shape))


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_running_sums_and_products_agree(shape: Shape, axis: int) -> None:
    assert_agrees(lambda x: ordering.cumsum(x, axis), lambda x: x.cumsum(axis), drawn(shape))
    assert_agrees(lambda x: ordering.cumprod(x, axis), lambda x: x.cumprod(axis), drawn(shape))


def test_running_product_beside_zeros_agrees_to_second_order() -> None:
    x = np.array([[2.0, 0.0, 3.0, 4.0], [0.0, 5.0, 0.0, 7.0], [0.0, 0.0, 0.0, 1.0]])
    assert_agrees(lambda x: ordering.cumprod(x, 1), lambda x: x.cumprod(1), x)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_])
def test_types_of_running_results_agree(dtype: Any) -> None:
    x = (drawn((50,)) * 3).astype(dtype)
    for name in ("cumsum", "cumprod"):
        ours = getattr(ordering, name)(Value(x), 0)
        assert_equal(ours.array, getattr(torch.tensor(x), name)(0), 1e-7)


def test_a_long_float32_sum_keeps_its_digits() -> None:
    x = np.full(300_000, 0.1, np.float32)
    np.testing.assert_array_equal(ordering.cumsum(Value(x), 0).array, torch.tensor(x).cumsum(0).numpy())


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_sorting_agrees(shape: Shape, axis: int, descending: bool) -> None:
    x = drawn(shape)
    assert_agrees(lambda x: ordering.sort(x, axis, descending)[0], lambda x: x.sort(axis, descending).values, x)
    theirs = torch.tensor(x).sort(dim=axis, descending=descending, stable=True).indices
    assert_equal(ordering.argsort(Value(x), axis, descending).array, theirs, 0)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "x", [[1.0, NAN, -1.0, NAN, 1.0, float("inf"), -0.0, 0.0], [2, 1, 2, 1], [True, False, True, False]]
)
def test_ties_keep_their_order_and_nan_counts_as_largest(x: list[Any], descending: bool) -> None:
    theirs = torch.tensor(x).sort(stable=True, descending=descending)
    assert_equal(ordering.argsort(Value(np.array(x)), 0, descending).array, theirs.indices, 0)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_topk_agrees(k: int, largest: bool) -> None:
    x = drawn((4, 3))
    assert_agrees(lambda x: ordering.topk(x, k, 1, largest)[0], lambda x: x.topk(k, 1, largest).values, x)
    assert_equal(ordering.topk(Value(x), k, 1, largest)[1].array, torch.tensor(x).topk(k, 1, largest).indices, 0)
    with_nan = np.array([1.0, NAN, 3.0, 2.0])
    theirs = torch.tensor(with_nan).topk(k, 0, largest).values
    assert_equal(ordering.topk(Value(with_nan), k, 0, largest)[0].array, theirs, 0)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [case for case in SHAPES if 0 not in case[0]])
def test_extremes_with_their_places_agree(shape: Shape, axis: int, keepdims: bool) -> None:
    x = drawn(shape)
    for ours, name in ((ordering.max_with_index, "max"), (ordering.min_with_index, "min")):
        assert_agrees(lambda x: ours(x, axis, keepdims)[0], lambda x: getattr(x, name)(axis, keepdims).values, x)  # noqa: B023
        assert_equal(ours(Value(x), axis, keepdims)[1].array, getattr(torch.tensor(x), name)(axis, keepdims).indices, 0)


def test_an_extreme_gives_its_gradient_to_the_first_place_alone() -> None:
    x = np.array([[1.0, 3.0, 3.0], [NAN, 2.0, NAN]])
    for ours, name in ((ordering.max_with_index, "max"), (ordering.min_with_index, "min")):
        assert_agrees(lambda x: ours(x, 1)[0], lambda x: getattr(x, name)(1).values, x)  # noqa: B023
