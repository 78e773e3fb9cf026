"""Kinks, ties and poles: the derivative there is a choice, and the choice is written down in `kinks.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.types import Array
from chainrule.ir.value import Value
from chainrule.ops import elementwise as e
from chainrule.ops.normalise import log_softmax, softmax
from chainrule.ops.ordering import cumprod
from chainrule.ops.reduction import amax, logsumexp, prod, var
from chainrule.ops.special import digamma, erf, erfinv, gelu, lgamma, polygamma
from tests.gradients import variables, vjp
from tests.ops.kinks import KINKS


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_at_a_kink(name: str, dtype: type) -> None:
    kink = KINKS[name]
    inputs = variables([np.array(numbers, dtype) for numbers in kink.inputs])
    y = kink.function(*inputs)
    weights = np.ones(y.shape, dtype) if kink.weights is None else np.array(kink.weights, dtype)
    kept = reverse([y], [Value(weights)], inputs)
    for x, expected in zip(inputs, kink.gradients, strict=True):
        np.testing.assert_allclose(kept[x].array, expected, rtol=1e-6 if dtype is np.float32 else 1e-15)


# Finite points at which a derivative is infinite, or overflows; there 0 x inf must not make NaN of nothing.
POLES: dict[str, tuple[Callable[..., Any], list[list[float]]]] = {
    "sqrt": (e.sqrt, [[0.0, -0.0, -1.0]]),
    "rsqrt": (e.rsqrt, [[0.0, -0.0, -1.0]]),
    "log": (e.log, [[0.0, -0.0, -1.0]]),
    "log1p": (e.log1p, [[-1.0, -2.0]]),
    "reciprocal": (e.reciprocal, [[0.0, -0.0]]),
    "div": (e.div, [[0.0, 1.0, -1.0, 1e308], [0.0, 0.0, -0.0, 1e-300]]),
    "remainder": (e.remainder, [[0.0, 1.0, -1.0], [0.0, 0.0, -0.0]]),
    "fmod": (e.fmod, [[0.0, 1.0, -1.0], [0.0, 0.0, -0.0]]),
    "pow": (e.pow_, [[0.0, 0.0, -0.0, -1.0, 1e300, 0.0], [0.5, -1.0, -2.0, 0.5, 9.0, 0.0]]),
    "square": (e.square, [[1e308, -1e308]]),
    "exp": (e.exp, [[1000.0]]),
    "expm1": (e.expm1, [[1000.0]]),
    "logaddexp2": (e.logaddexp2, [[np.inf, -np.inf, 1e308], [np.inf, -np.inf, -1e308]]),
    "sinh": (e.sinh, [[1000.0, -1000.0]]),
    "cosh": (e.cosh, [[1000.0, -1000.0]]),
    "tan": (e.tan, [[np.pi / 2]]),
    "asin": (e.asin, [[1.0, -1.0, 2.0]]),
    "acos": (e.acos, [[1.0, -1.0, 2.0]]),
    "atan": (e.atan, [[1e308]]),
    "atan2": (e.atan2, [[0.0, -0.0, 1e-300], [0.0, -0.0, 1e-300]]),
    "times": (e.times, [[0.0, 1.0], [np.inf, np.inf]]),
    "over": (e.over, [[0.0, 1.0], [0.0, 0.0]]),
    "softplus": (e.softplus, [[1000.0, -1000.0]]),
    "sigmoid": (e.sigmoid, [[1000.0, -1000.0]]),
    "tanh": (e.tanh, [[1000.0, -1000.0]]),
    "erf": (erf, [[1000.0, 1e200]]),
    "erfinv": (erfinv, [[1.0, -1.0, 2.0]]),
    "lgamma": (lgamma, [[0.0, -0.0, -1.0, -2.0, 1e308]]),
    "digamma": (digamma, [[0.0, -0.0, -1.0, -2.0]]),
    "polygamma": (lambda x: polygamma(2, x), [[0.0, -0.0, -1.0, -2.0]]),
    "gelu": (gelu, [[1000.0, -1000.0, 1e200]]),
    "gelu tanh": (lambda x: gelu(x, "tanh"), [[1000.0, -1000.0, 1e200]]),
    "prod": (lambda x: prod(x, (0,)), [[0.0, 1e200, 1e200]]),
    "cumprod": (lambda x: cumprod(x, 0), [[0.0, 1e200, 1e200]]),
    "amax": (lambda x: amax(x, (0,)), [[np.inf, 0.0, np.inf]]),
    "logsumexp": (lambda x: logsumexp(x, (0,)), [[np.inf, -np.inf, 0.0]]),
    "logsumexp of -inf": (lambda x: logsumexp(x, (0,)), [[-np.inf, -np.inf]]),
    "softmax": (lambda x: softmax(x, 0), [[1e308, -1e308, -np.inf]]),
    "log_softmax": (lambda x: log_softmax(x, 0), [[1e308, -1e308, -np.inf]]),
    "std": (lambda x: e.sqrt(var(x, (0,))), [[2.0, 2.0, 2.0]]),
}


@pytest.mark.parametrize("name", POLES)
def test_zero_cotangent_gives_zero_at_a_pole(name: str) -> None:
    function, numbers = POLES[name]
    arrays: list[Array] = [np.array(column) for column in numbers]
    zero = np.zeros_like(function(*map(Value, arrays)).array)
    for flow in vjp(lambda *inputs: [function(*inputs)], arrays, [zero]):
        np.testing.assert_array_equal(flow, np.zeros_like(flow))
