"""erf, erfc, erfinv, lgamma, digamma and polygamma of float64, by the methods and tables of their reference.

All pieces are computed and the right one is chosen. float32 goes through these, except for erf (in `float_math.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.backends.native.circular import half_turns
from chainrule.backends.native.double_math import exp, log
from chainrule.backends.native.formulas import Lanes, polynomial, rational, where
from chainrule.backends.native.text import Reg
from chainrule.ops import special_reference as tables

# The error function ---------------------------------------------------------------------------------------------------

_NEAR_ZERO = 0.46875


def _erfc_positive(x: Lanes) -> Lanes:
    """For x > 0.46875; 0 from 28 on."""
    x = x.at_most(28.0)
    cut = (x * 16.0).trunc() * 0.0625  # its square is exact: that of x would cost x^2 ULP in the exponential
    power = exp(-(cut * cut)) * exp(-((x - cut) * (x + cut)))
    inverse = 1.0 / (x * x)
    far = (1 / math.sqrt(math.pi) - inverse * rational(inverse, tables.ERFC_FAR)) / x
    return power * where(x > 4.0, far, rational(x, tables.ERFC_MIDDLE))


def _erf_near_zero(x: Lanes) -> Lanes:
    return x * rational(x * x, tables.ERF_NEAR_ZERO)


def erf(x: Lanes) -> Lanes:
    """The error function."""
    magnitude = x.abs()
    beyond = (1.0 - _erfc_positive(magnitude)).signed_as(x)
    return where(magnitude > _NEAR_ZERO, beyond, _erf_near_zero(x.at_most(1.0).at_least(-1.0)))


def erfc(x: Lanes) -> Lanes:
    """1 - erf(x) without cancellation."""
    magnitude = x.abs()
    beyond = _erfc_positive(magnitude)
    beyond = where(x < 0.0, 2.0 - beyond, beyond)
    return where(magnitude > _NEAR_ZERO, beyond, 1.0 - _erf_near_zero(x.at_most(1.0).at_least(-1.0)))


def erfinv(x: Lanes) -> Lanes:
    """The inverse of erf."""
    magnitude = x.abs()
    centre = x * rational(0.180625 - 0.25 * x * x, tables.QUANTILE_CENTRE) * (0.5 / math.sqrt(2))
    r = (-log((1.0 - magnitude) * 0.5)).intrinsic("sqrt")
    quantile = where(r > 5.0, rational(r - 5.0, tables.QUANTILE_FAR_TAIL), rational(r - 1.6, tables.QUANTILE_TAIL))
    result = where(magnitude > 0.85, (quantile / math.sqrt(2)).signed_as(x), centre)
    edge = where(magnitude.equals(1.0), x.like(math.inf).signed_as(x), math.nan)
    return where(magnitude < 1.0, result, edge)


# The gamma function ---------------------------------------------------------------------------------------------------

_FAR = float(tables.STIRLING_FROM)


def _reflected(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """(x < 0, whether x is a whole number below 0, 1 - x there and x elsewhere)."""
    negative = x < 0.0
    return negative, negative & x.rounded().equals(x), where(negative, 1.0 - x, x)


def _stepped(x: Lanes, step: Callable[[Lanes, Lanes], Lanes], start: float) -> tuple[Lanes, Lanes]:
    """Down to [1.5, 2.5) by ones: (where that ends, what `step(total, x)` made of `start` on the way)."""
    total = x.like(start)
    for _ in range(tables.STIRLING_FROM - 2):
        above = x >= 2.5
        x = where(above, x - 1.0, x)
        total = where(above, step(total, x), total)
    return x, total


def _from_two(x: Lanes, stepped: Lanes) -> Lanes:
    """What x is less than the whole number next to it, for the series about 2."""
    return where(x < 0.5, x, where(x < 1.5, x - 1.0, stepped - 2.0))


def lgamma(x: Lanes) -> Lanes:
    """log |Gamma(x)|."""
    negative, pole, y = _reflected(x)
    stepped, product = _stepped(y.at_most(_FAR), lambda total, at: total * at, 1.0)
    z = _from_two(y.at_most(_FAR), stepped)
    far, small = y >= _FAR, y < 1.5
    logarithm = log(where(far, y, where(y < 0.5, y * (y + 1.0), where(small, y, product))))
    near = z * polynomial(z, tables.LGAMMA_AT_TWO) + where(small, -logarithm, logarithm)
    series = polynomial(1.0 / (y * y), tables.STIRLING_LGAMMA) / y
    stirling = (y - 0.5) * (logarithm - 1.0) + (series + (math.log(2 * math.pi) - 1) / 2)
    result = where(far, stirling, near)
    sine, _ = half_turns(x)
    result = where(negative, -log(sine.abs() / math.pi) - result, result)
    return where(pole, math.inf, result)


def digamma(x: Lanes) -> Lanes:
    """The derivative of lgamma."""
    negative, pole, y = _reflected(x)
    stepped, total = _stepped(y.at_most(_FAR), lambda total, at: total + 1.0 / at, 0.0)
    z = _from_two(y.at_most(_FAR), stepped)
    inverse = 1.0 / y
    total = where(y < 1.5, where(y < 0.5, -(1.0 / (y + 1.0)), 0.0) - inverse, total)
    near = polynomial(z, tables.DIGAMMA_AT_TWO) + total
    square = inverse * inverse
    stirling = log(y) - (inverse * 0.5 + square * polynomial(square, tables.STIRLING_DIGAMMA))
    result = where(y >= _FAR, stirling, near)
    sine, cosine = half_turns(x)
    result = where(negative, result - cosine / sine * math.pi, result)
    return where(pole, math.nan, result)


def polygamma(x: Lanes, n: int) -> Lanes:
    """The n-th derivative of digamma, n >= 1."""
    if n > tables.MAX_ORDER:
        raise ValueError(f"polygamma: the order n must be from 0 to {tables.MAX_ORDER}. Received: n = {n}.")
    negative, _, y = _reflected(x)
    sign = 1.0 if n % 2 else -1.0
    steps = n + 12
    near = y < float(steps)
    result = _polygamma_far(where(near, y + float(steps), y), n) + _polygamma_steps(where(near, y, 1e300), n, steps)
    sine, cosine = half_turns(x)
    cotangent = cosine / sine
    slope = polynomial(cotangent * cotangent, tables.cotangent_derivative(n)) * math.pi ** (n + 1)
    reflected = -sign * (sign * result) - (slope if n % 2 else cotangent * slope)
    result = where(negative, reflected, result * sign)
    return where((x <= 0.0) & x.rounded().equals(x), sign * math.inf, result)


def _polygamma_far(x: Lanes, n: int) -> Lanes:
    """|polygamma| for x >= n + 12."""
    lead = float(math.factorial(n - 1))
    series = [b * math.comb(2 * k + n - 1, 2 * k) for k, b in enumerate(tables.BERNOULLI, 1)]
    inverse = 1.0 / (x * x)
    power = lead / _whole_power(x, n // 2) / _whole_power(x, n - n // 2)
    return power * ((n / 2 / x + inverse * polynomial(inverse, series[::-1])) + 1.0)


def _polygamma_steps(x: Lanes, n: int, steps: int) -> Lanes:
    """The first terms n! / (x + k)^(n + 1), the smallest first."""
    f, lead = x.f, float(math.factorial(n))

    def body(_: Reg, carried: list[Reg]) -> list[Reg]:
        total, k = (Lanes(f, value) for value in carried)
        at = x + k
        term = lead / _whole_power(at, (n + 1) // 2) / _whole_power(at, n + 1 - (n + 1) // 2)  # neither underflows
        return [(total + term).reg, (k - 1.0).reg]

    return Lanes(f, f.loop(0, steps, 1, body, [x.like(0.0).reg, x.like(float(steps - 1)).reg])[0])


def _whole_power(x: Lanes, n: int) -> Lanes:
    """x^n for a known n >= 0, by squares."""
    result: Lanes | None = None
    while n:
        if n & 1:
            result = x if result is None else result * x
        n >>= 1
        x = x * x if n else x
    return x.like(1.0) if result is None else result
