"""Exponentials, logarithms and sigmoids of float32: a few dozen instructions without a branch, right at every exponent.

Coefficients are minimax (Remez' exchange in 60 digits, on the intervals that the functions' comments name), rounded to
float32. Every function is within 3 ULP.
"""

from __future__ import annotations

import math

from chainrule.backends.native.exponents import LN2, powers, reduced, with_poles
from chainrule.backends.native.formulas import Lanes, fma, split_polynomial, where

# (exp(r) - 1 - r) / r^2 on |r| <= ln(2) / 2, relative error 7e-9 of exp and 1.6e-8 of expm1
_EXP = (0.0013946091, 0.008366407, 0.041666288, 0.16666545, 0.5)
# (log(1 + f) - f + f^2 / 2) / f^3 on sqrt(1/2) - 1 <= f <= sqrt(2) - 1, relative error 6e-9 of log(1 + f)
_LOG = (-0.07646357, 0.12779333, -0.13164182, 0.14199656, -0.16622762, 0.20001295, -0.25000837, 0.3333333)
# (2^r - 1) / r on |r| <= 1/2, relative error 1.1e-8
_EXP2M1 = (0.00015403505, 0.0013390853, 0.009618238, 0.055503573, 0.24022649, 0.6931472)
# -log2(erfc(x)) / x on 0 <= x <= 3.93, to a relative error of 4e-9 in erf
_LOG_ERFC = (
    *(-1.335201e-05, 0.00016970473, -0.00091294217, 0.0024049412, -0.00023135323, -0.027632043, 0.14827706, 0.9184476),
    1.627907,
)
# 2^r on |r| <= 1/2, relative error 1.9e-9
_EXP2 = (0.00015345727, 0.0013400064, 0.00961849, 0.055503283, 0.24022646, 0.6931472, 1.0)
# (1/2 - Phi(-t) e^(t^2 / 2)) / t in u = 1 / (1 + t / 4), times t to an error of 3e-8 for 0 <= t <= 13.5
_NDTR = (
    *(-0.024545424, 0.068981066, -0.014579903, 0.074583121, 0.068375856, 0.10122798, 0.1248958),
    3.5725495e-06,
)
_NDTR_ZERO = 15.0  # Phi(-t) rounds to 0 from here on
_ERF_ONE = 3.93  # erf rounds to 1 from here on


def _exp_tail(r: Lanes, square: Lanes) -> Lanes:
    """(e^r - 1 - r) / r^2, in the order that keeps the chain of operations short."""
    a, b, c, d, e = _EXP
    return fma(fma(square, a, fma(r, b, c)), square, fma(r, d, e))


def _exp_of_reduced(r: Lanes) -> Lanes:
    square = r * r
    return fma(_exp_tail(r, square), square, r + 1.0)


def _expm1_of_reduced(r: Lanes) -> Lanes:
    square = r * r
    return fma(_exp_tail(r, square), square, r)


def exp(x: Lanes) -> Lanes:
    """e^x. At 89 the result is infinite through the product with the second power.

    Up to -104, where a mask's -inf leads, it is 0 by a factor of 0: to underflow takes processors many cycles.
    """
    bits, r = reduced(x.at_most(89.0).at_least(-104.0), 254)
    half, rest = powers(bits)
    return _exp_of_reduced(r) * where(x > -104.0, half, 0.0) * rest


def exp2(x: Lanes) -> Lanes:
    """2^x."""
    x = x.at_most(129.0).at_least(-151.0)
    shift = 1.5 * 2.0**23 + 254
    shifted = x + shift
    half, rest = powers(shifted.bits())
    return _exp_of_reduced((x - (shifted - shift)) * math.log(2)) * half * rest


def exp2_normal(x: Lanes) -> Lanes:
    """2^x where it is a normal number, -126 <= x <= 127: the cheapest exponential there is."""
    shift = 1.5 * 2.0**23 + 127
    shifted = x + shift
    r = x - (shifted - shift)
    return split_polynomial(r, r * r, _EXP2) * (shifted.bits() << 23).floats()


