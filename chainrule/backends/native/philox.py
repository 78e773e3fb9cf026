"""Random numbers in registers: the bits of `ops/philox.py` for any elements of a result.

    emit_random(primitive, f, seed, draw, index, dtype, in_order=..., p=..., low=..., high=...) -> Reg

seed, draw   i64 scalars: the two elements of the generator's state
index        i64 vector: the flat (C order) place of each lane's element in the whole result
in_order     a promise that the lanes are neighbours, index[0], index[0] + 1, ..., and that index[0] is a multiple of 4
             (always true of a kernel that walks the flat result by vectors of 4 or more lanes). A block of four words
             is then made once and not once for each of its lanes; the bits are the same.

uniform, normal, randint and bernoulli are all exact, normal too: it uses IEEE operations alone, in the reference's
order. The streams' definition stands in `ops/philox.py`, and so do the constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from chainrule.backends.native.casts import cast
from chainrule.backends.native.double_math import from_whole, split
from chainrule.backends.native.formulas import Lanes, where
from chainrule.backends.native.text import Function, Reg, lanes_of, vector
from chainrule.ir.types import DType, bool_, float64, int64
from chainrule.ops import philox

_LOW = 0xFFFFFFFF

PRIMITIVES = ("uniform", "normal", "randint", "bernoulli")


class Stream(NamedTuple):
    """Where words come from, and the elements that they are wanted for."""

    f: Function
    seed: Reg
    draw: Reg
    place: Lanes  # i64
    in_order: bool


def emit_random(
    primitive: str,
    f: Function,
    seed: Reg,
    draw: Reg,
    index: Reg,
    dtype: DType,
    *,
    in_order: bool = False,
    p: Reg | None = None,
    low: int = 0,
    high: int = 1,
) -> Reg:
    """The elements of a random primitive at `index`. `p` is bernoulli's operand, low and high are randint's."""
    neighbours = in_order and lanes_of(index.type) % 4 == 0
    stream = Stream(f, seed, draw, Lanes(f, index), neighbours)
    if primitive == "uniform":
        return _uniform(stream, dtype).reg
    if primitive == "normal":
        return _normal(stream, dtype).reg
    if primitive == "randint":
        return _randint(stream, low, high, dtype).reg
    assert primitive == "bernoulli", f"no random primitive is named {primitive}"
    assert p is not None, "bernoulli needs its probabilities"
    return _bernoulli(stream, Lanes(f, p), dtype).reg


def probability_is_valid(f: Function, p: Reg) -> Reg:
    """Whether p lies in [0, 1]: where it does not, bernoulli's reference raises."""
    x = Lanes(f, p)
    return ((x >= 0.0) & (x <= 1.0)).reg


# Words ----------------------------------------------------------------------------------------------------------------


