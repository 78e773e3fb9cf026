"""Remainders and whole quotients, of integers and of floats, as NumPy defines them; nothing traps.

The remainder of floats is exact: long division of the mantissas as integers, eleven bits at a time.
"""

from __future__ import annotations

from chainrule.backends.native.double_math import from_whole
from chainrule.backends.native.formulas import Lanes, where
from chainrule.backends.native.text import Reg

_CHUNK = 11  # a 53-bit remainder shifted by this still fits into 64 bits

# Integers: division by 0 gives 0 -------------------------------------------------------------------------------------


def _safe(b: Lanes, signed: bool) -> Lanes:
    """A divisor that does not trap: 1 for 0, and for -1 (the smallest number by -1 overflows)."""
    bad = b.equals(0) | b.equals(-1) if signed else b.equals(0)
    return where(bad, 1, b)


def fmod_of_integers(a: Lanes, b: Lanes, signed: bool) -> Lanes:
    """The remainder with the sign of a. By 1, 0 and -1 it is 0."""
    return a.binary("srem" if signed else "urem", _safe(b, signed))


def remainder_of_integers(a: Lanes, b: Lanes, signed: bool) -> Lanes:
    """The remainder with the sign of b."""
    rest = fmod_of_integers(a, b, signed)
    if not signed:
        return rest
    return where(rest.differs(0) & ((rest ^ b) < 0), rest + b, rest)


def floor_divide_integers(a: Lanes, b: Lanes, signed: bool) -> Lanes:
    """The quotient rounded downwards."""
    safe = _safe(b, signed)
    quotient = a.binary("sdiv" if signed else "udiv", safe)
    if signed:
        rest = a - quotient * safe
        quotient = where(rest.differs(0) & ((rest ^ safe) < 0), quotient - 1, quotient)
        quotient = where(b.equals(-1), -a, quotient)
    return where(b.equals(0), 0, quotient)


# Floats --------------------------------------------------------------------------------------------------------------


def fmod(a: Lanes, b: Lanes) -> Lanes:
    """The remainder with the sign of a, exactly; NaN for b = 0 and for a = +-inf."""
    if a.element == "float":
        return fmod(a.converted("fpext", "double"), b.converted("fpext", "double")).converted("fptrunc", "float")
    x, y = a.abs(), b.abs()
    (x_exponent, x_mantissa), (y_exponent, y_mantissa) = _parts(x), _parts(y)
    smaller = x_exponent < y_exponent
    rest = _long_division(x_mantissa, y_mantissa, where(smaller, 0, x_exponent - y_exponent))
    half = y_exponent >> 1  # two factors: their product may be denormal, or near overflow
    scale, scale_too = ((half + (1023 - 537)) << 52).floats(), ((y_exponent - half + (1023 - 538)) << 52).floats()
    result = where(smaller, x, from_whole(rest) * scale * scale_too)
    result = where(y.equals(float("inf")), x, result).signed_as(a)
    undefined = y.equals(0.0) | (x >= float("inf")) | x.compare("uno", "", y)
    return where(undefined, float("nan"), result)


def _parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """(e, m) with x = m 2^(e - 1075), m < 2^53 an integer."""
    bits = x.bits()
    exponent, mantissa = bits >> 52, bits & ((1 << 52) - 1)
    normal = exponent.differs(0)
    return where(normal, exponent, 1), where(normal, mantissa | (1 << 52), mantissa)


def _long_division(x: Lanes, y: Lanes, shift: Lanes) -> Lanes:
    """x 2^shift modulo y; as many rounds as the lane with the largest shift needs."""
    f, y = x.f, where(y.equals(0), 1, y)
    most = shift.reg if shift.lanes == 1 else f.intrinsic("vector.reduce.umax", shift.reg, result="i64")

    def body(_: Reg, carried: list[Reg]) -> list[Reg]:
        rest, left = (Lanes(f, value) for value in carried)
        step = where(left < _CHUNK, left, _CHUNK)
        return [(rest << step).binary("urem", y).reg, (left - step).reg]

    carried = [x.binary("urem", y).reg, shift.reg]
    return Lanes(f, f.loop(0, most, _CHUNK, body, carried)[0])


def remainder(a: Lanes, b: Lanes) -> Lanes:
    """The remainder with the sign of b."""
    rest = fmod(a, b)
    fixed = where((b < 0.0) ^ (rest < 0.0), rest + b, rest)
    return where(rest.equals(0.0), b.like(0.0).signed_as(b), fixed)


def floor_divide(a: Lanes, b: Lanes) -> Lanes:
    """The quotient rounded downwards; a / b for b = 0."""
    rest = fmod(a, b)
    quotient = (a - rest) / b
    apart = (b < 0.0) ^ (rest < 0.0)
    quotient = where(rest.differs(0.0) & apart, quotient - 1.0, quotient)
    whole = quotient.floor()
    whole = where(quotient - whole > 0.5, whole + 1.0, whole)
    plain = a / b
    whole = where(quotient.equals(0.0), plain.like(0.0).signed_as(plain), whole)
    return where(b.equals(0.0), plain, whole)
