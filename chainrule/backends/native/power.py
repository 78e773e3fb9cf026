"""x to the power y, by C99's table of special values.

The logarithm must be better than its result by the 10 bits that a product of up to 745 takes away: for float64 it is
computed as a sum of two numbers. float32 goes through float64, where one number is enough.
"""

from __future__ import annotations

import math

from chainrule.backends.native import double_math
from chainrule.backends.native.exponents import LN2
from chainrule.backends.native.formulas import Lanes, fma, polynomial, where

# (log((1 + s) / (1 - s)) - 2 s - 2/3 s^3) / s^5 in s^2, |s| <= 0.1716, error 1e-22 of the logarithm (Remez)
_TAIL = (
    *(0.11992002194392909, 0.11674460092051128, 0.1333633505064968, 0.15384556413375153, 0.18181818877012496),
    *(0.2222222221748196, 0.28571428571445334, 0.39999999999999974),
)
_TWO_THIRDS = (2 / 3, 3.700743415417188e-17)

Pair = tuple[Lanes, Lanes]  # a sum of two numbers, the second below the last place of the first


def power(x: Lanes, y: Lanes) -> Lanes:
    """x^y."""
    if x.element == "float":
        wide = power(x.converted("fpext", "double"), y.converted("fpext", "double"))
        return wide.converted("fptrunc", "float")
    whole = y.rounded().equals(y)
    half = y * 0.5
    odd = whole & half.rounded().differs(half)
    result = _magnitude(x.abs(), y)
    result = (result.bits() | where(odd, x.sign_bit(), 0)).floats()
    result = where((x < 0.0) & (x > -math.inf) & ~whole, math.nan, result)
    result = where(x.compare("uno", "", y), x + y, result)
    return where(y.equals(0.0) | x.equals(1.0), 1.0, result)


def _magnitude(x: Lanes, y: Lanes) -> Lanes:
    """x^y of x >= 0."""
    y = y.at_most(2.0**80).at_least(-(2.0**80))  # far beyond overflow for every x but 1
    high, low = _log(x)
    product, error = exact_product(y, high)
    correction = where(product.abs() < 1000.0, error + y * low, 0.0)  # else overflow is certain
    result = double_math.exp(product, correction)
    grows = x.equals(math.inf) ^ (y < 0.0)
    return where(x.equals(0.0) | x.equals(math.inf), where(grows, x.like(math.inf), 0.0), result)


def _log(x: Lanes) -> Pair:
    """log(x) of a finite x > 0 to about 2^-65 of itself."""
    ln2, ln2_low = LN2["double"]
    exponent, f = double_math.parts(x)
    s, s_low = _quotient(f)
    z, z_low = exact_product(s, s)
    z_low = z_low + (s + s) * s_low
    cube, cube_low = exact_product(s, z)
    cube_low = cube_low + (s * z_low + s_low * z)
    third, third_low = exact_product(cube, cube.like(_TWO_THIRDS[0]))
    third_low = third_low + (cube * _TWO_THIRDS[1] + cube_low * _TWO_THIRDS[0])
    tail = (cube * z) * polynomial(z, _TAIL)
    total, lost = _exact_sum(exponent * ln2, s + s)
    total, lost_too = _exact_sum(total, third)
    low = (lost + lost_too) + ((s_low + s_low) + third_low) + (tail + exponent * ln2_low)
    return _exact_sum(total, low)


def _quotient(f: Lanes) -> Pair:
    """f / (2 + f)."""
    below = f + 2.0
    below_low = f - (below - 2.0)
    high = f / below
    product, error = exact_product(high, below)
    return high, (((f - product) - error) - high * below_low) / below


def _exact_sum(a: Lanes, b: Lanes) -> Pair:
    """a + b for |a| >= |b| or a = 0 (Dekker's fast two-sum)."""
    total = a + b
    return total, b - (total - a)


def exact_product(a: Lanes, b: Lanes) -> Pair:
    """a b: by FMA, or by halves of 26 bits (Veltkamp and Dekker), which must not overflow."""
    product = a * b
    if a.f.level.fma:
        return product, fma(a, b, -product)
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(x: Lanes) -> Pair:
    scaled = x * (2.0**27 + 1)
    high = scaled - (scaled - x)
    return high, x - high