def _rounds(stream: Stream, block: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """The four words of each block, in the low halves of i64 lanes."""
    f = stream.f
    draw, seed = Lanes(f, stream.draw), Lanes(f, stream.seed)
    c0, c1 = block & _LOW, block >> 32
    c2, c3 = _spread(draw & _LOW, block), _spread(draw >> 32, block)
    k0, k1 = seed & _LOW, seed >> 32
    a, b = map(int, philox.MULTIPLIERS)
    for _ in range(philox.ROUNDS):
        p0, p1 = c0 * a, c2 * b
        # c1 and c3 stay whole products: the mask after the xor cuts their high halves too.
        c0 = ((p1 >> 32) ^ c1 ^ _spread(k0, block)) & _LOW
        c2 = ((p0 >> 32) ^ c3 ^ _spread(k1, block)) & _LOW
        c1, c3 = p1, p0
        k0, k1 = (k0 + philox.KEY_STEPS[0]) & _LOW, (k1 + philox.KEY_STEPS[1]) & _LOW
    return c0, c1, c2, c3


def _spread(scalar: Lanes, lanes: Lanes) -> Lanes:
    return Lanes(scalar.f, scalar.f.splat(scalar.reg, lanes.lanes))


def words_in_order(stream: Stream, first: Lanes, count: int) -> Lanes:
    """Words first, first + 1, ... as i32 lanes; `first`, a scalar, and `count` are multiples of 4."""
    f, blocks = stream.f, count // 4
    numbers = Lanes(f, f.consts(range(blocks), "i64") if blocks > 1 else f.const(0, "i64"))
    block = _spread(first >> 2, numbers) + numbers
    c0, c1, c2, c3 = (word.converted("trunc", "i32").reg for word in _rounds(stream, block))
    if blocks == 1:
        result = f.const(0, vector(4, "i32"))
        for k, word in enumerate((c0, c1, c2, c3)):
            result = f.with_lane(result, k, word)
        return Lanes(f, result)
    by_turns = [blocks * (k % 2) + k // 2 for k in range(2 * blocks)]
    even, odd = f.shuffle(c0, c2, by_turns), f.shuffle(c1, c3, by_turns)  # words 0, 2, 4, ... and 1, 3, 5, ...
    return Lanes(f, f.shuffle(even, odd, [2 * blocks * (k % 2) + k // 2 for k in range(count)]))


def _first(stream: Stream) -> Lanes:
    return Lanes(stream.f, stream.f.lane(stream.place.reg, 0))


def _words(stream: Stream) -> Lanes:
    """Word e of the stream for element e, i32."""
    if stream.in_order:
        return words_in_order(stream, _first(stream), stream.place.lanes)
    words = _rounds(stream, stream.place >> 2)
    return _picked(words, stream.place).converted("trunc", "i32")


def _picked(words: Sequence[Lanes], index: Lanes) -> Lanes:
    """words[index % 4], lane by lane."""
    upper, odd = (index & 2).differs(0), (index & 1).differs(0)
    return where(upper, where(odd, words[3], words[2]), where(odd, words[1], words[0]))


def _wide_words(stream: Stream) -> Lanes:
    """Wide word e for element e, i64."""
    if stream.in_order:
        words = words_in_order(stream, _first(stream) << 1, 2 * stream.place.lanes)
        return Lanes(stream.f, _paired(stream.f, words))
    c0, c1, c2, c3 = _rounds(stream, stream.place >> 1)
    odd = (stream.place & 1).differs(0)
    return where(odd, _wide(c2, c3), _wide(c0, c1))


def _paired(f: Function, words: Lanes) -> Reg:
    return f.value(
        f"bitcast {words.reg.type} {words.reg.name} to <{words.lanes // 2} x i64>", vector(words.lanes // 2, "i64")
    )


def _wide(low: Lanes, high: Lanes) -> Lanes:
    return (low & _LOW) | (high << 32)


# Distributions --------------------------------------------------------------------------------------------------------


def _uniform(stream: Stream, dtype: DType) -> Lanes:
    if dtype is float64:
        return from_whole(_wide_words(stream) >> 11) * 2.0**-53
    return (_words(stream) >> 8).converted("sitofp", "float") * 2.0**-24


def _bernoulli(stream: Stream, p: Lanes, dtype: DType) -> Lanes:
    uniform = (_words(stream) >> 8).converted("sitofp", "float") * 2.0**-24
    if p.element == "double":
        uniform = uniform.converted("fpext", "double")
    return cast(uniform < p, bool_, dtype)


def _randint(stream: Stream, low: int, high: int, dtype: DType) -> Lanes:
    """low + floor(wide word (high - low) / 2^64), by halves; no sum reaches 2^64."""
    words, size = _wide_words(stream), high - low
    factor_low, factor_high = size & _LOW, size >> 32
    lower, upper = words & _LOW, words >> 32
    middle = upper * factor_low + ((lower * factor_low) >> 32)
    other = lower * factor_high + (middle & _LOW)
    scaled = upper * factor_high + (middle >> 32) + (other >> 32)
    return cast(scaled + low, int64, dtype)


def _normal(stream: Stream, dtype: DType) -> Lanes:
    if dtype is float64:
        return _normal_from_wide(stream)
    f, index = stream.f, stream.place
    if not stream.in_order:
        c0, c1, c2, c3 = _rounds(stream, index >> 2)
        upper = (index & 2).differs(0)
        pair = _box_muller(*_unit_32(where(upper, c2, c0) & _LOW, where(upper, c3, c1) & _LOW))
        return where((index & 1).differs(0), pair[1], pair[0]).converted("fptrunc", "float")
    wide = Lanes(f, _paired(f, _words(stream)))
    first, second = _box_muller(*_unit_32(wide & _LOW, wide >> 32))
    return _by_turns(first.converted("fptrunc", "float"), second.converted("fptrunc", "float"))


def _unit_32(first: Lanes, second: Lanes) -> tuple[Lanes, Lanes]:
    return (from_whole(first) + 1.0) * 2.0**-32, from_whole(second) * 2.0**-32 - 0.5


def _normal_from_wide(stream: Stream) -> Lanes:
    f, index = stream.f, stream.place
    if not stream.in_order:
        c0, c1, c2, c3 = _rounds(stream, index >> 1)
        pair = _box_muller(*_unit_64(_wide(c0, c1), _wide(c2, c3)))
        return where((index & 1).differs(0), pair[1], pair[0])
    words = _wide_words(stream).reg
    half = index.lanes // 2
    first, second = (f.shuffle(words, words, [2 * k + odd for k in range(half)]) for odd in (0, 1))
    return _by_turns(*_box_muller(*_unit_64(Lanes(f, first), Lanes(f, second))))


def _unit_64(first: Lanes, second: Lanes) -> tuple[Lanes, Lanes]:
    return (from_whole(first >> 11) + 1.0) * 2.0**-53, from_whole(second >> 11) * 2.0**-53 - 0.5


def _by_turns(first: Lanes, second: Lanes) -> Lanes:
    f, half = first.f, first.lanes
    return Lanes(f, f.shuffle(first.reg, second.reg, [half * (k % 2) + k // 2 for k in range(2 * half)]))


def _box_muller(u: Lanes, t: Lanes) -> tuple[Lanes, Lanes]:
    """The two normal numbers of each pair."""
    exponent, mantissa = split(u.bits())
    s = (mantissa - 1.0) / (mantissa + 1.0)
    log = exponent * math.log(2) + (s * 2.0) * _horner(s * s, philox.ATANH)
    radius = (log * -2.0).intrinsic("sqrt")
    y = t * math.pi
    square = y * y
    sine, cosine = y * _horner(square, philox.SINE), _horner(square, philox.COSINE)
    return radius * (cosine * cosine - sine * sine), radius * ((sine * cosine) * 2.0)


def _horner(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """Each product and sum rounded on its own, on every level."""
    result = x.like(coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * x + coefficient
    return result
