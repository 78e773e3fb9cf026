"""Against mpmath at 40 to 80 digits, on grids that reach every range of a formula and both sides of its borders."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.ops import special_reference as special

Float64 = NDArray[np.float64]
FUNCTIONS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": special.erfinv,
    "lgamma": special.lgamma,
    "digamma": special.digamma,
    "trigamma": lambda x: special.polygamma(1, x),
    "polygamma 4": lambda x: special.polygamma(4, x),
}
INF, NAN = np.inf, np.nan


def magnitudes(lowest: float, highest: float, count: int) -> Float64:
    """Log-spaced, and off the powers of ten."""
    result: Float64 = np.geomspace(lowest, highest, count) * np.linspace(1, 0.9, count)
    return result


def beside(points: Float64, count: int = 12) -> Float64:
    """Both sides of each point, from one ULP to a tenth away."""
    steps = magnitudes(2e-15, 0.1, count)
    near: Float64 = points[:, None] + np.concatenate([steps, -steps])
    neighbours: Float64 = np.concatenate([near.ravel(), np.nextafter(points, INF), np.nextafter(points, -INF)])
    return neighbours


def without_integers(x: Float64) -> Float64:
    rest: Float64 = x[x != np.rint(x)]
    return rest


def worst(
    found: Float64, x: Float64, exact: Callable[[Any], Any], unit: Callable[[float], float], digits: int = 50
) -> float:
    """The largest error in the unit that goes with the exact value."""
    with mpmath.workdps(digits):
        errors = []
        for value, argument in zip(found.tolist(), x.tolist(), strict=True):
            truth = exact(mpmath.mpf(argument))
            errors.append(float(abs(mpmath.mpf(value) - truth) / unit(abs(float(truth)))))
        return float(np.max(errors))


def ulp(magnitude: float) -> float:
    return float(np.spacing(magnitude))


def relative(magnitude: float) -> float:
    return magnitude


def relative_or_absolute(magnitude: float) -> float:
    return max(1.0, magnitude)


def log_abs_gamma(x: Any) -> Any:
    return mpmath.re(mpmath.loggamma(x))


def test_erf_is_within_3_ulp() -> None:
    x = np.concatenate([magnitudes(1e-300, 0.4, 200), np.linspace(-6.5, 6.5, 1301), beside(np.array([0.46875, 4.0]))])
    assert worst(special.erf(x), x, mpmath.erf, ulp) <= 3


def test_erf_of_a_subnormal_number_is_within_3_ulp() -> None:
    x = magnitudes(5e-324, 1e-308, 50)
    assert worst(special.erf(x), x, mpmath.erf, ulp) <= 3


def test_erfc_is_within_6_ulp() -> None:
    x = np.concatenate(
        [np.linspace(-6.5, 26.5, 1321), beside(np.array([-0.46875, 0.46875, 4.0])), magnitudes(1e-300, 1, 50)]
    )
    assert worst(special.erfc(x), x, mpmath.erfc, ulp) <= 6


def test_erfinv_is_within_5_ulp() -> None:
    tail = 1 - magnitudes(1.2e-16, 0.2, 400)
    x = np.concatenate(
        [magnitudes(1e-300, 0.5, 200), np.linspace(-0.999, 0.999, 1000), tail, -tail, beside(np.array([0.85]))]
    )
    x = x[np.abs(x) < 1]
    assert x.max() == np.nextafter(1, 0)
    assert worst(special.erfinv(x), x, mpmath.erfinv, ulp, digits=40) <= 5


def test_lgamma_of_positive_numbers_has_relative_error_below_1e_15() -> None:
    borders = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 10.0])
    x = np.concatenate([magnitudes(5e-324, 2.5e305, 600), np.linspace(0.01, 14.001, 1000), beside(borders, 30)])
    x = x[(x != 1) & (x != 2)]
    assert worst(special.lgamma(x), x, log_abs_gamma, relative) < 1e-15


def test_lgamma_is_zero_at_one_and_two() -> None:
    np.testing.assert_array_equal(special.lgamma(np.array([1.0, 2.0])), [0, 0])


def test_lgamma_of_negative_numbers_has_error_below_1e_14() -> None:
    x = -np.concatenate([np.linspace(0.003, 30.1, 800), magnitudes(1e-300, 4e15, 300), -beside(-np.arange(20.0))])
    x = without_integers(x[x < 0])
    assert worst(special.lgamma(x), x, log_abs_gamma, relative_or_absolute, digits=80) < 1e-14


def test_digamma_of_positive_numbers_has_error_below_1e_15() -> None:
    borders = np.array([0.5, 1.4616321449683623, 1.5, 2.5, 10.0])  # the second is digamma's only positive zero
    x = np.concatenate([magnitudes(1e-300, 1e300, 300), np.linspace(0.01, 14.001, 800), beside(borders, 30)])
    assert worst(special.digamma(x), x, mpmath.digamma, relative_or_absolute) < 1e-15


def test_digamma_of_negative_numbers_has_error_below_4e_15() -> None:
    x = -np.concatenate([np.linspace(0.003, 30.1, 800), magnitudes(1e-300, 1e10, 200), -beside(-np.arange(12.0))])
    x = without_integers(x[x < -1e-300])
    assert worst(special.digamma(x), x, mpmath.digamma, relative_or_absolute) < 4e-15


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7, 10])
def test_polygamma_has_the_accuracy_it_states(n: int) -> None:
    def exact(x: Any) -> Any:
        return mpmath.polygamma(n, x)

    lowest, highest = 10 ** (-290 / (n + 1)), 10 ** (290 / max(n, 1))
    positive = np.concatenate([magnitudes(lowest, highest, 80), np.linspace(0.1, 40, 100), np.array([n + 12.0])])
    unit = relative if n else relative_or_absolute
    assert worst(special.polygamma(n, positive), positive, exact, unit) < 2e-15
    negative = -np.concatenate([magnitudes(lowest, 1e6, 40), np.linspace(0.03, 30.1, 100), -beside(-np.arange(5.0), 4)])
    negative = without_integers(negative[negative < -lowest])
    unit = relative if n % 2 else relative_or_absolute
    assert worst(special.polygamma(n, negative), negative, exact, unit) < 5e-15


@pytest.mark.parametrize("n", [20, 51, 100])
def test_polygamma_of_high_order_stays_accurate(n: int) -> None:
    x = np.linspace(0.5, 200, 60)
    assert worst(special.polygamma(n, x), x, lambda v: mpmath.polygamma(n, v), relative) < 1e-14


SPECIAL_VALUES = {
    "erf": {0.0: 0.0, INF: 1, -INF: -1, NAN: NAN, 1e300: 1},
    "erfc": {0.0: 1, INF: 0, -INF: 2, NAN: NAN, 30.0: 0, -1e300: 2},
    "erfinv": {0.0: 0.0, 1.0: INF, -1.0: -INF, 1.5: NAN, -INF: NAN, INF: NAN, NAN: NAN},
    "lgamma": {0.0: INF, -1.0: INF, -2.0: INF, -1e300: INF, INF: INF, -INF: INF, NAN: NAN, 1e306: INF},
    "digamma": {0.0: -INF, -1.0: NAN, -2.0: NAN, -1e300: NAN, INF: INF, -INF: NAN, NAN: NAN, 1e-310: -INF},
    "trigamma": {0.0: INF, -1.0: INF, -2.0: INF, -1e300: INF, INF: 0, -INF: INF, NAN: NAN, 1e-200: INF},
    "polygamma 4": {0.0: -INF, -1.0: -INF, -2.0: -INF, INF: 0, -INF: -INF, NAN: NAN, 1e-100: -INF, -1e-100: INF},
}


@pytest.mark.parametrize(
    ("name", "x", "value"), [(f, x, y) for f, row in SPECIAL_VALUES.items() for x, y in row.items()]
)
def test_special_value(name: str, x: float, value: float) -> None:
    np.testing.assert_array_equal(FUNCTIONS[name](np.array([x])), [value])


def test_sign_of_zero_is_kept_or_decides_the_pole() -> None:
    zero = np.array([-0.0])
    assert np.signbit(special.erf(zero))[0]
    assert np.signbit(special.erfinv(zero))[0]
    assert special.digamma(zero)[0] == INF
    assert special.polygamma(0, zero)[0] == INF
    assert special.polygamma(2, zero)[0] == -INF


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_float32_gives_the_rounded_float64_result(function: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    x = np.concatenate([np.linspace(-3.1, 12, 200), [1e-30, -1e-45, 3e38, -3e38, INF]]).astype(np.float32)
    with np.errstate(over="ignore"):
        rounded = function(x.astype(np.float64)).astype(np.float32)
    found = function(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, rounded)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (4, 3, 2)])
def test_shape_and_memory_order_do_not_matter(
    function: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...]
) -> None:
    x = np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape)
    found = function(x.T)
    assert isinstance(found, np.ndarray)
    assert found.shape == x.T.shape
    np.testing.assert_array_equal(found, function(x).T)


def test_blocks_do_not_show() -> None:
    x = np.linspace(-3, 12, 2**16 + 3)
    np.testing.assert_array_equal(special.lgamma(x)[-10:], special.lgamma(x[-10:]))


def test_argument_is_not_written() -> None:
    x = np.linspace(-3, 12, 100)
    before = x.copy()
    for function in FUNCTIONS.values():
        function(x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("n", [-1, 101])
def test_polygamma_of_an_order_out_of_range_raises(n: int) -> None:
    with pytest.raises(ValueError, match=f"Received: n = {n}"):
        special.polygamma(n, np.ones(1))
