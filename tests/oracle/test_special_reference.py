"""The special functions against torch.special, special values included."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chainrule.ops import special_reference as special

PAIRS: dict[str, tuple[Callable[[NDArray[Any]], NDArray[Any]], Callable[[Any], Any]]] = {
    "erf": (special.erf, torch.special.erf),
    "erfc": (special.erfc, torch.special.erfc),
    "erfinv": (special.erfinv, torch.special.erfinv),
    "lgamma": (special.lgamma, torch.special.gammaln),
    "digamma": (special.digamma, torch.special.digamma),
    **{f"polygamma {n}": (partial(special.polygamma, n), partial(torch.special.polygamma, n)) for n in range(5)},
}
DTYPES = [np.float32, np.float64]
TOLERANCE = {np.float32: 3e-6, np.float64: 2e-13}  # PyTorch's own error, near poles above all
TRIGAMMA_TOLERANCE = {np.float32: 1e-4, np.float64: 1e-9}  # PyTorch's series stops at 5e-10
SPECIAL = [0.0, -0.0, -1.0, -2.0, -1e30, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1.0, 2.0]
BETTER_THAN_TORCH = {
    "polygamma 1": {-1.0, -2.0, -1e30, -np.inf},  # poles: PyTorch has a large number, or 13, or NaN
    **{f"polygamma {n}": {np.inf} for n in range(2, 5)},  # the limit 0: PyTorch has NaN
}


def assert_close(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.dtype == expected.dtype
    tolerance = (TRIGAMMA_TOLERANCE if name == "polygamma 1" else TOLERANCE)[found.dtype.type]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_values_are_those_of_torch(name: str, dtype: type[np.floating[Any]]) -> None:
    ours, theirs = PAIRS[name]
    x = np.concatenate([np.linspace(-5.53, 20.07, 301), np.geomspace(1e-6, 1e6, 100)]).astype(dtype)
    assert_close(name, ours(x), theirs(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_special_values_are_those_of_torch(name: str, dtype: type[np.floating[Any]]) -> None:
    ours, theirs = PAIRS[name]
    x = np.array([value for value in SPECIAL if value not in BETTER_THAN_TORCH.get(name, ())], dtype)
    assert_close(name, ours(x), theirs(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("name", ["erf", "erfinv"])
def test_sign_of_zero_is_that_of_torch(name: str) -> None:
    ours, theirs = PAIRS[name]
    x = np.array([0.0, -0.0])
    np.testing.assert_array_equal(np.signbit(ours(x)), np.signbit(theirs(torch.from_numpy(x)).numpy()))
