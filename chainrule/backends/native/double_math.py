"""Exponentials, logarithms, sigmoids and inverse circular functions of float64, without branches.

Most float32 functions that are rare run through these. Coefficients are minimax (Remez' exchange in 60 digits, on the
intervals that the comments name). Every function is within 3 ULP.
"""

from __future__ import annotations

import math

from chainrule.backends.native.exponents import LN2, LOG2_E, powers, reduced, with_poles
from chainrule.backends.native.formulas import Lanes, fma, polynomial, where

HALF_PI = (math.pi / 2, 6.123233995736766e-17)  # pi / 2 and what that constant lacks

# (exp(r) - 1 - r) / r^2 on |r| <= ln(2) / 2, relative error 2e-17 of expm1
_EXP = (
    *(2.5114661868653402e-08, 2.76264521478675e-07, 2.7557227352598626e-06, 2.480150414418048e-05),
    *(0.00019841269903721415, 0.0013888888932616172, 0.008333333333314255, 0.041666666666572955),
    *(0.16666666666666688, 0.5),
)
# (log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2, |s| <= 0.1716, relative error 3e-18 of the logarithm
_LOG = (
    *(0.14799070887226493, 0.15313755325298137, 0.18183575181821868, 0.2222219837813162, 0.2857142874414593),
    *(0.39999999999407454, 0.6666666666666735),
)
# (atan(x) / x - 1) / x^2 in x^2 on |x| <= tan(pi / 8), relative error 5e-20
_ATAN = (
    *(0.015181726268751613, -0.033461296288910786, 0.04502986696661132, -0.0521826662917151, 0.058770004970317376),
    *(-0.06666224592622344, 0.07692282612828885, -0.09090908138116513, 0.11111111088001299, -0.142857142853852),
    *(0.19999999999997647, -0.33333333333333326),
)
# (asin(x) / x - 1) / x^2 in x^2 on |x| <= 1/2, relative error 1e-18
_ASIN = (
    *(0.032701947575802096, -0.02111640546505002, 0.021790451797497196, 0.0036722516926766227, 0.010789307999213292),
    *(0.011397294423729647, 0.01398101850827123, 0.017351595488846957, 0.02237221590737159, 0.030381942675194843),
    *(0.044642857175288576, 0.07499999999970094, 0.16666666666666763),
)

# Exponentials ---------------------------------------------------------------------------------------------------------


def _expm1_of_reduced(r: Lanes) -> Lanes:
    return fma(r * r, polynomial(r, _EXP), r)


def exp(x: Lanes, low: Lanes | None = None) -> Lanes:
    """e^x, or e^(x + low) for a correction `low` below the last place of x."""
    bits, r = reduced(x.at_most(710.0).at_least(-746.0), 2046)
    half, rest = powers(bits)
    if low is not None:
        r = r + low
    return (_expm1_of_reduced(r) + 1.0) * half * rest


def exp2(x: Lanes) -> Lanes:
    """2^x."""
    x = x.at_most(1025.0).at_least(-1076.0)
    shift = 1.5 * 2.0**52 + 2046
    shifted = x + shift
    half, rest = powers(shifted.bits())
    r = x - (shifted - shift)
    return (_expm1_of_reduced(r * math.log(2)) + 1.0) * half * rest


def expm1(x: Lanes) -> Lanes:
    """e^x - 1 = (2^h q + (2^h - 2^-k)) 2^k with n = h + k and q = e^r - 1, without cancellation."""
    bits, r = reduced(x.at_most(710.0).at_least(-40.0), 2046)
    half, rest = powers(bits)
    inverse = ((2046 << 52) - rest.bits()).floats()
    return (fma(_expm1_of_reduced(r), half, half - inverse) * rest).signed_as(x)  # -0 stays


