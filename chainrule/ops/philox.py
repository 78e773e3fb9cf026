"""Random numbers by counting: Philox4x32-10 and the streams that every executor draws from it.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

A stream is named by (seed, draw), both taken modulo 2^64; each random operation takes one draw. Word w of a stream is
lane w % 4 of

    philox4x32(counter = (block low, block high, draw low, draw high), key = (seed low, seed high)),  block = w // 4,

so any word can be made alone, on any backend, by any thread. Wide word e is the uint64 word[2e] + 2^32 word[2e + 1].
What an element is made of depends on its place in the flat (C order) result, never on the result's size.

The formulas of the functions below use IEEE operations alone, each rounded on its own (nothing from libm, no fused
multiply-add), so that a compiled kernel can repeat them to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.ir import state

Shape = tuple[int, ...]
Words = NDArray[np.uint32]
Words64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and sqrt(3) - 1, in units of 2^-32
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

# The words made at a time: temporaries of 128 KB stay in the L2 cache, and the cost of 120 NumPy calls is small.
_BLOCK_WORDS = 2**16
_MANY_BLOCKS = 2**12  # that machine code makes, if there is any: the same bits in a fortieth of the time

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD  # float64(sqrt(1/2))
# Taylor series in the square of the argument, highest power first: atanh(s) / s, sin(y) / y and cos(y).
ATANH = tuple(1 / (2 * k + 1) for k in range(10, -1, -1))
SINE = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(10, -1, -1))
COSINE = tuple((-1) ** k / math.factorial(2 * k) for k in range(11, -1, -1))


def philox4x32(counter: Words, key: Words) -> Words:
    """Philox4x32-10 of counters uint32[..., 4] under one key uint32[2]: uint32[..., 4].

    Each of the ten rounds maps (c0, c1, c2, c3) to (hi(B c2) ^ c1 ^ k0, lo(B c2), hi(A c0) ^ c3 ^ k1, lo(A c0)), where
    hi and lo are the halves of the 64-bit product, A = 0xD2511F53, B = 0xCD9E8D57; after a round k0 grows by 0x9E3779B9
    and k1 by 0xBB67AE85.
    """
    wide = counter.astype(np.uint64)
    c0, c1, c2, c3 = (wide[..., lane] for lane in range(4))
    return _interleaved(_rounds(c0, c1, c2, c3, int(key[0]), int(key[1])), counter.shape)


def bits(seed: int, draw: int, count: int) -> Words:
    """The first `count` words of the stream: uint32[count]."""
    return _generate(seed, draw, count, 1, np.dtype(np.uint32), lambda words: words)


def uniform(seed: int, draw: int, shape: Shape, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Uniform numbers in [0, 1), evenly spaced.

    float32: element e = (word[e] >> 8) 2^-24. float64: element e = (wide word[e] >> 11) 2^-53, which takes the 53 bits
    from words 2e (its upper 21 bits, the low end) and 2e + 1.
    """
    if _float_type(dtype, "uniform") == np.float32:
        return _generate(seed, draw, math.prod(shape), 1, np.dtype(np.float32), _unit_float32).reshape(shape)
    return _generate(seed, draw, math.prod(shape), 2, np.dtype(np.float64), _unit_float64).reshape(shape)


