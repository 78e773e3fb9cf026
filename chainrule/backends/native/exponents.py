"""What exponentials and logarithms of both float types begin and end with: powers of two, taken out and put back."""

from __future__ import annotations

import math

from chainrule.backends.native.formulas import MANTISSA, Lanes, fma, where

LOG2_E = 1 / math.log(2)
# ln 2 in two parts; an exponent times the first is exact, so levels without FMA lose nothing.
LN2 = {
    "float": (0.693359375, -2.12194440e-4),
    "double": (float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")),
}


def reduced(x: Lanes, bias: int) -> tuple[Lanes, Lanes]:
    """(bits whose low ones hold n + bias, r) with x = n ln 2 + r, |r| <= ln(2) / 2."""
    high, low = LN2[x.element]
    shift = 1.5 * 2.0 ** MANTISSA[x.element] + bias  # adding it leaves the rounded integer in the low bits
    shifted = fma(x, LOG2_E, shift)
    n = shifted - shift
    return shifted.bits(), fma(n, -low, fma(n, -high, x))


def powers(bits: Lanes) -> tuple[Lanes, Lanes]:
    """Two powers of two whose product is 2^n: 2^n itself may be denormal or infinite.

    The bits hold n + 254 for float32, n + 2046 for float64: twice the bias of an exponent.
    """
    mantissa = MANTISSA["float" if bits.element == "i32" else "double"]
    half = (bits << (mantissa - 1)) & -(1 << mantissa)
    return half.floats(), ((bits << mantissa) - half).floats()


def with_poles(result: Lanes, x: Lanes, pole: float) -> Lanes:
    """A logarithm's result, but -inf at the pole, NaN below it; +inf and NaN as they are."""
    result = where(x > pole, result, where(x.equals(pole), x.like(-math.inf), math.nan))
    return where(x < math.inf, result, x)