def tanh(x: Lanes) -> Lanes:
    """t / (t + 2) with t = e^2|x| - 1; 1 from 20 on."""
    magnitude = x.abs().at_most(20.0)
    t = expm1(magnitude + magnitude)
    return (t / (t + 2.0)).signed_as(x)


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + e^-x), by e^-|x|, which does not overflow."""
    small = exp(-x.abs())
    return where(x < 0.0, small, 1.0) / (small + 1.0)


def sinh(x: Lanes) -> Lanes:
    """(t + t / (t + 1)) / 2 with t = e^|x| - 1; far out (e^(x/2))^2 / 2, which does not overflow too early."""
    magnitude = x.abs()
    t, root = expm1(magnitude), exp(magnitude * 0.5)
    near, far = (t + t / (t + 1.0)) * 0.5, (root * 0.5) * root
    return where(magnitude > 22.0, far, near).signed_as(x)


def cosh(x: Lanes) -> Lanes:
    """(e^|x| + e^-|x|) / 2, by the root of e^|x|, which does not overflow too early."""
    root = exp(x.abs() * 0.5)
    return (root * 0.5) * root + 0.5 / (root * root)


# Logarithms -----------------------------------------------------------------------------------------------------------

_SQRT_HALF = 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)


def split(bits: Lanes) -> tuple[Lanes, Lanes]:
    """(e as a float, m) of a positive normal number m 2^e, sqrt(1/2) <= m < sqrt(2), from its bits."""
    raised = ((bits - _SQRT_HALF) + (1024 << 52)) >> 52  # e + 1024, no sign to shift
    mantissa = (bits - (raised << 52)) + (1024 << 52)
    # 2^52 + the integer, put together from bits: not every level converts 64-bit integers.
    exponent = (raised | (1075 << 52)).floats() - (2.0**52 + 1024)
    return exponent, mantissa.floats()


def parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """(exponent as a float, mantissa - 1) of any x > 0."""
    tiny = x < 2.0**-1022
    exponent, mantissa = split(where(tiny, x * 2.0**52, x).bits())
    return exponent - where(tiny, x.like(52.0), 0.0), mantissa - 1.0


def _log_of_parts(exponent: Lanes, f: Lanes) -> Lanes:
    """exponent ln 2 + log(1 + f) = ... + f - (f^2 / 2 - s (f^2 / 2 + R(s^2))), s = f / (2 + f)."""
    high, low = LN2["double"]
    s = f / (f + 2.0)
    square = s * s
    half = f * f * 0.5
    tail = s * (half + square * polynomial(square, _LOG)) + exponent * low
    return exponent * high - ((half - tail) - f)


def log(x: Lanes) -> Lanes:
    """The natural logarithm."""
    return with_poles(_log_of_parts(*parts(x)), x, 0.0)


def log2(x: Lanes) -> Lanes:
    """The logarithm to base 2; whole numbers where x is a power of 2."""
    exponent, f = parts(x)
    return with_poles(fma(_log_of_parts(x.like(0.0), f), LOG2_E, exponent), x, 0.0)


def log10(x: Lanes) -> Lanes:
    """The logarithm to base 10."""
    return log(x) / math.log(10)


def log1p(x: Lanes) -> Lanes:
    """log(1 + x): what rounding 1 + x took away is put back into the mantissa."""
    total = x + 1.0
    exponent, mantissa = split(total.bits())
    lost = x - (total - 1.0)
    f = fma(lost, exp2_of_whole(-exponent.at_most(100.0)), mantissa - 1.0)
    return with_poles(_log_of_parts(exponent, f), x, -1.0).signed_as(x)  # -0 stays


def exp2_of_whole(n: Lanes) -> Lanes:
    """2^n for a float n that is whole and of a normal power."""
    return ((n + (1.5 * 2.0**52 + 1023)).bits() << 52).floats()


def asinh(x: Lanes) -> Lanes:
    """The inverse of sinh."""
    a = x.abs()
    large = a > 2.0**28
    inner = where(large, a - 1.0, a + a * a / ((a * a + 1.0).intrinsic("sqrt") + 1.0))
    return (log1p(inner) + where(large, x.like(math.log(2)), 0.0)).signed_as(x)


def acosh(x: Lanes) -> Lanes:
    """The inverse of cosh."""
    large, above = x > 2.0**28, x - 1.0
    inner = where(large, above, above + (above * above + (above + above)).intrinsic("sqrt"))
    result = log1p(inner) + where(large, x.like(math.log(2)), 0.0)
    return where(x < 1.0, math.nan, result)


def atanh(x: Lanes) -> Lanes:
    """The inverse of tanh."""
    a = x.abs()
    return (log1p((a + a) / (1.0 - a)) * 0.5).signed_as(x)


# Whole numbers --------------------------------------------------------------------------------------------------------


def from_whole(bits: Lanes) -> Lanes:
    """The float64 of integers 0 <= i < 2^53, by halves: not every level converts 64-bit integers in vectors."""
    high = ((bits >> 32) | (0x453 << 52)).floats() - (2.0**84 + 2.0**52)
    return ((bits & 0xFFFFFFFF) | (0x433 << 52)).floats() + high


# Inverse circular functions -------------------------------------------------------------------------------------------


def _atan_small(x: Lanes) -> Lanes:
    square = x * x
    return fma(x * square, polynomial(square, _ATAN), x)


def _atan_positive(x: Lanes) -> Lanes:
    """atan of x >= 0: by (x - 1) / (x + 1) from tan(pi / 8) on, by -1 / x from tan(3 pi / 8) on."""
    middle, far = x > 0.41421356237309503, x > 2.414213562373095
    over = where(far, x.like(-1.0), where(middle, x - 1.0, x))
    under = where(far, x, where(middle, x + 1.0, 1.0))
    base = where(far, x.like(HALF_PI[0]), where(middle, x.like(HALF_PI[0] / 2), 0.0))
    lacks = where(far, x.like(HALF_PI[1]), where(middle, x.like(HALF_PI[1] / 2), 0.0))
    return base + (_atan_small(over / under) + lacks)


def atan(x: Lanes) -> Lanes:
    """The angle whose tangent is x."""
    return _atan_positive(x.abs()).signed_as(x)


def atan2(y: Lanes, x: Lanes) -> Lanes:
    """The angle of the point (x, y)."""
    up, right = y.abs(), x.abs()
    steep = up > right
    small, large = where(steep, right, up), where(steep, up, right)
    tangent = small / large
    tangent = where(large.equals(0.0), 0.0, where(small.equals(math.inf), x.like(1.0), tangent))
    angle = _atan_positive(tangent)
    angle = where(steep, HALF_PI[0] - (angle - HALF_PI[1]), angle)
    angle = where(x.bits() < 0, 2 * HALF_PI[0] - (angle - 2 * HALF_PI[1]), angle)
    return where(x.compare("uno", "", y), x + y, angle.signed_as(y))


def _asin_small(x: Lanes, square: Lanes) -> Lanes:
    return fma(x * square, polynomial(square, _ASIN), x)


def asin(x: Lanes) -> Lanes:
    """The angle whose sine is x: pi / 2 - 2 asin(sqrt((1 - |x|) / 2)) beyond 1/2."""
    magnitude = x.abs()
    outer = magnitude > 0.5
    square = where(outer, (1.0 - magnitude) * 0.5, x * x)
    angle = _asin_small(where(outer, square.intrinsic("sqrt"), magnitude), square)
    return where(outer, HALF_PI[0] - ((angle + angle) - HALF_PI[1]), angle).signed_as(x)


def acos(x: Lanes) -> Lanes:
    """The angle whose cosine is x."""
    magnitude = x.abs()
    outer = magnitude > 0.5
    square = where(outer, (1.0 - magnitude) * 0.5, x * x)
    angle = _asin_small(where(outer, square.intrinsic("sqrt"), x), square)
    double = angle + angle
    far = where(x < 0.0, 2 * HALF_PI[0] - (double - 2 * HALF_PI[1]), double)
    return where(outer, far, HALF_PI[0] - (angle - HALF_PI[1]))