def normal(seed: int, draw: int, shape: Shape, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Standard normal numbers by the transform of Box and Muller (1958), the angle shifted by half a turn.

    Elements 2p, 2p + 1 are sqrt(-2 ln u) cos(2 pi t), sqrt(-2 ln u) sin(2 pi t), with u in (0, 1], t in [-1/2, 1/2):
    float32: u = (word[2p] + 1) 2^-32, t = word[2p + 1] 2^-32 - 1/2 (|element| < 6.67);
    float64: u = ((wide word[2p] >> 11) + 1) 2^-53, t = (wide word[2p + 1] >> 11) 2^-53 - 1/2 (|element| < 8.58).

    All in float64, float32 rounded at the end, every step exactly so (constants are the nearest float64, series go by
    Horner's rule from the highest power):
    u = m 2^e with sqrt(1/2) <= m < sqrt(2),  s = (m - 1) / (m + 1),  z = s s,
    ln u = e LN2 + (2 s) (sum over k <= 10 of z^k / (2k + 1)),  radius = sqrt(-2 ln u),
    y = PI t,  S = y (sum over k <= 10 of (-y y)^k / (2k + 1)!),  C = sum over k <= 11 of (-y y)^k / (2k)!,
    elements radius (C C - S S) and radius (2 (S C)).
    """
    if _float_type(dtype, "normal") == np.float32:
        return _generate(seed, draw, math.prod(shape), 1, np.dtype(np.float32), _normal_from_words).reshape(shape)
    return _generate(seed, draw, math.prod(shape), 2, np.dtype(np.float64), _normal_from_wide_words).reshape(shape)


def randint(seed: int, draw: int, low: int, high: int, shape: Shape) -> NDArray[np.int64]:
    """Integers in [low, high): element e = low + floor(wide word[e] (high - low) / 2^64).

    The probability of a value is off by less than 2^-64, that is by (high - low) 2^-64 of itself.
    """
    if not -(2**63) <= low < high <= 2**63:
        raise ValueError(f"randint: required -2^63 <= low < high <= 2^63. Received: low = {low}, high = {high}.")
    offset, size = np.uint64(low % 2**64), high - low

    def scaled(words: Words) -> NDArray[np.int64]:
        return (_multiply_high(_wide(words), size) + offset).view(np.int64)

    return _generate(seed, draw, math.prod(shape), 2, np.dtype(np.int64), scaled).reshape(shape)


def bernoulli(seed: int, draw: int, probability: float | NDArray[np.floating[Any]], shape: Shape) -> NDArray[np.bool_]:
    """True with the given probability, a number or an array that broadcasts to `shape`.

    Element e = uniform float32[e] < p, with p as it comes, compared in float64: (word[e] >> 8) < ceil(2^24 p). So the
    probability is p rounded up to a multiple of 2^-24; p = 0 and NaN are never true, p = 1 always.
    """
    p = np.broadcast_to(np.asarray(probability, np.float64), shape)
    result: NDArray[np.bool_] = np.less(uniform(seed, draw, shape, np.float32), p, out=np.empty(shape, np.bool_))
    return result


def permutation(seed: int, draw: int, n: int) -> NDArray[np.int64]:
    """A random order of 0, ..., n - 1: the stable argsort of wide words 0, ..., n - 1.

    Here a place does depend on n.
    """
    return stable_order(_generate(seed, draw, n, 2, np.dtype(np.uint64), _wide))


def stable_order(keys: Words64) -> NDArray[np.int64]:
    """The stable argsort of keys whose upper bits rarely agree.

    With the places in the keys' low bits, all is one sort of integers, which NumPy does by vector instructions in a
    fifth of the time. If two keys have their upper bits in common, what decided between them is gone, and it is done
    the other way.
    """
    places = np.uint64(max(keys.size - 1, 0).bit_length())
    low = (np.uint64(1) << places) - np.uint64(1)
    packed = keys & ~low | np.arange(keys.size, dtype=np.uint64)
    packed.sort()
    if (packed[1:] ^ packed[:-1] <= low).any():
        return np.argsort(keys, kind="stable").astype(np.int64, copy=False)
    return (packed & low).view(np.int64)


def _generate(
    seed: int,
    draw: int,
    count: int,
    words_each: int,
    dtype: np.dtype[Scalar],
    convert: Callable[[Words], NDArray[Scalar]],
) -> NDArray[Scalar]:
    """`count` elements of `words_each` words, converted while a block of words is in the cache."""
    if count < 0:
        raise ValueError(f"random: the number of elements must not be negative. Received: {count}.")
    result = np.empty(count, dtype)
    step = _BLOCK_WORDS // words_each
    for start in range(0, count, step):
        stop = min(start + step, count)
        words = _stream(seed, draw, start * words_each // 4, -(-stop * words_each // 4))
        result[start:stop] = convert(words)[: stop - start]
    return result


def _stream(seed: int, draw: int, first: int, last: int) -> Words:
    """The words of the counter blocks first, ..., last - 1."""
    accelerator = state.accelerator()
    if accelerator is not None and last - first >= _MANY_BLOCKS:
        made: Words | None = accelerator.words(seed, draw, first, last)
        if made is not None:
            return made
    block = np.arange(first, last, dtype=np.uint64)
    # One element each, so that the first rounds' work on what is the same in all counters is done once.
    draw_low, draw_high = (np.full(1, half, np.uint64) for half in _halves(draw))
    lanes = _rounds(block & _LOW, block >> _HALF, draw_low, draw_high, *_halves(seed))
    return _interleaved(lanes, (last - first, 4)).reshape(-1)


def _halves(number: int) -> tuple[int, int]:
    number %= 2**64
    return number % 2**32, number >> 32


def _rounds(c0: Words64, c1: Words64, c2: Words64, c3: Words64, k0: int, k1: int) -> tuple[Words64, ...]:
    """The ten rounds; all lanes hold 32 bits, but c1 and c3 come back with a product's high half still on."""
    a, b = MULTIPLIERS
    for _ in range(ROUNDS):
        p0, p1 = c0 * a, c2 * b
        # c1 and c3 stay whole products: the mask after the xor cuts their high halves too.
        c0, c2 = (p1 >> _HALF ^ c1 ^ np.uint64(k0)) & _LOW, (p0 >> _HALF ^ c3 ^ np.uint64(k1)) & _LOW
        c1, c3 = p1, p0
        k0, k1 = (k0 + KEY_STEPS[0]) % 2**32, (k1 + KEY_STEPS[1]) % 2**32
    return c0, c1, c2, c3


def _interleaved(lanes: tuple[Words64, ...], shape: Shape) -> Words:
    words = np.empty(shape, np.uint32)
    for number, lane in enumerate(lanes):
        words[..., number] = lane  # keeps the low half
    return words


def _wide(words: Words) -> Words64:
    # Names the byte order, so that a big-endian machine draws the same numbers.
    return words.astype("<u4", copy=False).view("<u8").astype(np.uint64, copy=False)


def _float_type(dtype: DTypeLike, function: str) -> np.dtype[Any]:
    found = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise TypeError(f"{function}: dtype must be float32 or float64. Received: {found}.")
    return found


def _unit_float32(words: Words) -> NDArray[np.float32]:
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _unit_float64(words: Words) -> Float64:
    return _top_53_bits(_wide(words)) * 2.0**-53


def _top_53_bits(wide: Words64) -> Float64:
    return (wide >> np.uint64(11)).astype(np.float64)


def _normal_from_words(words: Words) -> NDArray[np.float32]:
    number = words.astype(np.float64)
    return _box_muller((number[0::2] + 1) * 2.0**-32, number[1::2] * 2.0**-32 - 0.5).astype(np.float32)


def _normal_from_wide_words(words: Words) -> Float64:
    number = _top_53_bits(_wide(words))
    return _box_muller((number[0::2] + 1) * 2.0**-53, number[1::2] * 2.0**-53 - 0.5)


def _box_muller(u: Float64, t: Float64) -> Float64:
    radius = np.sqrt(-2 * _log(u))
    sine, cosine = _sine_and_cosine(math.pi * t)
    pairs = np.empty((u.size, 2))
    # Twice the angle, by the addition theorems: one range of y serves the whole circle.
    pairs[:, 0] = radius * (cosine * cosine - sine * sine)
    pairs[:, 1] = radius * (2 * (sine * cosine))
    return pairs.reshape(-1)


def _log(u: Float64) -> Float64:
    encoded = u.view(np.int64)
    exponent = (encoded - _SQRT_HALF_BITS) >> 52
    mantissa = (encoded - (exponent << 52)).view(np.float64)
    s = (mantissa - 1) / (mantissa + 1)
    return exponent * math.log(2) + 2 * s * _polynomial(s * s, ATANH)


def _sine_and_cosine(y: Float64) -> tuple[Float64, Float64]:
    square = y * y
    return y * _polynomial(square, SINE), _polynomial(square, COSINE)


def _polynomial(x: Float64, coefficients: Sequence[float]) -> Float64:
    result = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result *= x
        result += coefficient
    return result


def _multiply_high(words: Words64, factor: int) -> Words64:
    """floor(words factor / 2^64), factor <= 2^64, by halves; no sum reaches 2^64."""
    factor_low, factor_high = np.uint64(factor % 2**32), np.uint64(factor >> 32)
    low, high = words & _LOW, words >> _HALF
    middle = high * factor_low + (low * factor_low >> _HALF)
    other = low * factor_high + (middle & _LOW)
    result: Words64 = high * factor_high + (middle >> _HALF) + (other >> _HALF)
    return result
