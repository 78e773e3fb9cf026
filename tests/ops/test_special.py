"""Special functions as operations. Values are checked in test_special_reference.py, derivatives registry-wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import float32
from chainrule.ir.value import Value
from chainrule.ops import special
from tests.gradients import variables

FUNCTIONS: dict[str, Any] = {
    "erf": special.erf,
    "erfinv": special.erfinv,
    "lgamma": special.lgamma,
    "digamma": special.digamma,
    "polygamma": lambda x: special.polygamma(2, x),
    "ndtr": special.ndtr,
    "gelu": special.gelu,
    "gelu tanh": lambda x: special.gelu(x, "tanh"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_and_integers_become_it(name: str) -> None:
    assert FUNCTIONS[name](Value(np.full((2, 2), 0.5, np.float32))).type == ((2, 2), float32)
    assert FUNCTIONS[name](Value(np.array([1, 0]))).dtype is float32


@pytest.mark.parametrize("name", ["erfinv", "lgamma", "digamma", "polygamma"])
def test_a_zero_cotangent_at_a_pole_gives_zero(name: str) -> None:
    [x] = variables([np.array([-1.0, 0.0, 1.0])])
    [flow] = reverse([FUNCTIONS[name](x)], [Value(np.zeros(3))], [x], create_graph=True).values()
    np.testing.assert_array_equal(flow.array, 0)


def test_polygamma_of_order_zero_is_digamma() -> None:
    x = Value(np.array([0.5, 2.0]))
    np.testing.assert_array_equal(special.polygamma(0, x).array, special.digamma(x).array)
    with pytest.raises(ArgumentError, match="n must be at least 0, not -1"):
        special.polygamma(-1, x)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_and_its_derivatives_have_limits_at_infinity(approximate: str) -> None:
    [x] = variables([np.array([-np.inf, -1e200, 1e200, np.inf])])
    y = special.gelu(x, approximate)
    np.testing.assert_array_equal(y.array, [0, 0, 1e200, np.inf])
    flow = reverse([y], [Value(np.ones(4))], [x], create_graph=True)[x]
    np.testing.assert_array_equal(flow.array, [0, 0, 1, 1])


def test_gelu_keeps_its_digits_far_below_zero() -> None:
    # -x Phi(x) at -10, by mpmath: 10 erfc(10 / sqrt(2)) / 2
    assert special.gelu(Value(np.array(-10.0))).array == pytest.approx(-7.6198530241605e-23, rel=1e-12)


def test_ndtr_keeps_its_digits_far_below_zero_and_has_limits() -> None:
    # erfc(10 / sqrt(2)) / 2, by mpmath
    x = Value(np.array([-10.0, -np.inf, 0.0, np.inf, np.nan]))
    np.testing.assert_allclose(special.ndtr(x).array, [7.6198530241605e-24, 0, 0.5, 1, np.nan], rtol=1e-12)


def test_gelu_knows_two_forms() -> None:
    with pytest.raises(ArgumentError, match='must be "none" or "tanh", not \'erf\''):
        special.gelu(Value(np.zeros(1)), "erf")
