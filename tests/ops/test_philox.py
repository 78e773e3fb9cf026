"""Known answers, the streams against the formulas of the docstrings in plain Python, and the distributions."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.ops import philox
from chainrule.ops.special_reference import erfc

# From Random123's kat_vectors: counter, key, result of philox4x32-10.
KNOWN_ANSWERS = {
    "zeros": (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    "ones": (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    "digits of pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}
SEED, DRAW = 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210
# Sizes about the borders of a counter's four words and of the blocks that are made at a time.
SIZES = [0, 1, 2, 3, 4, 5, 7, 1000, 2**15 - 1, 2**15 + 1, 2**16, 2**16 + 3, 2**17 + 1]
GENERATORS: dict[str, Callable[[int, int, int], NDArray[Any]]] = {
    "bits": philox.bits,
    "uniform float32": lambda seed, draw, n: philox.uniform(seed, draw, (n,), np.float32),
    "uniform float64": lambda seed, draw, n: philox.uniform(seed, draw, (n,), np.float64),
    "normal float32": lambda seed, draw, n: philox.normal(seed, draw, (n,), np.float32),
    "normal float64": lambda seed, draw, n: philox.normal(seed, draw, (n,), np.float64),
    "randint": lambda seed, draw, n: philox.randint(seed, draw, -5, 1000, (n,)),
    "bernoulli": lambda seed, draw, n: philox.bernoulli(seed, draw, 0.4, (n,)),
}
DTYPES = {"uniform float64": np.float64, "normal float64": np.float64, "randint": np.int64, "bernoulli": np.bool_}
DTYPES |= {"bits": np.uint32, "uniform float32": np.float32, "normal float32": np.float32}
# The first normal numbers of that stream: pinned, as the formula has IEEE operations only.
SINGLE_BITS = ["-0x1.b2ef820000000p-1", "0x1.9858840000000p-3", "0x1.a585520000000p+0", "0x1.99b5b40000000p-2"]
DOUBLE_BITS = ["0x1.101359719f28bp-2", "0x1.0873b7e057ac1p-4", "0x1.c8f15dafb488bp-2", "-0x1.8b111d0558d0dp+0"]
SAMPLES = 200_000


def word(index: int) -> int:
    """One word of the stream (SEED, DRAW), by the published algorithm in Python's integers."""
    low = 2**32 - 1
    c = [index // 4 & low, index // 4 >> 32, DRAW & low, DRAW >> 32]
    k0, k1 = SEED & low, SEED >> 32
    for _ in range(10):
        left, right = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [right >> 32 ^ c[1] ^ k0, right & low, left >> 32 ^ c[3] ^ k1, left & low]
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return c[index % 4]


def wide_word(index: int) -> int:
    return word(2 * index) + (word(2 * index + 1) << 32)


def box_muller(u: float, t: float) -> tuple[float, float]:
    radius = math.sqrt(-2 * math.log(u))
    return radius * math.cos(2 * math.pi * t), radius * math.sin(2 * math.pi * t)


def distance_from_distribution(sample: NDArray[Any], distribution: Callable[[NDArray[np.float64]], Any]) -> float:
    """Kolmogorov's and Smirnov's sqrt(n) sup |F_n - F|; above 1.95 with a chance of 0.1 %."""
    expected = distribution(np.sort(sample.astype(np.float64).ravel()))
    steps = np.arange(sample.size + 1) / sample.size
    return float(math.sqrt(sample.size) * max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS.values(), ids=KNOWN_ANSWERS)
def test_philox_gives_the_known_answer(counter: tuple[int, ...], key: tuple[int, ...], result: tuple[int, ...]) -> None:
    found = philox.philox4x32(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert found.dtype == np.uint32
    assert tuple(found.tolist()) == result


def test_philox_takes_counters_of_any_shape() -> None:
    counter = np.arange(48, dtype=np.uint32).reshape(3, 4, 4)
    key = np.array([7, 9], np.uint32)
    found = philox.philox4x32(counter, key)
    assert found.shape == (3, 4, 4)
    for place in np.ndindex(3, 4):
        np.testing.assert_array_equal(found[place], philox.philox4x32(counter[place], key))
    assert philox.philox4x32(counter[:0], key).shape == (0, 4, 4)


def test_bits_are_the_words_of_the_stream() -> None:
    assert philox.bits(SEED, DRAW, 23).tolist() == [word(index) for index in range(23)]


def test_stream_goes_on_past_two_to_the_32_blocks() -> None:
    first = 2**32 - 2  # too far to get there by count
    found = philox._stream(SEED, DRAW, first, first + 4)
    assert found.tolist() == [word(4 * first + index) for index in range(16)]


def test_uniform_is_made_of_the_words_that_its_docstring_names() -> None:
    single = philox.uniform(SEED, DRAW, (9,), np.float32)
    double = philox.uniform(SEED, DRAW, (9,), np.float64)
    assert single.tolist() == [(word(e) >> 8) / 2**24 for e in range(9)]
    assert double.tolist() == [(wide_word(e) >> 11) / 2**53 for e in range(9)]


def test_normal_is_made_of_the_words_that_its_docstring_names() -> None:
    pairs = range(50)
    single = [box_muller((word(2 * p) + 1) / 2**32, word(2 * p + 1) / 2**32 - 0.5) for p in pairs]
    double = [
        box_muller(((wide_word(2 * p) >> 11) + 1) / 2**53, (wide_word(2 * p + 1) >> 11) / 2**53 - 0.5) for p in pairs
    ]
    found = philox.normal(SEED, DRAW, (100,), np.float64)
    np.testing.assert_allclose(found, np.ravel(double), rtol=1e-14, atol=1e-15)
    found = philox.normal(SEED, DRAW, (100,), np.float32)
    np.testing.assert_array_equal(found, np.ravel(single).astype(np.float32))


def test_bits_of_normal_are_the_same_on_every_machine() -> None:
    single = philox.normal(SEED, DRAW, (4,), np.float32)
    double = philox.normal(SEED, DRAW, (4,), np.float64)
    assert [float(value).hex() for value in single] == SINGLE_BITS
    assert [float(value).hex() for value in double] == DOUBLE_BITS


def test_normal_of_the_extreme_words_is_finite() -> None:
    u, t = (
        np.ravel(grid)
        for grid in np.meshgrid([1.0, 1 - 2**-53, 2**-32, 2**-53, 0.5**0.5], [-0.5, -0.25, 0, 0.5 - 2**-53])
    )
    found = philox._box_muller(u, t).reshape(-1, 2)
    np.testing.assert_allclose(found, [box_muller(*pair) for pair in zip(u, t, strict=True)], rtol=0, atol=8e-15)
    assert np.abs(found).max() < 8.58


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0, 10), (-7, 3), (0, 2**32), (5, 2**32 + 6), (-(2**63), 2**63), (-(2**63), 2**63 - 1), (3, 3 + 10**15)],
)
def test_randint_is_the_scaled_wide_word(low: int, high: int) -> None:
    found = philox.randint(SEED, DRAW, low, high, (30,))
    assert found.tolist() == [low + (wide_word(e) * (high - low) >> 64) for e in range(30)]


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.1, 0.5, 0.7, 1 - 1e-9, 1.0, 1.5, -1.0])
def test_bernoulli_compares_the_top_24_bits_with_the_rounded_up_probability(p: float) -> None:
    words = philox.bits(SEED, DRAW, 1000) >> 8
    np.testing.assert_array_equal(philox.bernoulli(SEED, DRAW, p, (1000,)), words < math.ceil(p * 2**24))


