"""The meaning of the special functions, in NumPy: erf, erfc, erfinv, lgamma, digamma, polygamma.

Each takes an array of float32 or float64 of any shape, computes in float64 and returns the dtype it got. At poles and
infinities the values are PyTorch's, except where PyTorch only comes near a pole or answers NaN for one or for a limit;
the docstrings say where. No warning is raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Float = TypeVar("Float", np.float32, np.float64)
Piece = Callable[[Float64], Float64] | float

_BLOCK = 65_536  # elements at a time: temporaries stay in the L2 cache, the cost of a call does not show
MAX_ORDER = 100  # of polygamma: beyond it factorials and powers leave the range of float64

# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), 631-637, as in his
# SPECFUN. Highest power first, here and in every table below.
# fmt: off
ERF_NEAR_ZERO = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
ERFC_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)
ERFC_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)

# M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988),
# 477-484, PPND16.
QUANTILE_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)
QUANTILE_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)
QUANTILE_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)

# Riemann's zeta(n) - 1 for n = 2, 3, ..., 30, and 1 - gamma (Abramowitz & Stegun, table 23.3).
_ZETA_MINUS_ONE = (
    0.64493406684822643647, 0.2020569031595942854, 0.082323233711138191516, 0.036927755143369926331,
    0.017343061984449139715, 0.0083492773819228268398, 0.0040773561979443393787, 0.0020083928260822144179,
    9.9457512781808533715e-4, 4.941886041194645587e-4, 2.4608655330804829864e-4, 1.2271334757848914675e-4,
    6.1248135058704829259e-5, 3.0588236307020493552e-5, 1.5282259408651871733e-5, 7.6371976378997622736e-6,
    3.8172932649998398565e-6, 1.9082127165539389257e-6, 9.5396203387279611315e-7, 4.7693298678780646312e-7,
    2.3845050272773299e-7, 1.1921992596531107307e-7, 5.9608189051259479612e-8, 2.9803503514652280186e-8,
    1.4901554828365041235e-8, 7.450711789835429492e-9, 3.7253340247884570548e-9, 1.8626597235130490064e-9,
    9.3132743241966818287e-10,
)
_ONE_MINUS_GAMMA = 0.42278433509846713939

# Bernoulli's numbers B_2, B_4, ..., B_24 (A&S, table 23.2).
BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138,
    -236364091 / 2730,
)
# fmt: on

# digamma(2 + z) and lgamma(2 + z) / z about z = 0 (A&S 6.1.33 and its derivative); |z| <= 1/2 here.
DIGAMMA_AT_TWO = (*reversed([(-1) ** n * zeta for n, zeta in enumerate(_ZETA_MINUS_ONE, 2)]), _ONE_MINUS_GAMMA)
LGAMMA_AT_TWO = tuple(a / n for a, n in zip(DIGAMMA_AT_TWO, range(30, 0, -1), strict=True))

# The series that Stirling's formulas end with, in 1 / x^2 (A&S 6.1.40, 6.3.18).
STIRLING_LGAMMA = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:10], 1))[::-1]
STIRLING_DIGAMMA = tuple(b / (2 * k) for k, b in enumerate(BERNOULLI[:10], 1))[::-1]
STIRLING_FROM = 10  # ten terms are below half an ULP from here on


def erf(x: NDArray[Float]) -> NDArray[Float]:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Cody (1969): x R(x^2) up to 0.46875, 1 - erfc(|x|) beyond. Within 3 ULP, for the tiniest x too.
    """
    return _by_blocks(_erf, x)


def erfc(x: NDArray[Float]) -> NDArray[Float]:
    """The complement 1 - erf(x), without cancellation.

    Cody (1969): exp(-x^2) times a rational function. Within 6 ULP while the result is a normal number.
    """
    return _by_blocks(_erfc, x)


