"""x[key] and x[key] = value against NumPy on keys drawn at random, gradients of writes, keys in a trace, messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError, TracedValueError
from chainrule.ir.graph import Graph
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Array, Shape, int64, type_of
from chainrule.ir.value import Node, Value
from chainrule.ops.keys import index, index_put, parse, parse_basic
from tests.gradients import check_second_order, check_vjp, variables

SHAPES: list[Shape] = [(4, 3, 5), (3, 1, 2), (2, 0, 3), (6,), ()]
X = np.arange(60.0).reshape(4, 3, 5)


# Random keys ----------------------------------------------------------------------------------------------------------


def random_key(rng: np.random.Generator, shape: Shape) -> tuple[Any, ...]:
    """A key of ints, slices, None, Ellipsis, integer arrays that broadcast together, and a mask at times."""
    points = [(2,), (3,), (2, 1), (1, 3), (2, 3), (0,)][rng.integers(6)]
    items: list[Any] = []
    axis = 0
    while axis < len(shape) and rng.random() < 0.9:
        n, kind = shape[axis], rng.integers(8)
        width = 1
        if kind == 0 and n:
            items.append(int(rng.integers(-n, n)))
        elif kind in (1, 2):
            start, stop = (None if rng.random() < 0.3 else int(bound) for bound in rng.integers(-n - 2, n + 3, 2))
            items.append(slice(start, stop, [None, 1, 2, 3][rng.integers(4)]))
        elif kind in (3, 4) and n:
            items.append(rng.integers(-n, n, points))
        elif kind == 5 and not any(map(is_array, items)):
            width = int(rng.integers(1, len(shape) - axis + 1))
            items.append(rng.random(shape[axis : axis + width]) < 0.5)
            points = (1,)
        elif kind == 6 and Ellipsis not in list(filter(lambda item: not is_array(item), items)):
            items.append(Ellipsis)
            axis = len(shape)
        else:
            items.append(slice(None))
        axis += width
        if rng.random() < 0.2:
            items.append(None)
    return tuple(items)


def is_array(item: Any) -> bool:
    return isinstance(item, np.ndarray)


def is_mask(item: Any) -> bool:
    return is_array(item) and bool(item.dtype == bool)


def picked_by_numpy(x: Array, key: tuple[Any, ...]) -> Array:
    """x[key], ints and slices first, as PyTorch has it; NumPy would count an int beside arrays as an array."""
    used = sum(item.ndim if is_mask(item) else is_array(item) or item not in (None, Ellipsis) for item in key)
    at = next((k for k, item in enumerate(key) if item is Ellipsis), len(key))
    full = (*key[:at], *(slice(None),) * (x.ndim - used), *key[at + 1 :])
    basic: list[Any] = []
    for item in full:
        basic.extend([slice(None)] * (item.ndim if is_mask(item) else 1) if is_array(item) else [item])
    arrays = tuple(
        item if is_array(item) else slice(None) for item in full if is_array(item) or not isinstance(item, int)
    )
    return np.asarray(x[tuple(basic)][arrays])


@pytest.mark.parametrize("seed", range(400))
def test_reading_is_numpys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(SHAPES[seed % len(SHAPES)])
    key = random_key(rng, x.shape)
    np.testing.assert_array_equal(index(Value(x), key).array, picked_by_numpy(x, key), strict=True)


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("seed", range(200))
def test_writing_is_numpys(seed: int, accumulate: bool) -> None:
    rng = np.random.default_rng(1000 + seed)
    x = rng.standard_normal(SHAPES[seed % len(SHAPES)])
    key = random_key(rng, x.shape)
    places = picked_by_numpy(np.arange(x.size).reshape(x.shape), key)
    value = rng.standard_normal(broadcastable(rng, places.shape))
    expected = x.copy()
    values = np.broadcast_to(value, places.shape).reshape(-1)
    if accumulate:
        np.add.at(expected.reshape(-1), places.reshape(-1), values)
    else:
        expected.reshape(-1)[places.reshape(-1)] = values
    before = x.copy()
    y = index_put(Value(x), key, Value(value), accumulate).array
    np.testing.assert_allclose(y, expected, rtol=1e-14, strict=True)
    np.testing.assert_array_equal(x, before)


def broadcastable(rng: np.random.Generator, shape: Shape) -> Shape:
    """A shape that broadcasts to another."""
    return tuple(1 if rng.random() < 0.3 else n for n in shape)[int(rng.integers(len(shape) + 1)) :]


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_derivatives_of_writes_are_right(seed: int, accumulate: bool) -> None:
    rng = np.random.default_rng(2000 + seed)
    x = rng.standard_normal(SHAPES[seed % 2])
    key = random_key(rng, x.shape)
    shape = picked_by_numpy(x, key).shape
    arrays = [x, rng.standard_normal(broadcastable(rng, shape))]
    for check in (check_vjp, check_second_order):
        check(lambda x, value: [index_put(x, key, value, accumulate)], arrays, 1e-7, rng)


# Particular keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (([1, 2],), X[[1, 2]]),
        ([1, 2], X[[1, 2]]),
        ([[0, 1], [2, 3]], X[[[0, 1], [2, 3]]]),
        ((0, (1, 2)), X[0, [1, 2]]),
        ([], X[:0]),
        (np.array([], np.int64), X[:0]),
        (np.int8(-1), X[-1]),
        (np.array(2), X[2]),
        (Value(np.array(2, np.int32)), X[2]),
        (Value(np.array([2, 0], np.int32)), X[[2, 0]]),
        ([Value(np.array(2)), 0], X[[2, 0]]),
        ([True, False, False, True], X[[0, 3]]),
        (True, X[None]),
        (np.False_, X[None][:0]),
        ((slice(1, 3), True), X[1:3][:, None]),
        (slice(np.int64(1), Value(np.array(3))), X[1:3]),
        ((), X),
        (..., X),
    ],
)
def test_each_form_of_key_is_read(key: Any, expected: Array) -> None:
    np.testing.assert_array_equal(index(Value(X), key).array, expected, strict=True)


def test_ints_are_taken_before_arrays_as_in_pytorch() -> None:
    assert index(Value(X), (0, slice(None), [1, 2])).shape == (3, 2)
    assert X[0, :, [1, 2]].shape == (2, 3)


def test_arrays_with_axes_between_them_come_first() -> None:
    np.testing.assert_array_equal(index(Value(X), ([0, 1], slice(None), [1, 2])).array, X[[0, 1], :, [1, 2]])
    np.testing.assert_array_equal(index(Value(X), ([0, 1], None, [1, 2])).array, X[[0, 1], None, [1, 2]])


def test_a_key_does_not_change_with_the_array_that_it_was_made_of() -> None:
    places, x = np.array([0, 1]), Value(X, needs_grad=True)
    y = index(x, places)
    places[:] = 3
    flow = reverse([y], [Value(np.ones(y.shape))], [x])[x].array
    np.testing.assert_array_equal(flow[:, 0, 0], [1, 1, 0, 0])


# Basic keys -----------------------------------------------------------------------------------------------------------


def test_only_ints_slices_none_and_ellipsis_are_basic() -> None:
    for key in (0, -1, slice(None), (None, ..., 1), (slice(3, 0), 2), np.int64(1), Value(np.array(1))):
        assert parse_basic(X.shape, key) is not None
    for other in ([0], np.array([0]), [True, False, False, True], True, (0, [1])):
        assert parse_basic(X.shape, other) is None


@pytest.mark.parametrize("seed", range(60))
def test_a_basic_key_knows_its_shape_and_strides(seed: int) -> None:
    drawn = random_key(np.random.default_rng(seed), X.shape)
    key = drawn[: next((k for k, item in enumerate(drawn) if is_array(item)), None)]
    basic, view = parse_basic(X.shape, key), X[key]
    assert basic is not None
    assert basic.shape == view.shape
    steps = [
        (ours, theirs // X.itemsize)
        for ours, theirs, length in zip(basic.strides((15, 5, 1)), view.strides, view.shape, strict=True)
        if length > 1
    ]
    assert all(ours == theirs for ours, theirs in steps)


def test_slices_that_pick_the_same_are_the_same_key() -> None:
    assert parse_basic((5,), slice(0, 5, 2)) == parse_basic((5,), slice(-9, None, 2))
    assert parse_basic((5,), slice(1, 2, 4)) == parse_basic((5,), slice(1, 2))
    assert parse_basic((5,), slice(4, 2)) == parse_basic((5,), slice(9, 9))


def test_a_write_casts_and_repeats_the_value() -> None:
    x = Value(np.zeros((2, 3), np.int64))
    y = index_put(x, (0, slice(None)), Value(np.array([[1.9, 2.9, 3.9]])))
    assert y.dtype is int64
    np.testing.assert_array_equal(y.array, [[1, 2, 3], [0, 0, 0]])
    np.testing.assert_array_equal(index_put(x, ..., 7).array, 7)


def test_a_write_of_everything_is_the_value() -> None:
    x, value = variables([np.zeros((2, 3)), np.ones((2, 3))])
    assert index_put(x, slice(None), value) is value


# Masks ----------------------------------------------------------------------------------------------------------------

MASK = np.array([[True, False, True], [False, True, False], [True, True, True], [False, False, False]])


def test_a_mask_takes_one_value_each_or_one_for_all() -> None:
    for value in (5.0, np.full(5, 5.0), np.arange(6.0)[:, None], np.arange(30.0).reshape(6, 5), np.full((1, 5), 2.0)):
        expected = X.copy()
        expected[MASK] = value
        given = value if isinstance(value, float) else Value(value)
        np.testing.assert_array_equal(index_put(Value(X), Value(MASK), given).array, expected)


def test_a_mask_under_other_axes_takes_a_value_along_them() -> None:
    mask, value = np.array([True, False, True]), np.arange(4.0).reshape(4, 1, 1)
    expected = X.copy()
    expected[:, mask] = value
    np.testing.assert_array_equal(index_put(Value(X), (slice(None), mask), Value(value)).array, expected)


def test_a_mask_of_a_tensor_without_dimensions() -> None:
    x = Value(np.array(-2.0))
    np.testing.assert_array_equal(index_put(x, x < 0, 0.0).array, 0.0, strict=True)
    np.testing.assert_array_equal(index(x, x < 0).array, [-2.0])


# In a trace -----------------------------------------------------------------------------------------------------------


def traced(function: Any, *arrays: Array) -> Array:
    """What a function of carriers gives when it is traced first and run later."""
    with state.using(state.trace, Trace()):
        inputs = [make_input(f"x{k}", type_of(array)) for k, array in enumerate(arrays)]
        result: Node = function(*inputs)
    [found] = reference.compile(Graph(tuple(inputs), (result,)))(arrays)
    assert type_of(found) == result.type
    return found


PLACE = np.array(-2)


PICKS = [lambda i: i, lambda i: (i, slice(1, None), 0), lambda i: (i, i), lambda i: (slice(None), i, ..., None)]


@pytest.mark.parametrize("key_of", PICKS, ids=range(len(PICKS)))
def test_an_int_that_is_known_later_picks_as_an_int_does(key_of: Any) -> None:
    key, place = key_of(-2), np.array(-2)
    np.testing.assert_array_equal(traced(lambda x, i: index(x, key_of(i)), X, place), X[key])
    expected = X.copy()
    expected[key] = -1
    np.testing.assert_array_equal(traced(lambda x, i: index_put(x, key_of(i), -1.0), X, place), expected)


def test_arrays_that_are_known_later_pick_as_others_do() -> None:
    first, second = np.array([[0], [-1]]), np.array([2, 1, 2])
    found = traced(lambda x, i, j: index(x, (i, slice(None), j)), X, first, second)
    np.testing.assert_array_equal(found, X[first, :, second])


def test_a_mask_that_is_known_later_can_be_written_by_but_not_read() -> None:
    value = np.arange(5.0)
    expected = X.copy()
    expected[MASK] = value
    np.testing.assert_array_equal(traced(lambda x, m, v: index_put(x, m, v), X, MASK, value), expected)
    expected = X.copy()
    expected[1:, 0, value > 2] += 3
    found = traced(lambda x, v: index_put(x, (slice(1, None), 0, v > 2.0), 3.0, True), X, value)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(
        TracedValueError, match=r"x\[mask\]: the shape would depend .* bool\[4, 3\].*where\(mask, x, 0\)"
    ):
        traced(index, X, MASK)
    with pytest.raises(TracedValueError, match=r"x\[mask\]"):
        traced(lambda x, m, v: index_put(x, m, v), X, MASK, np.zeros((6, 5)))


def test_a_bound_that_is_known_later_is_refused() -> None:
    with pytest.raises(TracedValueError, match="slice's bounds decide the shape"):
        traced(lambda x, i: index(x, slice(i, None)), X, np.array(1))


def test_an_index_that_is_known_is_checked_while_tracing() -> None:
    with pytest.raises(OutOfRangeError, match="index 9 is out of range for dimension 1 with size 3"):
        traced(lambda x: index(x, (0, [1, 9])), X)


# Messages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (4, OutOfRangeError, "index 4 is out of range for dimension 0 with size 4: allowed are -4 to 3"),
        ((..., -6), OutOfRangeError, "index -6 is out of range for dimension 2 with size 5"),
        ((0, [0, 3]), OutOfRangeError, "index 3 is out of range for dimension 1 with size 3"),
        (([0], slice(None), [0, 5]), OutOfRangeError, "index 5 is out of range for dimension 2 with size 5"),
        ((0, 0, 0, 0), OutOfRangeError, r"the key is for 4 dimensions, the tensor has 3: \[4, 3, 5\]"),
        (slice(None, None, -1), ArgumentError, "step must be at least 1, not -1. For the reverse order use flip"),
        (slice(None, None, 0), ArgumentError, "step must be at least 1, not 0"),
        ((..., 0, ...), ArgumentError, "one Ellipsis"),
        ("name", DTypeError, "a key is made of ints, .* this is none of them: 'name'"),
        (1.0, DTypeError, "none of them: 1.0"),
        ([0.5], DTypeError, r"none of them: \[0.5\]"),
        ([[0], [1, 2]], DTypeError, "none of them"),
        (slice(0.5, None), DTypeError, "a slice's bounds and step must be ints or None, not 0.5"),
        (Value(np.array([1.0])), DTypeError, r"this is f64\[1\]. Convert it"),
        (np.array([1, 0], np.uint8), DTypeError, r"u8\[2\] may mean a mask or indices"),
        ([True, False], ShapeError, r"the mask bool\[2\] must have the shape .* here \[4\]"),
        ((0, MASK), ShapeError, r"bool\[4, 3\] .* here \[3, 5\] \(from dimension 1"),
        (([0, 1], [0, 1, 2]), ShapeError, "do not broadcast"),
    ],
)
def test_a_key_that_does_not_fit_says_why(key: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        index(Value(X), key)


def test_a_value_that_does_not_fit_says_why() -> None:
    for key in (0, [0], np.array([True, False, False, False])):
        with pytest.raises(ShapeError, match=r"the value f64\[2\] cannot be repeated to"):
            index_put(Value(X), key, Value(np.zeros(2)))


def test_a_key_that_was_read_once_serves_again() -> None:
    key = parse(X.shape, (slice(1, None), [0, 2]))
    y = key.write(Value(X), 0.0)
    np.testing.assert_array_equal(key.read(y).array, 0)
    assert key.read(Value(X)).shape == (3, 2, 5)
