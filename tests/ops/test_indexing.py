"""Indexing along an axis, at points and by masks. That values, types and derivatives fit is checked registry-wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from chainrule.ir.types import bool_, float32, int64
from chainrule.ir.value import Carrier, Value
from chainrule.ops import indexing, masking, points
from tests.gradients import variables

X = np.arange(12.0).reshape(3, 4)


def value(data: Any, dtype: Any = None) -> Value:
    return Value(np.array(data, dtype))


def ints(*data: Any) -> Value:
    return Value(np.array(data, np.int64))


# One axis -------------------------------------------------------------------------------------------------------------


def test_gather_takes_an_index_shorter_than_x() -> None:
    np.testing.assert_array_equal(indexing.gather(value(X), ints([2, 0], [1, 1]), 0).array, [[8, 1], [4, 5]])
    np.testing.assert_array_equal(indexing.gather(value(X), ints([3, 0, 0, 3, 1]), -1).array, [[3, 0, 0, 3, 1]])


def test_gather_from_no_dimensions() -> None:
    assert indexing.gather(value(3.0), Value(np.array(0)), 0).shape == ()
    np.testing.assert_array_equal(indexing.gather(value(3.0), ints(0, 0), 0).array, [3, 3])


def test_index_may_be_of_any_integer_type() -> None:
    for dtype in (np.uint8, np.int8, np.int32):
        picked = indexing.index_select(value(X), value([2, 0], dtype), 0)
        np.testing.assert_array_equal(picked.array, X[[2, 0]])


def test_scatter_leaves_the_last_of_several() -> None:
    y = indexing.scatter(value(np.zeros(3)), ints(1, 1, 0), value([5.0, 6.0, 7.0]), 0)
    np.testing.assert_array_equal(y.array, [7, 6, 0])


def test_scatter_takes_a_number_and_a_larger_source() -> None:
    y = indexing.scatter(value(np.zeros((2, 2))), ints([0, 1]), 1.5, 0)
    np.testing.assert_array_equal(y.array, [[1.5, 0], [0, 1.5]])
    y = indexing.scatter_add(value(np.zeros((2, 2))), ints([0, 1]), value(X), 0)
    np.testing.assert_array_equal(y.array, [[0, 0], [0, 1]])


def test_scatter_add_adds_up_duplicates_and_keeps_x() -> None:
    x = value(np.ones((2, 2), np.float32))
    y = indexing.scatter_add(x, ints([0, 0], [0, 1]), value([[1, 2], [3, 4]], np.float32), 1)
    np.testing.assert_array_equal(y.array, [[4, 1], [4, 5]])
    assert y.dtype is float32
    np.testing.assert_array_equal(x.array, 1)


def test_index_add_adds_whole_slices() -> None:
    y = indexing.index_add(value(np.zeros((2, 3))), ints(2, 0, 2), value([[1.0, 2, 3], [4, 5, 6]]), 1)
    np.testing.assert_array_equal(y.array, [[2, 0, 4], [5, 0, 10]])


def test_only_the_source_that_stays_gets_a_gradient() -> None:
    x, source = variables([np.zeros(3), np.ones(3)])
    scattered = indexing.scatter(x, ints(1, 1, 0), source, 0)
    put = points.put_points(x, source, ints(1, -2, 0))
    for result in (scattered, put):
        flows = reverse([result], [value([10.0, 20.0, 30.0])], [x, source])
        np.testing.assert_array_equal(flows[source].array, [0, 20, 10])
        np.testing.assert_array_equal(flows[x].array, [0, 0, 30])


# Points ---------------------------------------------------------------------------------------------------------------


def test_points_count_negative_indices_from_the_end() -> None:
    y = points.take_points(value(X), ints(-1, 0), ints(0, -1))
    np.testing.assert_array_equal(y.array, X[[-1, 0], [0, -1]])


def test_points_keep_the_axes_around_them() -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    first, second = np.array([[2], [0]]), np.array([3, 1, 1])
    y = points.take_points(Value(x), Value(first), Value(second), axis=1)
    np.testing.assert_array_equal(y.array, x[:, first, second])


def test_put_points_replaces_or_adds() -> None:
    rows = ints(1, 0, 1)
    source = value([[1.0], [2.0], [3.0]])
    for accumulate, expected in ((False, [[2, 2], [3, 3]]), (True, [[2, 2], [4, 4]])):
        y = points.put_points(value(np.zeros((2, 2))), source, rows, accumulate=accumulate)
        np.testing.assert_array_equal(y.array, expected)


def test_the_last_one_stays_whatever_the_order_in_memory() -> None:
    place = np.array([[0, 1], [0, 1]])
    for index in (place, np.asfortranarray(place), place[::-1, ::-1][::-1, ::-1]):
        y = points.put_points(value(np.zeros(2)), value([[1.0, 2.0], [3.0, 4.0]]), Value(index))
        np.testing.assert_array_equal(y.array, [3, 4])


# Indices outside ------------------------------------------------------------------------------------------------------

OUTSIDE: list[tuple[str, Callable[[Value], Carrier]]] = [
    ("gather", lambda bad: indexing.gather(value(X.T), bad.reshape((1, 2)), 1)),
    ("scatter", lambda bad: indexing.scatter(value(X.T), bad.reshape((1, 2)), 0.0, 1)),
    ("scatter_add", lambda bad: indexing.scatter_add(value(X.T), bad.reshape((1, 2)), 0.0, 1)),
    ("index_select", lambda bad: indexing.index_select(value(X.T), bad, 1)),
    ("index_add", lambda bad: indexing.index_add(value(X.T), bad, value(np.zeros((4, 2))), 1)),
    ("index", lambda bad: points.take_points(value(X.T), ints(0, 0), bad)),
    ("index", lambda bad: points.put_points(value(X.T), 0.0, bad, axis=1)),
    ("index", lambda bad: points.take_points(value(X.T), bad, axis=1)),
    ("pick", lambda bad: points.pick(value(X.T[:2]), bad, 1)),
]


ALONG_AN_AXIS = ["gather", "scatter", "scatter_add", "index_select", "index_add"]


@pytest.mark.parametrize(
    ("name", "use"), OUTSIDE, ids=[*ALONG_AN_AXIS, "take_points", "put_points", "one index", "pick"]
)
@pytest.mark.parametrize("bad", [3, 2**62, -4, -(2**63)])
def test_an_index_outside_raises_and_is_named(name: str, use: Callable[[Value], Carrier], bad: int) -> None:
    with pytest.raises(OutOfRangeError, match=f"^{name}: index {bad} is out of range for dimension 1 with size 3"):
        use(ints(0, bad))


@pytest.mark.parametrize(("name", "use"), OUTSIDE[:5], ids=ALONG_AN_AXIS)
def test_along_one_axis_a_negative_index_is_outside(name: str, use: Callable[[Value], Carrier]) -> None:
    with pytest.raises(OutOfRangeError, match=r"index -1 .* allowed are 0 to 2"):
        use(ints(0, -1))


def test_every_index_is_outside_an_empty_dimension() -> None:
    empty = value(np.zeros((0, 2)))
    assert indexing.index_select(empty, ints(), 0).shape == (0, 2)
    with pytest.raises(OutOfRangeError, match=r"index 0 .* with size 0: it has no elements"):
        indexing.index_select(empty, ints(0), 0)
    with pytest.raises(OutOfRangeError, match="size 0"):
        points.take_points(empty, ints(0))
    for shape in ((0, 3), (3, 0)):  # of which NumPy's own check may see nothing
        with pytest.raises(OutOfRangeError, match="index 3 is out of range for dimension"):
            points.take_points(value(np.zeros(shape)), ints(3), axis=shape.index(3))


# Wrong types and shapes -----------------------------------------------------------------------------------------------


def test_an_index_must_be_of_integers() -> None:
    with pytest.raises(DTypeError, match=r"index_select: the index must be of integers.* not f64\[2\]"):
        indexing.index_select(value(X), value([0.0, 1.0]), 0)
    with pytest.raises(DTypeError, match="For a mask use masked_fill"):
        indexing.gather(value(X), value([[True]]), 0)


def test_a_source_must_have_the_element_type_of_x() -> None:
    with pytest.raises(DTypeError, match=r"source f64\[3\], x f32\[3\]"):
        indexing.index_add(value(np.zeros(3), np.float32), ints(0, 1, 2), value(np.ones(3)), 0)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ShapeError, match=r"index i64\[1, 5\] must have as many dimensions as x f64\[3, 4\]"):
        indexing.gather(value(X), ints([0, 0, 0, 0, 0]), 0)
    with pytest.raises(ShapeError, match="as many dimensions"):
        indexing.scatter(value(X), ints(0), 1.0, 0)
    with pytest.raises(ShapeError, match=r"source f64\[1, 1\] is smaller than the index i64\[1, 2\]"):
        indexing.scatter(value(X), ints([0, 1]), value([[1.0]]), 0)
    with pytest.raises(ShapeError, match=r"source must be f64\[2, 4\]"):
        indexing.index_add(value(X), ints(0, 1), value(X), 0)
    with pytest.raises(ShapeError, match="one dimension or none"):
        indexing.index_select(value(X), ints([0]), 0)
    with pytest.raises(ShapeError, match="dimension 2 does not exist"):
        indexing.gather(value(X), ints([0]), 2)
    with pytest.raises(ShapeError, match="do not broadcast"):
        points.take_points(value(X), ints(0, 1), ints(0, 1, 2))
    with pytest.raises(ShapeError, match="indices of one shape, one per dimension"):
        points.take_points(value(X), ints(0), ints(0), ints(0))


# Masks and places -----------------------------------------------------------------------------------------------------


def test_one_hot_marks_the_class() -> None:
    y = masking.one_hot(ints([0, 2]), 3)
    assert y.dtype is int64
    np.testing.assert_array_equal(y.array, [[[1, 0, 0], [0, 0, 1]]])
    assert masking.one_hot(ints(), 3, bool_).shape == (0, 3)


def test_one_hot_checks_the_class() -> None:
    for bad in (-1, 3):
        with pytest.raises(OutOfRangeError, match=f"one_hot: class {bad} is out of range for 3 classes: 0 to 2"):
            masking.one_hot(ints(0, bad), 3)
    with pytest.raises(ArgumentError, match="at least 0, not -1"):
        masking.one_hot(ints(0), -1)


def test_masked_fill_keeps_the_element_type() -> None:
    x = value([1, 2, 3], np.float32)
    for fill in (0.5, value(0.5)):
        y = masking.masked_fill(x, value([True, False, True]), fill)
        assert y.dtype is float32
        np.testing.assert_array_equal(y.array, np.array([0.5, 2, 0.5], np.float32))


def test_masked_fill_stops_gradients_where_it_fills() -> None:
    x, fill = variables([np.array([1.0, np.nan, 3.0]), np.array(0.0)])
    y = masking.masked_fill(x, value([False, True, True]), fill)
    flows = reverse([y], [value([1.0, 2.0, 4.0])], [x, fill])
    np.testing.assert_array_equal(flows[x].array, [1, 0, 0])
    assert flows[fill].array == 6


def test_masked_fill_checks_mask_and_value() -> None:
    with pytest.raises(DTypeError, match=r"mask must be bool, not i64\[1\]"):
        masking.masked_fill(value([1.0]), ints(1), 0.0)
    with pytest.raises(ShapeError, match=r"the value must be a number .* f64\[2\]"):
        masking.masked_fill(value([1.0]), value([True]), value([1.0, 2.0]))


def test_triangles_drop_even_nan() -> None:
    x = np.full((2, 3, 3), np.nan)
    for k in (-1, 0, 1):
        np.testing.assert_array_equal(masking.tril(Value(x), k).array, np.tril(x, k))
        np.testing.assert_array_equal(masking.triu(Value(x), k).array, np.triu(x, k))
    assert masking.tril(value(np.zeros((0, 2)))).shape == (0, 2)
    with pytest.raises(ShapeError, match=r"tril: at least two dimensions are needed, x is f64\[3\]"):
        masking.tril(value([1.0, 2.0, 3.0]))


def test_diagonal_is_numpys() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    for offset in (-5, -2, 0, 1, 3, 4):
        for axes in ((0, 1), (2, 0), (-1, -2)):
            np.testing.assert_array_equal(
                masking.diagonal(Value(x), offset, *axes).array, np.diagonal(x, offset, *axes) if abs(offset) < 5 else 0
            )
    with pytest.raises(ShapeError, match="two different dimensions"):
        masking.diagonal(Value(x), 0, 1, -2)