def expm1(x: Lanes) -> Lanes:
    """e^x - 1 = (2^h q + (2^h - 2^-k)) 2^k with n = h + k and q = e^r - 1, without cancellation."""
    bits, r = reduced(x.at_most(89.0).at_least(-18.0), 254)
    half, rest = powers(bits)
    inverse = ((254 << 23) - rest.bits()).floats()
    result = fma(_expm1_of_reduced(r), half, half - inverse) * rest
    return result.signed_as(x)  # -0 stays


def tanh(x: Lanes) -> Lanes:
    """t / (t + 2) with t = e^2|x| - 1; 1 from 9.02 on."""
    magnitude = x.abs().at_most(9.02)
    bits, r = reduced(magnitude + magnitude, 127)
    power = (bits << 23).floats()
    t = fma(_expm1_of_reduced(r), power, power - 1.0)
    return (t / (t + 2.0)).signed_as(x)


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + e^-x), by e^-|x|, which does not overflow."""
    small = exp((x.bits() | -(1 << 31)).floats())
    return where(x < 0.0, small, 1.0) / (small + 1.0)


def erf(x: Lanes) -> Lanes:
    """1 - 2^L with L = log2(erfc(|x|)), a polynomial; nothing cancels near 0, where 2^L - 1 is one as well."""
    magnitude = x.abs().at_most(_ERF_ONE)
    exponent = magnitude * split_polynomial(magnitude, magnitude * magnitude, _LOG_ERFC)
    shift = 1.5 * 2.0**23 - 127
    shifted = exponent + shift
    r = (shifted - shift) - exponent
    power = (-(shifted.bits() << 23)).floats()
    return fma(-(r * split_polynomial(r, r * r, _EXP2M1)), power, 1.0 - power).signed_as(x)


def ndtr(x: Lanes) -> Lanes:
    """Phi(-t) = e^(-t^2 / 2) (1/2 - t q(t)) and Phi(t) = 1 - Phi(-t), to 1e-7, below 0 to 5e-6 of the result.

    The exponential is written as the density's is, so that next to it, as in GELU's derivative, it is computed once.
    """
    t = x.abs().at_most(_NDTR_ZERO)
    u = 1.0 / fma(t, 0.25, 1.0)
    tail = exp(x * x * -0.5) * (0.5 - t * split_polynomial(u, u * u, _NDTR))
    return where(x < 0.0, tail, 1.0 - tail)


# Logarithms -----------------------------------------------------------------------------------------------------------

_SQRT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)


def _log_of_parts(exponent: Lanes, f: Lanes) -> Lanes:
    """exponent ln 2 + log(1 + f)."""
    high, low = LN2["float"]
    square = f * f
    tail = fma(exponent, low, (f * square) * split_polynomial(f, square, _LOG))
    return fma(exponent, high, fma(square, -0.5, tail) + f)


def _split(bits: Lanes) -> tuple[Lanes, Lanes]:
    """(e, m) of a positive normal number m 2^e, sqrt(1/2) <= m < sqrt(2), from its bits."""
    exponent = (bits - _SQRT_HALF).binary("ashr", 23)
    return exponent, (bits - (exponent << 23)).floats()


def _parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """(exponent as a float, mantissa - 1) of any x > 0."""
    tiny = x < 2.0**-126
    exponent, mantissa = _split(where(tiny, x * 2.0**23, x).bits())
    return exponent.converted("sitofp", "float") - where(tiny, x.like(23.0), 0.0), mantissa - 1.0


def log(x: Lanes) -> Lanes:
    """The natural logarithm."""
    return with_poles(_log_of_parts(*_parts(x)), x, 0.0)


def log1p(x: Lanes) -> Lanes:
    """log(1 + x): what rounding 1 + x took away is put back into the mantissa."""
    total = x + 1.0
    exponent, mantissa = _split(total.bits())
    lost = x - (total - 1.0)
    few = where(exponent > 60, 60, exponent)  # nothing is lost there, and the power must not overflow
    f = fma(lost, ((127 - few) << 23).floats(), mantissa - 1.0)
    result = _log_of_parts(exponent.converted("sitofp", "float"), f)
    return with_poles(result, x, -1.0).signed_as(x)  # -0 stays
