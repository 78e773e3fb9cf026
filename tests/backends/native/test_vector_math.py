"""Functions of vectors against wider arithmetic: every exponent, special values, each level of this machine."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from chainrule.backends.native import float_math, vector_math
from chainrule.backends.native.formulas import Lanes
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Reg
from chainrule.ops import special_reference
from tests.backends.native.harness import floats_of_every_exponent, over_arrays, run, special_floats, ulps
from tests.backends.native.machine_code import LEVELS, OTHER_LEVELS, assembly, object_code

Array = npt.NDArray[Any]
level_of_host = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)

# Where the interesting arguments of a function are, besides all exponents.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("exp", "expm1", "sigmoid", "sinh", "cosh"), (-110.0, 110.0)),
    **dict.fromkeys(("log", "log2", "log10"), (0.5, 2.0)),
    **dict.fromkeys(("asin", "acos", "atanh"), (-1.0, 1.0)),
    **dict.fromkeys(("sin", "cos", "tan"), (-100.0, 100.0)),
    "exp2": (-155.0, 130.0),
    "log1p": (-1.0, 1.5),
    "acosh": (1.0, 3.0),
    "erfc": (-6.0, 27.0),
}
NUMPY = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
SPECIAL = ("erfinv", "lgamma", "digamma")
WITH_BOUND = [name for name in vector_math.FORMULAS if name not in SPECIAL]


def exactly(name: str, x: Array) -> Array:
    """The function in the type of x, which is wider than what is tested."""
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            small = np.exp(-np.abs(x))
            return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))
        if name == "rsqrt":
            return np.asarray(1 / np.sqrt(x))
        if name in ("erf", "erfc", *SPECIAL):
            return np.asarray(getattr(special_reference, name)(x))
        return np.asarray(getattr(np, NUMPY.get(name, name))(x))


def formula(name: str) -> Callable[[Function, Reg], Reg]:
    function = getattr(vector_math, name)
    assert callable(function)
    return function  # type: ignore[no-any-return]


def arguments(name: str, dtype: str, count: int) -> Array:
    low, high = RANGES.get(name, (-10.0, 10.0))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    near = rng.uniform(low, high, count // 2).astype(dtype)
    return np.concatenate([floats_of_every_exponent(dtype, count // 2, seed=count), near])


@level_of_host
@pytest.mark.parametrize("name", WITH_BOUND)
def test_float32_is_within_its_bound(name: str, level: Level) -> None:
    x = arguments(name, "float32", 2**20 if level is LEVELS[0] else 2**17)
    off = ulps(run(formula(name), level, [x], np.float32), exactly(name, x.astype(np.float64)))
    worst = int(off.argmax())
    assert off[worst] <= vector_math.BOUNDS[name][0], f"{off[worst]} ULP at {x[worst]!r}"


@level_of_host
@pytest.mark.parametrize("name", [name for name in WITH_BOUND if name not in ("erf", "erfc", "sin", "cos", "tan")])
def test_float64_is_within_its_bound(name: str, level: Level) -> None:
    x = arguments(name, "float64", 2**15)
    if name in ("exp", "expm1", "sigmoid", "sinh", "cosh"):
        x = np.concatenate([x, x[-5000:] * 7])
    off = ulps(run(formula(name), level, [x], np.float64), exactly(name, x.astype(np.longdouble)))
    worst = int(off.argmax())
    assert off[worst] <= vector_math.BOUNDS[name][1], f"{off[worst]} ULP at {x[worst]!r}"


def by_mpmath(function: Callable[[Any], Any], x: Array) -> Array:
    found = np.empty(x.size, np.longdouble)
    for k, value in enumerate(x.tolist()):
        with mpmath.workdps(350 if abs(value) > 1e6 else 40):
            found[k] = np.longdouble(mpmath.nstr(function(mpmath.mpf(value)), 25)) if np.isfinite(value) else np.nan
    return found


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "erf", "erfc"])
def test_float64_is_within_its_bound_of_mpmath(name: str) -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.uniform(-10, 10, 500), rng.uniform(-27, 27, 300)])
    if name in ("sin", "cos", "tan"):
        every = floats_of_every_exponent("float64", 2000)
        near_zeros = rng.integers(1, 2**20, 300) * (np.pi / 2), rng.integers(1, 2**50, 300) * (np.pi / 2)
        x = np.concatenate([x, every[every != 0], *near_zeros, [6381956970095103 * 2.0**797]])  # the hardest of all
    exact = by_mpmath(getattr(mpmath, name), x)
    for level in LEVELS:
        off = ulps(run(formula(name), level, [x], np.float64), exact)
        worst = int(off.argmax())
        assert off[worst] <= vector_math.BOUNDS[name][1], f"{level.name}: {off[worst]} ULP at {x[worst]!r}"


@level_of_host
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions_are_near_their_reference(name: str, dtype: str, level: Level) -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([floats_of_every_exponent(dtype, 2**13), rng.uniform(-12, 12, 2**13).astype(dtype)])
    x = np.concatenate([x, rng.uniform(-1, 1, 2**12).astype(dtype), np.arange(-20, 20, dtype=dtype)])
    near(run(formula(name), level, [x], dtype), exactly(name, x), 1e-6 if dtype == "float32" else 1e-13)


@level_of_host
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_polygamma_is_near_its_reference(n: int, level: Level) -> None:
    rng = np.random.default_rng(n)
    x = np.concatenate([floats_of_every_exponent("float64", 2**12), rng.uniform(-9, 60, 2**12), np.arange(-20.0, 20.0)])
    found = run(lambda f, r: vector_math.polygamma(f, r, n), level, [x], np.float64)
    near(found, np.asarray(special_reference.polygamma(n, x)), 1e-12)
    single = np.clip(x, -3e38, 3e38).astype(np.float32)
    found = run(lambda f, r: vector_math.polygamma(f, r, n), level, [single], np.float32)
    near(found, np.asarray(special_reference.polygamma(n, single)), 1e-6)


def near(found: Array, exact: Array, tolerance: float) -> None:
    """The same infinities and NaNs, else `tolerance` of max(1, |exact|)."""
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    with np.errstate(all="ignore"):
        off = np.abs(found.astype(np.float64) - exact) / np.maximum(1, np.abs(exact))
    wrong = ~same & ~(off <= tolerance)
    assert not wrong.any(), f"{found[wrong][:3]}, not {exact[wrong][:3]}"


# Two operands ---------------------------------------------------------------------------------------------------------


def pairs_of_specials(dtype: str) -> tuple[Array, Array]:
    values = special_floats(dtype)
    first, second = np.meshgrid(values, values)
    return first.reshape(-1), second.reshape(-1)


def powers(dtype: str, count: int) -> tuple[Array, Array]:
    """Bases of every exponent, and exponents that bring the result to any part of the range."""
    rng = np.random.default_rng(8)
    base = np.abs(
        np.concatenate([floats_of_every_exponent(dtype, count), 1 + rng.normal(0, 1e-3, count).astype(dtype)])
    )
    with np.errstate(all="ignore"):
        logarithm = np.log(base.astype(np.float64))
        far = rng.uniform(-110, 95, base.size) if dtype == "float32" else rng.uniform(-760, 720, base.size)
        exponent = np.where(np.isfinite(logarithm) & (logarithm != 0), far / logarithm, rng.normal(0, 2, base.size))
    return base, exponent.astype(dtype)


@level_of_host
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pow_is_within_its_bound_and_has_c99s_special_values(dtype: str, level: Level) -> None:
    specials, plain = pairs_of_specials(dtype), powers(dtype, 2**16)
    x, y = (np.concatenate(parts) for parts in zip(specials, plain, strict=True))
    found = run(vector_math.pow_, level, [x, y], dtype)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    off = ulps(found, exact)
    worst = int(off.argmax())
    assert off[worst] <= vector_math.BOUNDS["pow"][dtype == "float64"], f"{off[worst]} ULP at {x[worst]}, {y[worst]}"
    assert (np.isnan(found) | (np.signbit(found) == np.signbit(exact))).all()


@level_of_host
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_atan2_is_within_its_bound_and_has_c99s_special_values(dtype: str, level: Level) -> None:
    rng = np.random.default_rng(9)
    specials, count = pairs_of_specials(dtype), 2**16
    plain = floats_of_every_exponent(dtype, count), rng.permutation(floats_of_every_exponent(dtype, count, seed=1))
    closer = rng.normal(size=count).astype(dtype), rng.normal(size=count).astype(dtype)
    y, x = (np.concatenate(parts) for parts in zip(specials, plain, closer, strict=True))
    found = run(vector_math.atan2, level, [y, x], dtype)
    exact = np.arctan2(y.astype(np.longdouble), x.astype(np.longdouble))
    off = ulps(found, exact)
    worst = int(off.argmax())
    assert off[worst] <= vector_math.BOUNDS["atan2"][dtype == "float64"], f"{off[worst]} ULP at {y[worst]}, {x[worst]}"
    assert (np.isnan(found) | (np.signbit(found) == np.signbit(exact))).all()


# What holds for all ---------------------------------------------------------------------------------------------------

ODD = ("expm1", "log1p", "tanh", "sin", "tan", "asin", "atan", "sinh", "asinh", "atanh", "erf", "erfinv", "sqrt")


@level_of_host
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ODD)
def test_a_negative_zero_stays_one(name: str, dtype: str, level: Level) -> None:
    found = run(formula(name), level, [np.array([-0.0, 0.0], dtype)], dtype)
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(np.signbit(found), [True, False])


@level_of_host
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", vector_math.FORMULAS)
def test_bits_depend_neither_on_the_number_of_lanes_nor_on_the_neighbours(name: str, dtype: str, level: Level) -> None:
    x = arguments(name, dtype, 2**10)
    x = x[np.random.default_rng(1).permutation(x.size)]
    bits = f"i{x.itemsize}"
    alone = run(formula(name), level, [x], dtype, lanes=1)
    together = run(formula(name), level, [x], dtype, lanes=2 * level.width)
    np.testing.assert_array_equal(together.view(bits), alone.view(bits))


LIBRARY = re.compile(
    r"\b(__[a-z]\w+|f?(?:mod|min|max)f?|(?:floor|ceil|trunc|rint|round\w*|sin|cos|tan|exp|log|pow|fma)f?)\b"
)


@pytest.mark.parametrize("level", [*LEVELS, *OTHER_LEVELS], ids=lambda level: level.name)
@pytest.mark.parametrize("element", ["float", "double"])
def test_nothing_calls_a_library(element: str, level: Level) -> None:
    for name in vector_math.FORMULAS:
        text = over_arrays(formula(name), level, [element], element, level.width)
        called = [
            line for line in assembly(text, level).splitlines() if "call" in line or "\tbl\t" in line or "mov" in line
        ]
        found = [line for line in called if LIBRARY.search(line.replace("chainrule.", "chainrule_"))]
        assert not found, f"{name}: {found}"
        if level in OTHER_LEVELS and name in ("exp", "log", "sin", "lgamma"):
            assert object_code(text, level)


@level_of_host
def test_ndtr_keeps_its_digits_far_below_zero(level: Level) -> None:
    x = np.linspace(-13, 6, 2**15).astype(np.float32)
    wide = x.astype(np.float64)
    exact = special_reference.erfc(wide * -np.sqrt(0.5)) / 2
    found = run(lambda f, r: float_math.ndtr(Lanes(f, r)).reg, level, [x], np.float32)
    off = np.abs(found - exact)
    assert np.all(off <= np.minimum(1.5e-7, 1e-5 * exact))
    assert np.all(off[x > -3] <= 4e-6 * exact[x > -3])
