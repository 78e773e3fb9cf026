from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import DTypeError, ShapeError
from chainrule.ir.types import Array, Shape
from chainrule.ir.value import Carrier, Value
from chainrule.ops.normalise import layer_norm, log_softmax, softmax

Function = Callable[[Carrier, int], Carrier]
INF = float("inf")
RNG = np.random.default_rng(0)


def gradient(y: Carrier, x: Carrier, g: Array) -> Array:
    found = reverse([y], [Value(np.broadcast_to(g, y.shape).astype(y.array.dtype))], [x])[x].array
    assert isinstance(found, np.ndarray)
    return found


def variable(values: object, dtype: str = "float32") -> Value:
    return Value(np.array(values, dtype), needs_grad=True)


# softmax, log_softmax -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_softmax_does_not_overflow(shift: float) -> None:
    x = Value(np.array([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]], np.float32) + np.float32(shift))
    expected = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    np.testing.assert_allclose(softmax(x, 1).array, [expected, [1 / 3] * 3], rtol=1e-6)
    np.testing.assert_allclose(log_softmax(x, -1).array, np.log([expected, [1 / 3] * 3]), rtol=1e-6)


def test_log_softmax_is_exact_where_the_probability_vanishes() -> None:
    np.testing.assert_array_equal(log_softmax(variable([0.0, -1e4, 1e4]), 0).array, [-1e4, -2e4, 0])
    np.testing.assert_array_equal(softmax(variable([0.0, -1e4, 1e4]), 0).array, [0, 0, 1])


def test_minus_infinity_takes_no_part() -> None:
    x = variable([-INF, 1.0, 1.0])
    np.testing.assert_allclose(softmax(x, 0).array, [0, 0.5, 0.5])
    np.testing.assert_allclose(log_softmax(x, 0).array, [-INF, np.log(0.5), np.log(0.5)], rtol=1e-6)
    np.testing.assert_allclose(gradient(softmax(x, 0), x, np.array([1, 1, 0])), [0, 0.25, -0.25])
    np.testing.assert_allclose(gradient(log_softmax(x, 0), x, np.array([0, 1, 0])), [0, 0.5, -0.5])


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_a_row_that_is_nan_spoils_no_other_and_passes_no_gradient_that_it_is_not_given(function: Function) -> None:
    x = variable([[-INF, -INF], [INF, 0.0], [0.0, 0.0]])
    y = function(x, 1)
    np.testing.assert_array_equal(np.isnan(y.array), [[True, True], [True, True], [False, False]])
    found = gradient(y, x, np.array([[0, 0], [0, 0], [1, 0]]))
    np.testing.assert_array_equal(found[:2], np.zeros((2, 2)))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 0), ((0, 3), 1), ((2, 0), -1)])
def test_nothing_stays_nothing(function: Function, shape: Shape, axis: int) -> None:
    assert function(Value(np.zeros(shape, np.float32)), axis).shape == shape


def test_softmax_of_a_number_is_one() -> None:
    assert softmax(variable(3.0), 0).array == 1
    assert log_softmax(variable(3.0), -1).array == 0


def test_integers_become_floating() -> None:
    y = softmax(Value(np.array([0, 0])), 0)
    assert y.array.dtype == np.float32
    np.testing.assert_array_equal(y.array, [0.5, 0.5])


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_a_dimension_that_does_not_exist_is_refused(function: Function) -> None:
    with pytest.raises(ShapeError, match=r"softmax: dimension 2 does not exist"):
        function(variable([[1.0]]), 2)


# layer_norm -----------------------------------------------------------------------------------------------------------


def test_layer_norm_has_mean_zero_and_variance_one_over_the_trailing_axes() -> None:
    x = Value(RNG.standard_normal((5, 3, 4)) * 7 + 1e4)
    y = layer_norm(x, (3, 4), eps=0.0).array
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-10)
    np.testing.assert_allclose(y.var((1, 2)), 1, rtol=1e-10)


def test_layer_norm_far_from_zero_keeps_its_digits() -> None:
    x = np.arange(8, dtype=np.float32)
    found = layer_norm(Value(x + np.float32(1e4)), (8,)).array
    np.testing.assert_allclose(found, layer_norm(Value(x), (8,)).array, rtol=1e-6)


def test_layer_norm_scales_and_shifts() -> None:
    x, weight, bias = (Value(RNG.standard_normal(shape)) for shape in ((2, 3), (3,), (3,)))
    plain = layer_norm(x, (3,)).array
    np.testing.assert_array_equal(layer_norm(x, (3,), weight).array, plain * weight.array)
    np.testing.assert_array_equal(layer_norm(x, (3,), None, bias).array, plain + bias.array)
    np.testing.assert_array_equal(layer_norm(x, (3,), weight, bias).array, plain * weight.array + bias.array)


def test_layer_norm_of_one_element_is_zero_and_flat() -> None:
    x = variable([[1e4], [2.0]])
    y = layer_norm(x, (1,))
    np.testing.assert_array_equal(y.array, [[0], [0]])
    np.testing.assert_array_equal(gradient(y, x, np.array([[1], [2]])), [[0], [0]])


@pytest.mark.parametrize(("shape", "size"), [((0, 3), (3,)), ((2, 0), (0,)), ((0, 2, 3), (2, 3))])
def test_layer_norm_of_nothing_is_nothing(shape: Shape, size: Shape) -> None:
    ones = Value(np.ones(size, np.float32))
    assert layer_norm(Value(np.zeros(shape, np.float32)), size, ones, ones).shape == shape


@pytest.mark.parametrize("size", [(), (4,), (2, 2), (1, 2, 3)])
def test_layer_norm_refuses_a_shape_that_the_input_does_not_end_in(size: Shape) -> None:
    with pytest.raises(ShapeError, match=r"must end in the normalized shape .*; it is f32\[2, 3\]"):
        layer_norm(Value(np.zeros((2, 3), np.float32)), size)


def test_layer_norm_refuses_a_weight_or_bias_that_does_not_fit() -> None:
    x = Value(np.zeros((2, 3), np.float32))
    with pytest.raises(ShapeError, match=r"the weight must be f32\[3\] for the input f32\[2, 3\], it is f32\[4\]"):
        layer_norm(x, (3,), Value(np.zeros(4, np.float32)))
    with pytest.raises(DTypeError, match=r"the bias must be f32\[3\] for the input f32\[2, 3\], it is f64\[3\]"):
        layer_norm(x, (3,), None, Value(np.zeros(3)))


def test_layer_norm_refuses_integers() -> None:
    with pytest.raises(DTypeError, match=r"floating numbers are needed, not i64\[2, 3\]"):
        layer_norm(Value(np.zeros((2, 3), np.int64)), (3,))
