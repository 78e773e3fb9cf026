"""Special functions and GELU against PyTorch: values, gradients and second gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chainrule.autodiff.reverse import reverse
from chainrule.ir.value import Value
from chainrule.ops import special
from tests.gradients import variables
from tests.oracle.agreement import assert_agrees, assert_equal

AROUND_ZERO = np.array([-6.0, -2.5, -1.0, -1e-3, 0.0, 1e-9, 0.3, 1.0, 4.0, 30.0])
TRIGAMMA = 1e-9  # PyTorch's polygamma(1, x) is right to no more; ours is held to mpmath in test_special_reference.py
POSITIVE = np.array([1e-3, 0.2, 0.99, 1.0, 1.5, 2.0, 2.001, 5.0, 33.3])
NEGATIVE = np.array([-0.2, -1.5, -3.7])
CASES: list[tuple[Any, Any, Any, float]] = [
    (special.erf, torch.erf, AROUND_ZERO, 1e-12),
    (special.erfinv, torch.erfinv, np.array([-0.999, -0.5, 0.0, 1e-8, 0.3, 0.9999]), 1e-10),
    (special.lgamma, torch.lgamma, POSITIVE, TRIGAMMA),
    (special.lgamma, torch.lgamma, NEGATIVE, TRIGAMMA),
    (special.digamma, torch.digamma, POSITIVE, TRIGAMMA),
    (special.digamma, torch.digamma, NEGATIVE, TRIGAMMA),
    *(
        (lambda x, n=n: special.polygamma(n, x), lambda x, n=n: torch.polygamma(n, x), POSITIVE, TRIGAMMA)
        for n in (1, 2, 3)
    ),
    (special.gelu, torch.nn.functional.gelu, AROUND_ZERO, 1e-12),
    (
        lambda x: special.gelu(x, "tanh"),
        lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        AROUND_ZERO,
        1e-12,
    ),
]


@pytest.mark.parametrize(("ours", "theirs", "x", "tolerance"), CASES)
def test_values_and_derivatives_agree(ours: Any, theirs: Any, x: Any, tolerance: float) -> None:
    assert_agrees(ours, theirs, x, tolerance=tolerance)
    assert_agrees(ours, theirs, x.astype(np.float32), orders=1, tolerance=2e-5)
    assert_agrees(ours, theirs, x[:0])
    assert_agrees(ours, theirs, x[-1])


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