def test_bernoulli_compares_in_float64() -> None:
    u = philox.uniform(SEED, DRAW, (1000,), np.float32).astype(np.float64)
    assert philox.bernoulli(SEED, DRAW, np.nextafter(u, 1), (1000,)).all()
    assert not philox.bernoulli(SEED, DRAW, u, (1000,)).any()


def test_bernoulli_broadcasts_the_probability() -> None:
    p = np.array([[0.0], [0.5], [1.0]], np.float32)
    found = philox.bernoulli(SEED, DRAW, p, (3, 1000))
    assert found.dtype == np.bool_
    assert found.sum(1).tolist() == [0, int(philox.bernoulli(SEED, DRAW, 0.5, (3, 1000))[1].sum()), 1000]
    with pytest.raises(ValueError, match="broadcast"):
        philox.bernoulli(SEED, DRAW, np.ones(2), (3,))


def test_bernoulli_with_nan_is_never_true() -> None:
    assert not philox.bernoulli(0, 0, math.nan, (100,)).any()


@pytest.mark.parametrize("name", GENERATORS)
def test_first_elements_do_not_depend_on_the_count(name: str) -> None:
    longest = GENERATORS[name](SEED, DRAW, SIZES[-1])
    assert longest.dtype == DTYPES[name]
    for size in SIZES:
        found = GENERATORS[name](SEED, DRAW, size)
        assert found.shape == (size,)
        np.testing.assert_array_equal(found, longest[:size])


@pytest.mark.parametrize("name", GENERATORS)
def test_other_seeds_and_draws_give_other_numbers(name: str) -> None:
    streams = [(0, 0), (1, 0), (0, 1), (1, 1), (2**32, 0), (0, 2**32), (-1, 0), (0, -1)]
    for one, other in itertools.combinations([GENERATORS[name](seed, draw, 64) for seed, draw in streams], 2):
        assert (one != other).any()


def test_seed_and_draw_are_taken_modulo_two_to_the_64() -> None:
    np.testing.assert_array_equal(philox.bits(-1, -2, 9), philox.bits(2**64 - 1, 2**64 - 2, 9))
    np.testing.assert_array_equal(philox.bits(2**64 + 5, 2**65 + 6, 9), philox.bits(5, 6, 9))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 5)])