def erfinv(x: NDArray[Float]) -> NDArray[Float]:
    """The y with erf(y) = x; +-inf at +-1, NaN outside [-1, 1].

    Wichura's AS 241 (1988) for the normal quantile: erfinv(x) = quantile((1 + x) / 2) / sqrt(2); in the tails the
    probability left, (1 - |x|) / 2, is exact. Within 5 ULP.
    """
    return _by_blocks(_erfinv, x)


def lgamma(x: NDArray[Float]) -> NDArray[Float]:
    """log |Gamma(x)|; +inf at the poles 0, -1, -2, ...

    Taylor series about 2 (A&S 6.1.33) on [1.5, 2.5], reached from [0, 10) by the recurrence; Stirling's formula from 10
    on (A&S 6.1.40); log(pi / |sin(pi x)|) - lgamma(1 - x) for x < 0 (A&S 6.1.17). Relative error below 1e-15 for x > 0,
    near the zeros 1 and 2 too; error below 1e-14 of max(1, |result|) for x < 0.
    """
    return _by_blocks(_lgamma, x)


def digamma(x: NDArray[Float]) -> NDArray[Float]:
    """The derivative of lgamma; -inf at +0, +inf at -0, NaN at negative integers and -inf.

    lgamma's formulas on lgamma's ranges, differentiated; digamma(1 - x) - pi cot(pi x) for x < 0 (A&S 6.3.7, 6.3.18).
    Error below 1e-15 of max(1, |result|) for x > 0, below 4e-15 of it for x < 0.
    """
    return _by_blocks(_digamma, x)


def polygamma(n: int, x: NDArray[Float]) -> NDArray[Float]:
    """The n-th derivative of digamma, (-1)^(n+1) n! sum over k >= 0 of 1 / (x + k)^(n+1), for 0 <= n <= 100.

    That sum until x + k >= n + 12, then its asymptotic series (A&S 6.4.10, 6.4.11); for x < 0 the reflection
    (-1)^n polygamma(n, 1 - x) - pi^(n+1) cot^(n)(pi x) (A&S 6.4.7). For n <= 10 the relative error is below 2e-15 for
    x > 0, 5e-15 for x < 0 (there of max(1, |result|) if n is even: it has zeros).

    From n = 1 on, (-1)^(n+1) inf is the value at a pole and at -inf, as in PyTorch for n > 1. PyTorch misses the poles
    -1, -2, ... of n = 1 (6.6e32) and has NaN there at -inf; for n > 1 it has NaN at +inf, where 0 is the limit.
    """
    if not 0 <= n <= MAX_ORDER:
        raise ValueError(f"polygamma: the order n must be from 0 to {MAX_ORDER}. Received: n = {n}.")
    return _by_blocks(lambda v: _polygamma(n, v), x) if n else digamma(x)


def _by_blocks(function: Callable[[Float64], Float64], x: NDArray[Float]) -> NDArray[Float]:
    flat = x.reshape(-1)
    result = np.empty_like(flat)
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            result[block] = function(flat[block].astype(np.float64))
    return result.reshape(x.shape)


def _piecewise(x: Float64, conditions: list[NDArray[np.bool_]], pieces: list[Piece]) -> Float64:
    """np.piecewise with its types said: a later condition wins, one piece more than conditions is for the rest."""
    result: Float64 = np.piecewise(x, conditions, pieces)
    return result


def _polynomial(x: Float64, coefficients: Sequence[float]) -> Float64:
    result = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result *= x
        result += coefficient
    return result


def _rational(x: Float64, table: tuple[Sequence[float], Sequence[float]]) -> Float64:
    numerator, denominator = table
    return _polynomial(x, numerator) / _polynomial(x, denominator)


def _erf(x: Float64) -> Float64:
    magnitude = np.abs(x)
    beyond = magnitude > 0.46875  # False for NaN, which the rational function hands on
    return _piecewise(x, [beyond], [lambda v: np.copysign(1 - _erfc_positive(np.abs(v)), v), _erf_near_zero])


def _erfc(x: Float64) -> Float64:
    conditions = [x < -0.46875, x > 0.46875]
    return _piecewise(
        x, conditions, [lambda v: 2 - _erfc_positive(-v), _erfc_positive, lambda v: 1 - _erf_near_zero(v)]
    )


