"""Orders and running results. Types and derivatives are checked registry-wide, kinks in test_kinks.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.types import float32, int64
from chainrule.ir.value import Carrier, Value
from chainrule.ops import ordering
from tests.gradients import check_second_order, check_vjp, variables

NAN = float("nan")


def value(data: Any, dtype: Any = None) -> Value:
    return Value(np.array(data, dtype))


# Running results ------------------------------------------------------------------------------------------------------


def test_running_sum_and_product_go_along_one_axis() -> None:
    x = value([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(ordering.cumsum(x, -1).array, [[1, 3, 6], [4, 9, 15]])
    np.testing.assert_array_equal(ordering.cumprod(x, 0).array, [[1, 2, 3], [4, 10, 18]])


@pytest.mark.parametrize("running", [ordering.cumsum, ordering.cumprod], ids=["cumsum", "cumprod"])
def test_running_results_keep_floats_and_widen_the_rest(running: Any) -> None:
    assert running(value([1, 2], np.float32), 0).dtype is float32
    for dtype in (np.bool_, np.uint8, np.int32):
        assert running(value([1, 1], dtype), 0).dtype is int64
    assert running(value(2.0), -1).shape == ()
    assert running(value(np.zeros((2, 0))), 1).shape == (2, 0)
    with pytest.raises(ShapeError, match="dimension 1 does not exist"):
        running(value([1.0]), 1)


def test_a_running_float32_sum_is_added_up_in_float64() -> None:
    y = ordering.cumsum(value([2.0**24, 1, 1], np.float32), 0)
    np.testing.assert_array_equal(y.array, np.array([2**24, 2**24, 2**24 + 2], np.float32))


@pytest.mark.parametrize("x", [[0.0, 2.0, 3.0], [2.0, 0.0, 3.0, 0.0, 5.0], [0.0, 0.0], [0.0]])
def test_running_product_beside_zeros_is_right_to_second_order(x: list[float]) -> None:
    rng = np.random.default_rng(0)
    check_vjp(lambda x: [ordering.cumprod(x, 0)], [np.array(x)], 1e-7, rng)
    check_second_order(lambda x: [ordering.cumprod(x, 0)], [np.array(x)], 1e-7, rng)


def test_recurrence_starts_with_its_first_term() -> None:
    a, b = value([NAN, 2.0, 3.0]), value([1.0, 10.0, 100.0])
    np.testing.assert_array_equal(ordering.recurrence(a, b, 0).array, [1, 12, 136])
    a = value([2.0, 3.0, NAN])
    np.testing.assert_array_equal(ordering.recurrence(a, b, 0, reverse=True).array, [621, 310, 100])


def test_an_unused_factor_gets_no_gradient_though_it_is_nan() -> None:
    a, b = variables([np.array([NAN, 2.0]), np.array([1.0, 10.0])])
    flows = reverse([ordering.recurrence(a, b, 0)], [value([1.0, 1.0])], [a, b])
    np.testing.assert_array_equal(flows[a].array, [0, 1])
    np.testing.assert_array_equal(flows[b].array, [3, 1])


def test_recurrence_needs_operands_of_one_type() -> None:
    with pytest.raises(ShapeError, match=r"f64\[1\] and f64\[2\]"):
        ordering.recurrence(value([1.0]), value([1.0, 2.0]), 0)


# Sorting --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "up", "down"),
    [
        ([2.0, 1.0, 2.0, 1.0], [1, 3, 0, 2], [0, 2, 1, 3]),
        ([NAN, 1.0, NAN, float("inf")], [1, 3, 0, 2], [0, 2, 3, 1]),
        ([True, False, True], [1, 0, 2], [0, 2, 1]),
        ([0, 255, 1], [0, 2, 1], [1, 2, 0]),
        ([], [], []),
    ],
    ids=["ties", "nan", "bools", "integers", "empty"],
)
def test_equal_elements_keep_their_order_and_nan_is_largest(x: list[Any], up: list[int], down: list[int]) -> None:
    np.testing.assert_array_equal(ordering.argsort(value(x)).array, np.array(up, np.int64), strict=True)
    np.testing.assert_array_equal(ordering.argsort(value(x), 0, True).array, np.array(down, np.int64), strict=True)


def test_sort_gives_each_gradient_back_to_its_place() -> None:
    [x] = variables([np.array([[3.0, 1.0, 2.0]])])
    values, places = ordering.sort(x, 1, descending=True)
    np.testing.assert_array_equal(values.array, [[3, 2, 1]])
    np.testing.assert_array_equal(places.array, [[0, 2, 1]])
    np.testing.assert_array_equal(reverse([values], [value([[1.0, 2.0, 3.0]])], [x])[x].array, [[1, 3, 2]])


def test_topk_is_the_start_of_the_order() -> None:
    x = value([[4.0, 1.0, 3.0], [2.0, 9.0, 5.0]])
    values, places = ordering.topk(x, 2)
    np.testing.assert_array_equal(values.array, [[4, 3], [9, 5]])
    np.testing.assert_array_equal(places.array, [[0, 2], [1, 2]])
    np.testing.assert_array_equal(ordering.topk(x, 1, 0, largest=False)[0].array, [[2, 1, 3]])
    assert ordering.topk(x, 0)[0].shape == (2, 0)
    assert ordering.topk(value(1.0), 1)[0].shape == ()


def test_topk_checks_k() -> None:
    for k in (-1, 4):
        with pytest.raises(ArgumentError, match=f"k must be 0 to 3, the length of dimension 0 .* not {k}"):
            ordering.topk(value([1.0, 2.0, 3.0]), k)


# Extremes -------------------------------------------------------------------------------------------------------------


def test_an_extreme_is_the_first_and_alone_gets_the_gradient() -> None:
    [x] = variables([np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 5.0]])])
    for extreme, index, flow in (
        (ordering.max_with_index, [1, 2], [[0, 7, 0], [0, 0, 9]]),
        (ordering.min_with_index, [0, 0], [[7, 0, 0], [9, 0, 0]]),
    ):
        values, places = extreme(x, -1)
        np.testing.assert_array_equal(places.array, index)
        np.testing.assert_array_equal(reverse([values], [value([7.0, 9.0])], [x])[x].array, flow)


@pytest.mark.parametrize("keepdims", [False, True])
def test_shapes_of_extremes(keepdims: bool) -> None:
    def shapes(x: Carrier, axis: int) -> set[Any]:
        return {part.shape for part in ordering.max_with_index(x, axis, keepdims)}

    assert shapes(value(np.zeros((2, 3, 4))), 1) == {(2, 1, 4) if keepdims else (2, 4)}
    assert shapes(value(np.zeros((0, 3))), 1) == {(0, 1) if keepdims else (0,)}
    assert shapes(value(1.0), 0) == {()}


def test_an_empty_dimension_has_no_extreme() -> None:
    with pytest.raises(ShapeError, match=r"min: dimension 0 of f64\[0, 3\] is empty"):
        ordering.min_with_index(value(np.zeros((0, 3))), 0)
