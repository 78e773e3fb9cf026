"""sin, cos and tan of float32 and float64, right for every argument.

An argument is brought to |r| <= pi / 4 by subtracting a multiple of pi / 2 that is written as a sum of short constants
(Cody and Waite). Beyond a bound that sum is not exact any more; there the multiple is found from the bits of 2 / pi
that matter for the argument's exponent (M. H. Payne, R. N. Hanek, "Radian reduction for trigonometric functions",
SIGNUM Newsletter 18 (1983)). That is a function of its own, called when a lane of the vector needs it; the other lanes
keep the bits of the short way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from chainrule.backends.native.formulas import Lanes, any_lane, fma, polynomial, where
from chainrule.backends.native.text import Function, Reg, with_element

# pi / 2 in parts of 33 bits, the last one with all of its bits: multiples up to 2^20 of all but it are exact.
_HALF_PI_64 = (
    float.fromhex("0x1.921fb54400000p+0"),
    float.fromhex("0x1.0b4611a600000p-34"),
    float.fromhex("0x1.3198a2e000000p-69"),
    float.fromhex("0x1.b839a252049c1p-104"),
)
# pi / 2 in float32 parts for levels with FMA, where each step rounds once; all positive, so that -0 stays
_HALF_PI_32 = (1.570796251296997, 7.549789415861596e-08, 5.390302529957765e-15)
_SHORT_WAY_64, _SHORT_WAY_32 = 2.0**20, 2.0**16  # bounds of |x|

# Polynomials in r^2, |r| <= pi / 4, minimax by Remez: (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4; relative
# errors of the functions 4e-9 and 1e-10 in float32, 4e-18 and 5e-20 in float64
_SIN_32 = (-0.00019516019, 0.008332169, -0.16666655)
_COS_32 = (2.443707e-05, -0.0013887356, 0.041666646)
_SIN_64 = (
    *(1.5896181357817437e-10, -2.50507478556516e-08, 2.7557313628714014e-06, -0.0001984126982963291),
    *(0.008333333333322205, -0.16666666666666632),
)
_COS_64 = (
    *(-1.1359226735507792e-11, 2.0875715411103087e-09, -2.755731429661243e-07, 2.480158728929718e-05),
    *(-0.001388888888887384, 0.041666666666666595),
)


class _Reduced(NamedTuple):
    """x = n pi / 2 + r, with n modulo 4 in the low bits of `quadrant`."""

    r: Lanes
    quadrant: Lanes


def sin(x: Lanes) -> Lanes:
    """The sine."""
    return _circular("sin", x, lambda sine, cosine, n: _turned(where((n & 1).equals(0), sine, cosine), n))


def cos(x: Lanes) -> Lanes:
    """The cosine."""
    return _circular("cos", x, lambda sine, cosine, n: _turned(where((n & 1).equals(0), cosine, sine), n + 1))


def tan(x: Lanes) -> Lanes:
    """The tangent."""

    def quotient(sine: Lanes, cosine: Lanes, n: Lanes) -> Lanes:
        even = (n & 1).equals(0)
        return where(even, sine, -cosine) / where(even, cosine, sine)

    return _circular("tan", x, quotient)


def half_turns(x: Lanes) -> tuple[Lanes, Lanes]:
    """sin(pi r) and cos(pi r) of float64, r = x less the whole number next to it: their quotient is that of pi x."""
    r = x - x.rounded()
    quarters = (r + r).rounded()
    sine, cosine = _sine_and_cosine((r - quarters * 0.5) * math.pi)
    even = quarters.equals(0.0)
    return where(even, sine, cosine * quarters), where(even, cosine, -(sine * quarters))


def _turned(value: Lanes, n: Lanes) -> Lanes:
    """Minus the value in the second half of the turn."""
    sign = (n & 2) << (30 if value.element == "float" else 62)
    return (value.bits() ^ sign).floats()


Combine = Callable[[Lanes, Lanes, Lanes], Lanes]


def _circular(name: str, x: Lanes, combine: Combine) -> Lanes:
    single = x.element == "float"
    reduced = _short_way_32(x) if single else _short_way_64(x)
    near = combine(*_sine_and_cosine(reduced.r), reduced.quadrant)
    far = x.abs() > (_SHORT_WAY_32 if single else _SHORT_WAY_64)
    # NaN is not far: the short way hands it on.
    return _with_long_way(x, near, far, lambda: _long_way(name, x, combine))


def _sine_and_cosine(r: Lanes) -> tuple[Lanes, Lanes]:
    """For |r| <= pi / 4; -0 stays."""
    single = r.element == "float"
    square = r * r
    sine = r * fma(square, polynomial(square, _SIN_32 if single else _SIN_64), 1.0)
    high = 1.0 - square * 0.5
    tail = (1.0 - high) - square * 0.5 if not single else r.like(0.0)
    cosine = high + fma(square * square, polynomial(square, _COS_32 if single else _COS_64), tail)
    return sine, cosine


def _short_way_32(x: Lanes) -> _Reduced:
    """For |x| <= 2^16. Without FMA in float64, whose products with a float32 multiple of pi / 2 do not round."""
    shift = 1.5 * 2.0**23
    shifted = fma(x, 2 / math.pi, shift)
    n = shifted - shift
    if x.f.level.fma:
        r = x
        for part in _HALF_PI_32:
            r = fma(n, -part, r)
        return _Reduced(r, shifted.bits())
    wide, wide_n = x.converted("fpext", "double"), n.converted("fpext", "double")
    rest = (wide - wide_n * _HALF_PI_64[0]) - wide_n * sum(_HALF_PI_64[1:])
    return _Reduced(rest.converted("fptrunc", "float"), shifted.bits())


def _short_way_64(x: Lanes) -> _Reduced:
    """For |x| <= 2^20: what the later subtractions round off is added to the last part."""
    shift = 1.5 * 2.0**52
    shifted = fma(x, 2 / math.pi, shift)
    n = shifted - shift
    high = x - n * _HALF_PI_64[0]
    low = -(n * _HALF_PI_64[3])
    for part in _HALF_PI_64[1:3]:
        product = n * part
        rest = high - product
        low = low + _difference_error(high, product, rest)
        high = rest
    return _Reduced(where(n.equals(0.0), x, high + low), shifted.bits())  # -0 stays


def _difference_error(a: Lanes, b: Lanes, difference: Lanes) -> Lanes:
    """a - b - difference, exactly, for the rounded difference (Knuth's two-sum)."""
    minus_b = difference - a
    return (a - (difference - minus_b)) - (b + minus_b)


# The long way ---------------------------------------------------------------------------------------------------------


def _with_long_way(x: Lanes, near: Lanes, far: Lanes, long_way: Callable[[], Reg]) -> Lanes:
    """`near`, or where `far` holds what the long way gives; a branch goes around it if no lane is far."""
    f = x.f
    found = f.choose(any_lane(far), lambda: f.select(far.reg, long_way(), near.reg), lambda: near.reg)
    return Lanes(f, found)


def _long_way(name: str, x: Lanes, combine: Combine) -> Reg:
    """A call of the function for a whole vector."""
    f = x.f
    of = f"{name}.v{x.lanes}.{x.element}"
    function = Function(f"chainrule.{of}", [(x.reg.type, "x")], f.level, result=x.reg.type, internal=True)
    given = Lanes(function, function.parameters["x"])
    if x.element == "float":  # in float64, whose own long way may be needed
        wide = _circular(name, given.converted("fpext", "double"), combine)
        function.end(wide.converted("fptrunc", "float").reg)
    else:
        function.end(combine(*_with_parts(given)).reg)
    f.define(function)
    return f.call(function.name, x.reg, result=x.reg.type, declared=True)


def _with_parts(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    reduced = _by_bits(x)
    sine, cosine = _sine_and_cosine(reduced.r)
    return sine, cosine, reduced.quadrant


def _by_bits(x: Lanes) -> _Reduced:
    """Payne and Hanek's way, lane by lane."""
    f = x.f
    f.define(_payne_hanek(f))
    r, quadrant = f.const(0.0, x.reg.type), f.const(0, with_element(x.reg.type, "i64"))
    for k in range(x.lanes):
        one = f.lane(x.reg, k) if x.lanes > 1 else x.reg
        both = f.call(_NAME, one, result=_PAIR, declared=True)
        one_r = f.value(f"extractvalue {_PAIR} {both.name}, 0", "double")
        one_n = f.value(f"extractvalue {_PAIR} {both.name}, 1", "i64")
        r, quadrant = (f.with_lane(r, k, one_r), f.with_lane(quadrant, k, one_n)) if x.lanes > 1 else (one_r, one_n)
    return _Reduced(Lanes(f, r), Lanes(f, quadrant))


_NAME, _PAIR = "chainrule.payne_hanek", "{ double, i64 }"
_WORDS = 20  # of 64 bits of 2 / pi, the first of them 0


def _payne_hanek(caller: Function) -> Function:
    """(r, n) for a double |x| >= 2^20; NaN for infinities.

    x = m 2^e with an integer m of 53 bits. Of 2 / pi the bits of weight above 2^(1 - e) only add whole turns, so 192
    bits from there on, times m, give x 2 / pi modulo 4 to 2^-137.
    """
    f = Function(_NAME, [("double", "x")], caller.level, result=_PAIR, internal=True)
    f.define(f"@{_NAME}.bits = private unnamed_addr constant [{_WORDS} x i64] [{_two_over_pi()}]")
    x = Lanes(f, f.parameters["x"])
    bits = x.abs().bits()
    mantissa = (bits & ((1 << 52) - 1)) | (1 << 52)
    place = (bits >> 52) - (1075 - 62)  # of the first bit, in the table that starts with 64 zeros
    last = 64 * (_WORDS - 3) - 1
    place = where(place < 0, 0, where(place > last, last, place))
    table = Reg(f"@{_NAME}.bits", "ptr")
    words = [Lanes(f, f.load(f.pointer(table, ((place >> 6) + k).reg, "i64"), "i64")) for k in range(4)]
    window = [words[k].intrinsic("fshl", words[k + 1], place & 63).converted("zext", "i128") for k in range(3)]
    wide = mantissa.converted("zext", "i128")
    turns = ((wide * window[0]) << 64) + wide * window[1] + ((wide * window[2]) >> 64)  # in units of 2^-126
    quadrant = (turns + (1 << 125)) >> 126
    fraction = turns << 2  # signed, in units of 2^-128 quarters of a turn
    negative = fraction < 0
    magnitude = where(negative, -fraction, fraction)
    zeros = Lanes(f, f.call("llvm.ctlz.i128", magnitude.reg, Reg("false", "i1"), result="i128"))
    top = ((magnitude << zeros) >> 65).converted("trunc", "i64")
    scale = ((1023 - 63) - zeros.converted("trunc", "i64")) << 52
    r = top.converted("sitofp", "double") * (math.pi / 2) * scale.floats()
    r = where(negative ^ (x.bits() < 0), -r, r)
    r = where(x.abs() < math.inf, r, math.nan)
    turned = quadrant.converted("trunc", "i64")
    turned = where(x.bits() < 0, -turned, turned)
    pair = f.value(f"insertvalue {_PAIR} poison, double {r.reg.name}, 0", _PAIR)
    f.end(f.value(f"insertvalue {_PAIR} {pair.name}, i64 {turned.reg.name}, 1", _PAIR))
    return f


def _two_over_pi() -> str:
    """The bits of 2 / pi behind 64 zeros, in words of 64."""
    digits = _arctangent_pi(64 * _WORDS + 64)  # pi in units of 2^-digits
    bits = 64 * (_WORDS - 1)
    value = (2 << (bits + 64 * _WORDS + 64)) // digits
    words = [0, *((value >> (bits - 64 * (k + 1))) & (2**64 - 1) for k in range(_WORDS - 1))]
    return ", ".join(f"i64 {word - 2**64 if word >> 63 else word}" for word in words)


def _arctangent_pi(bits: int) -> int:
    """pi in units of 2^-bits: Machin's 16 atan(1/5) - 4 atan(1/239)."""

    def inverse(n: int) -> int:
        total, term, k = 0, (1 << (bits + 16)) // n, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= n * n
            k += 2
        return total

    return (16 * inverse(5) - 4 * inverse(239)) >> 16