def _erf_near_zero(x: Float64) -> Float64:
    return x * _rational(x * x, ERF_NEAR_ZERO)


def _erfc_positive(x: Float64) -> Float64:
    return _piecewise(x, [x <= 4, x >= 28], [_erfc_middle, 0.0, _erfc_far])


def _erfc_middle(x: Float64) -> Float64:
    return _exp_minus_square(x) * _rational(x, ERFC_MIDDLE)


def _erfc_far(x: Float64) -> Float64:
    z = 1 / (x * x)
    return _exp_minus_square(x) * ((1 / math.sqrt(math.pi) - z * _rational(z, ERFC_FAR)) / x)


def _exp_minus_square(x: Float64) -> Float64:
    # The square of x cut to 1/16 is exact; the rounding of x * x would cost x^2 ULP in the exponential.
    cut = np.trunc(x * 16) / 16
    return np.exp(-cut * cut) * np.exp(-(x - cut) * (x + cut))


def _erfinv(x: Float64) -> Float64:
    magnitude = np.abs(x)
    conditions = [magnitude <= 0.85, (magnitude > 0.85) & (magnitude < 1), magnitude == 1]
    return _piecewise(
        x,
        conditions,
        [_erfinv_centre, _erfinv_tail, lambda v: np.copysign(np.inf, v), lambda v: np.full_like(v, np.nan)],
    )


def _erfinv_centre(x: Float64) -> Float64:
    return x * _rational(0.180625 - 0.25 * x * x, QUANTILE_CENTRE) * (0.5 / math.sqrt(2))


def _erfinv_tail(x: Float64) -> Float64:
    r = np.sqrt(-np.log((1 - np.abs(x)) / 2))
    quantile = _piecewise(
        r, [r <= 5], [lambda v: _rational(v - 1.6, QUANTILE_TAIL), lambda v: _rational(v - 5, QUANTILE_FAR_TAIL)]
    )
    return np.copysign(quantile / math.sqrt(2), x)


def _gamma_ranges(x: Float64) -> list[NDArray[np.bool_]]:
    """Where lgamma and digamma: reflect, have poles, use x, use x - 1, step down to [1.5, 2.5)."""
    return [
        x < 0,
        (x < 0) & (x == np.rint(x)),
        (x >= 0) & (x < 0.5),
        (x >= 0.5) & (x < 1.5),
        (x >= 1.5) & (x < STIRLING_FROM),
    ]


def _lgamma(x: Float64) -> Float64:
    pieces: list[Piece] = [
        _lgamma_reflected,
        np.inf,
        lambda v: _lgamma_from_two(v) - np.log(v * (1 + v)),
        lambda v: _lgamma_from_two(v - 1) - np.log1p(v - 1),
        _lgamma_shifted,
        _lgamma_stirling,
    ]
    return _piecewise(x, _gamma_ranges(x), pieces)


def _lgamma_from_two(z: Float64) -> Float64:
    return z * _polynomial(z, LGAMMA_AT_TWO)


def _lgamma_shifted(x: Float64) -> Float64:
    # Downwards: x - k is exact and nothing large cancels.
    product = np.ones_like(x)
    for _ in range(STIRLING_FROM - 2):
        above = x >= 2.5
        x = np.where(above, x - 1, x)
        product = np.where(above, product * x, product)
    return _lgamma_from_two(x - 2) + np.log(product)


def _lgamma_stirling(x: Float64) -> Float64:
    series = _polynomial(1 / (x * x), STIRLING_LGAMMA) / x
    result: Float64 = (x - 0.5) * (np.log(x) - 1) + ((math.log(2 * math.pi) - 1) / 2 + series)
    return result


def _lgamma_reflected(x: Float64) -> Float64:
    sine, _ = _sine_and_cosine_pi(x)
    log_sine: Float64 = np.log(np.abs(sine) / math.pi)
    return -log_sine - _lgamma(1 - x)


