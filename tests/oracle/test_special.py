"""Special functions and GELU against PyTorch: values, gradients and second gradients."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import torch

from chainrule.autodiff.reverse import reverse
from chainrule.ir.value import Value
from chainrule.ops import special
from tests.gradients import variables
from tests.oracle.agreement import assert_agrees, assert_equal, derivatives

AROUND_ZERO = np.array([-6.0, -2.5, -1.0, -1e-3, 0.0, 1e-9, 0.3, 1.0, 4.0, 30.0])
TRIGAMMA = 1e-9  # PyTorch's polygamma(1, x) is right to no more; ours is held to mpmath below
POSITIVE = np.array([1e-3, 0.2, 0.99, 1.0, 1.5, 2.0, 2.001, 5.0, 33.3])
NEGATIVE = np.array([-0.2, -1.5, -3.7])
EXACT: dict[int, float] = {}
# ours, PyTorch's, where, and the orders of derivative at which the trigamma function comes in
CASES: list[tuple[Any, Any, Any, dict[int, float]]] = [
    (special.erf, torch.erf, AROUND_ZERO, EXACT),
    (special.erfinv, torch.erfinv, np.array([-0.999, -0.5, 0.0, 1e-8, 0.3, 0.9999]), EXACT),
    (special.lgamma, torch.lgamma, POSITIVE, {2: TRIGAMMA}),
    (special.lgamma, torch.lgamma, NEGATIVE, {2: TRIGAMMA}),
    (special.digamma, torch.digamma, POSITIVE, {1: TRIGAMMA}),
    (special.digamma, torch.digamma, NEGATIVE, {1: TRIGAMMA}),
    (lambda x: special.polygamma(1, x), lambda x: torch.polygamma(1, x), POSITIVE, {0: TRIGAMMA}),
    (lambda x: special.polygamma(2, x), lambda x: torch.polygamma(2, x), POSITIVE, EXACT),
    (lambda x: special.polygamma(3, x), lambda x: torch.polygamma(3, x), POSITIVE, EXACT),
    (special.gelu, torch.nn.functional.gelu, AROUND_ZERO, EXACT),
    (
        lambda x: special.gelu(x, "tanh"),
        lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        AROUND_ZERO,
        EXACT,
    ),
]


@pytest.mark.parametrize(("ours", "theirs", "x", "rounded"), CASES)
def test_values_and_derivatives_agree(ours: Any, theirs: Any, x: Any, rounded: dict[int, float]) -> None:
    assert_agrees(ours, theirs, x, tolerance=1e-12 if theirs is not torch.erfinv else 1e-10, rounded=rounded)
    assert_agrees(ours, theirs, x.astype(np.float32), orders=1, tolerance=2e-5)
    assert_agrees(ours, theirs, x[:0])
    assert_agrees(ours, theirs, x[-1], rounded=rounded)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("start", [-1, 0, 1, 2, 3], ids=["lgamma", "digamma", "1", "2", "3"])
def test_the_gamma_family_and_its_derivatives_are_those_of_mpmath(start: int, order: int) -> None:
    # each is the derivative of the one before: lgamma = polygamma(-1), digamma = polygamma(0)
    x = np.concatenate([POSITIVE, NEGATIVE, np.geomspace(1e-3, 1e3, 100), -np.linspace(0.05, 6.05, 61)])
    [carrier] = variables([x])
    found = {-1: special.lgamma, 0: special.digamma}.get(start, lambda x: special.polygamma(start, x))(carrier)
    for _ in range(order):
        [found] = derivatives([found], [np.ones_like(x)], [carrier])
    with mpmath.workdps(30):
        exact = [exact_polygamma(start + order, mpmath.mpf(each)) for each in x.tolist()]
    # near its zeros the relative error of any float64 result is that of x
    np.testing.assert_allclose(found.array, np.array(exact, float), rtol=1e-10, atol=1e-14)


def exact_polygamma(order: int, x: Any) -> Any:
    return mpmath.re(mpmath.loggamma(x)) if order < 0 else mpmath.psi(order, x)


@pytest.mark.parametrize(("ours", "theirs", "x"), [case[:3] for case in CASES[:6]])
def test_integers_become_float32(ours: Any, theirs: Any, x: Any) -> None:
    whole = np.array([1, 2, 3]) if theirs is not torch.erfinv else np.array([0])
    assert_equal(ours(Value(whole)).array, theirs(torch.tensor(whole)), 1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs", "x"),
    [
        (special.erfinv, torch.erfinv, [-1.0, 1.0]),
        (special.lgamma, torch.lgamma, [0.0, float("inf")]),
        (special.digamma, torch.digamma, [0.0]),
        (special.erf, torch.erf, [float("-inf"), float("inf")]),
    ],
)
def test_derivatives_at_poles_are_pytorchs(ours: Any, theirs: Any, x: list[float]) -> None:
    assert_agrees(ours, theirs, np.array(x), orders=1)


def test_gelu_has_limits_at_infinity_where_pytorch_has_nan() -> None:
    x = np.array([-np.inf, np.inf])
    for approximate in ("none", "tanh"):
        assert torch.nn.functional.gelu(torch.tensor(x), approximate=approximate)[0].isnan()
        [carrier] = variables([x])
        y = special.gelu(carrier, approximate)
        np.testing.assert_array_equal(y.array, [0, np.inf])
        np.testing.assert_array_equal(reverse([y], [Value(np.ones(2))], [carrier])[carrier].array, [0, 1])