def test_shape_is_filled_in_c_order(shape: tuple[int, ...]) -> None:
    count = math.prod(shape)
    shaped = [
        (philox.uniform(1, 2, shape), GENERATORS["uniform float32"]),
        (philox.normal(1, 2, shape, np.float64), GENERATORS["normal float64"]),
        (philox.randint(1, 2, -5, 1000, shape), GENERATORS["randint"]),
        (philox.bernoulli(1, 2, 0.4, shape), GENERATORS["bernoulli"]),
    ]
    for found, flat in shaped:
        assert isinstance(found, np.ndarray)
        assert found.shape == shape
        np.testing.assert_array_equal(found.ravel(), flat(1, 2, count))


def test_bits_are_balanced_and_uncorrelated() -> None:
    bits = np.unpackbits(philox.bits(11, 0, SAMPLES).view(np.uint8)).reshape(SAMPLES, 32).astype(np.float64)
    # 5 standard errors, of 32 means and of 32 * 31 / 2 correlations, within a word and with the next word.
    limit = 5 / math.sqrt(SAMPLES)
    signs = 2 * bits - 1
    assert np.abs(signs.mean(0)).max() < limit
    assert np.abs(signs.T @ signs / SAMPLES - np.eye(32)).max() < limit
    assert np.abs(signs[1:].T @ signs[:-1] / SAMPLES).max() < limit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_is_uniform(dtype: type[np.floating[Any]]) -> None:
    sample = philox.uniform(12, 0, (SAMPLES,), dtype)
    assert sample.min() >= 0
    assert sample.max() < 1
    assert distance_from_distribution(sample, lambda x: x) < 1.95
    assert abs(sample.mean(dtype=np.float64) - 1 / 2) < 4 * math.sqrt(1 / 12 / SAMPLES)
    assert abs(sample.var(dtype=np.float64) - 1 / 12) < 4 * math.sqrt(1 / 180 / SAMPLES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_is_normal(dtype: type[np.floating[Any]]) -> None:
    sample = philox.normal(13, 0, (SAMPLES,), dtype).astype(np.float64)
    assert distance_from_distribution(sample, lambda x: erfc(-x / math.sqrt(2)) / 2) < 1.95
    # Mean 0, variance 1, skewness 0, kurtosis 3, each within 4 standard errors; the two of a pair are independent.
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((sample**power).mean() - moment) < 4 * math.sqrt(variance / SAMPLES)
    first, second = sample[0::2], sample[1::2]
    assert abs((first * second).mean()) < 4 / math.sqrt(SAMPLES / 2)
    assert abs((first**2 * second**2).mean() - 1) < 4 * math.sqrt(8 / (SAMPLES / 2))


def test_randint_is_uniform_and_in_bounds() -> None:
    counts = np.bincount(philox.randint(14, 0, 0, 10, (SAMPLES,)), minlength=10)
    assert counts.size == 10
    # Chi-squared with 9 degrees of freedom is above 27.9 with a chance of 0.1 %.
    assert ((counts - SAMPLES / 10) ** 2).sum() / (SAMPLES / 10) < 27.9
    assert set(philox.randint(14, 0, -2, 1, (100,)).tolist()) == {-2, -1, 0}


def test_bernoulli_meets_its_probability() -> None:
    for p in (0.01, 0.3, 0.5, 0.9):
        hits = philox.bernoulli(15, 0, p, (SAMPLES,)).mean()
        assert abs(hits - p) < 4 * math.sqrt(p * (1 - p) / SAMPLES)


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 2**15 + 1])
def test_permutation_is_the_order_of_the_wide_words(n: int) -> None:
    order = philox.permutation(SEED, DRAW, n)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    if n == 1000:
        assert order.tolist() == sorted(range(n), key=wide_word)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 64, 65, 1000, 40_000])
@pytest.mark.parametrize("shift", [0, 1, 30, 62])
def test_orders_are_stable_whatever_bits_keys_have_in_common(n: int, shift: int) -> None:
    keys = np.random.default_rng(n).integers(0, 2**64, n, dtype=np.uint64)
    for those in (keys >> np.uint64(shift), keys >> np.uint64(shift) << np.uint64(shift)):
        order = philox.stable_order(those)
        assert order.dtype == np.int64
        np.testing.assert_array_equal(order, np.argsort(those, kind="stable"))


def test_every_permutation_is_as_likely() -> None:
    orders = [tuple(philox.permutation(16, draw, 3).tolist()) for draw in range(6000)]
    counts = np.array([orders.count(order) for order in itertools.permutations(range(3))])
    # Chi-squared with 5 degrees of freedom is above 20.5 with a chance of 0.1 %.
    assert ((counts - 1000) ** 2).sum() / 1000 < 20.5


@pytest.mark.parametrize(("low", "high"), [(0, 0), (3, 2), (0, 2**63 + 1), (-(2**63) - 1, 0)])
def test_randint_of_bad_bounds_raises(low: int, high: int) -> None:
    with pytest.raises(ValueError, match=f"low = {low}, high = {high}"):
        philox.randint(0, 0, low, high, (1,))


@pytest.mark.parametrize("function", [philox.uniform, philox.normal])
def test_other_dtypes_raise(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"float32 or float64\. Received: float16"):
        function(0, 0, (1,), np.float16)


def test_negative_count_raises() -> None:
    with pytest.raises(ValueError, match="Received: -1"):
        philox.bits(0, 0, -1)