def _sine_and_cosine_pi(x: Float64) -> tuple[Float64, Float64]:
    """sin(pi r) and cos(pi r), r = x - round(x): their quotient is that of pi x, their signs are not."""
    r = x - np.rint(x)
    return np.sin(math.pi * r), np.sin(math.pi * (0.5 - np.abs(r)))


def _digamma(x: Float64) -> Float64:
    pieces: list[Piece] = [
        _digamma_reflected,
        np.nan,
        lambda v: _polynomial(v, DIGAMMA_AT_TWO) - 1 / (1 + v) - 1 / v,
        lambda v: _polynomial(v - 1, DIGAMMA_AT_TWO) - 1 / v,
        _digamma_shifted,
        _digamma_stirling,
    ]
    return _piecewise(x, _gamma_ranges(x), pieces)


def _digamma_shifted(x: Float64) -> Float64:
    total = np.zeros_like(x)
    for _ in range(STIRLING_FROM - 2):
        above = x >= 2.5
        x = np.where(above, x - 1, x)
        total = np.where(above, total + 1 / x, total)
    return _polynomial(x - 2, DIGAMMA_AT_TWO) + total


def _digamma_stirling(x: Float64) -> Float64:
    z = 1 / (x * x)
    return np.log(x) - (0.5 / x + z * _polynomial(z, STIRLING_DIGAMMA))


def _digamma_reflected(x: Float64) -> Float64:
    sine, cosine = _sine_and_cosine_pi(x)
    return _digamma(1 - x) - math.pi * cosine / sine


def _polygamma(n: int, x: Float64) -> Float64:
    sign = 1.0 if n % 2 else -1.0
    pole, near = (x <= 0) & (x == np.rint(x)), (x > 0) & (x < n + 12)
    pieces: list[Piece] = [
        lambda v: _polygamma_reflected(n, v),
        sign * np.inf,
        lambda v: sign * _polygamma_sum(n, v),
        lambda v: sign * _polygamma_asymptotic(n, v),
    ]
    return _piecewise(x, [x < 0, pole, near], pieces)


def _polygamma_sum(n: int, x: Float64) -> Float64:
    """|polygamma| for 0 < x < n + 12; smallest terms first."""
    steps = n + 12
    total = _polygamma_asymptotic(n, x + steps)
    for k in reversed(range(steps)):
        total += math.factorial(n) / (x + k) ** (n + 1)
    return total


def _polygamma_asymptotic(n: int, x: Float64) -> Float64:
    """|polygamma| for x >= n + 12: (n-1)! / x^n (1 + n / 2x + sum of B_2k (2k+n-1)! / ((2k)! (n-1)!) / x^2k)."""
    lead = math.factorial(n - 1)
    series = [b * math.comb(2 * k + n - 1, 2 * k) for k, b in enumerate(BERNOULLI, 1)]
    z = 1 / (x * x)
    # Half the power at a time: the factorial keeps the product from underflow.
    power = lead / x ** (n // 2) / x ** (n - n // 2)
    return power * (1 + (n / (2 * x) + z * _polynomial(z, series[::-1])))


def _polygamma_reflected(n: int, x: Float64) -> Float64:
    sine, cosine = _sine_and_cosine_pi(x)
    cotangent = cosine / sine
    square = cotangent * cotangent
    derivative = math.pi ** (n + 1) * _polynomial(square, cotangent_derivative(n))
    if n % 2:
        return -_polygamma(n, 1 - x) - derivative
    return _polygamma(n, 1 - x) - cotangent * derivative


def cotangent_derivative(n: int) -> list[float]:
    """The n-th derivative of c = cot as a polynomial in c^2, times c if n is even; highest power first."""
    powers = [0, 1]  # of c, lowest first; c' = -(1 + c^2)
    for _ in range(n):
        slope = [k * a for k, a in enumerate(powers)][1:]
        powers = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return [float(a) for a in powers[(n + 1) % 2 :: 2]][::-1]
