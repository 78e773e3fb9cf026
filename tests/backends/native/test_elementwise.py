"""Rows of elementwise primitives against their references: every element type, every pair of special values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule.ops  # noqa: F401  # the registry
from chainrule.backends.native.elementwise import ROWS
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Reg
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import DTYPES, FLOATING, DType, bool_, dtype_of, float32, type_of
from chainrule.ops import elementwise, special
from tests.backends.native.harness import floats_of_every_exponent, run, special_floats
from tests.backends.native.machine_code import LEVELS

Array = npt.NDArray[Any]

# Those whose results are the reference's, to the last bit.
EXACT = frozenset(
    [
        *(
            "add",
            "sub",
            "mul",
            "div",
            "neg",
            "times",
            "over",
            "square",
            "reciprocal",
            "remainder",
            "floor_divide",
            "fmod",
        ),
        *(
            "abs",
            "sign",
            "floor",
            "ceil",
            "trunc",
            "round",
            "relu",
            "maximum",
            "minimum",
            "at_least",
            "at_most",
            "clamp",
        ),
        *("where", "cast", "sqrt", "rsqrt", "detach", "alias"),
    ]
)
# Where zeros have the reference's sign, too.
SIGNED_ZEROS = frozenset(["add", "sub", "mul", "div", "neg", "floor", "ceil", "trunc", "round", "remainder", "fmod"])
# Relative to max(least, |exact|), by (float32, float64).
TOLERANCE = (5e-7, 2e-14)
LEAST = {"ndtr": 1.0, "lgamma": 1.0, "digamma": 1.0, "logaddexp2": 1.0, "polygamma": 1.0}
FLOATS_ONLY = frozenset(["erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma", "ndtr", "reciprocal"])


def samples(dtype: DType, rng: np.random.Generator) -> tuple[Array, Array]:
    """(special values, others)."""
    kind = dtype.numpy
    if kind.kind == "f":
        normal = np.concatenate([rng.normal(0, 3, 800), rng.normal(0, 1e4, 400)]).astype(kind)
        return special_floats(kind), np.concatenate([normal, floats_of_every_exponent(kind, 1500)])
    if kind.kind == "b":
        return np.array([False, True]), rng.random(500) < 0.5
    info = np.iinfo(kind)
    ends = [info.min, info.min + 1, 0, 1, 2, 3, info.max - 1, info.max, *([-1, -2] if info.min else [])]
    small = rng.integers(-9 if info.min else 0, 9, 800).astype(kind)
    return np.array(ends, kind), np.concatenate([small, rng.integers(info.min, info.max, 800, kind)])


def operands(name: str, dtype: DType, count: int) -> list[Array]:
    """All pairs of special values, then random ones."""
    rng = np.random.default_rng(count)
    dtypes = [dtype] * count
    if name == "where":
        dtypes[0] = bool_
    drawn = [samples(one, rng) for one in dtypes]
    if count < 3:
        grid = [part.reshape(-1) for part in np.meshgrid(*(special for special, _ in drawn))]
    else:
        grid = [rng.permutation(np.resize(special, 400)) for special, _ in drawn]
    found = [
        np.concatenate([part, np.resize(rng.permutation(rest), 3000)])
        for part, (_, rest) in zip(grid, drawn, strict=True)
    ]
    if name == "pow" and dtype.numpy.kind == "i":
        found[1] = np.where(found[1] < 0, 0, found[1]).astype(dtype.numpy)
    return found


def variants(name: str) -> list[dict[str, Any]]:
    """The parameters that a primitive is tried with."""
    if name == "cast":
        return [{"dtype": dtype} for dtype in DTYPES]
    given = [params for _, params in REGISTRY[name].samples(np.random.default_rng(0))]  # type: ignore[misc]
    return [params for k, params in enumerate(given) if params not in given[:k]]


def row(name: str, result: DType, of: list[DType], params: dict[str, Any]) -> Any:
    def emit(f: Function, *registers: Reg) -> Reg:
        return ROWS[name].emit(f, list(registers), result, of, **params)

    return emit


def check(name: str, found: Array, exact: Array) -> None:
    if exact.dtype.kind != "f":
        np.testing.assert_array_equal(found, exact)
        return
    if name in EXACT:
        np.testing.assert_array_equal(found, exact)
        if name in SIGNED_ZEROS:
            zero = exact == 0
            np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(exact[zero]))
        return
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    least = LEAST.get(name, float(np.finfo(exact.dtype).tiny) * 2**24)
    with np.errstate(all="ignore"):
        off = np.abs(found.astype(np.float64) - exact) / np.maximum(least, np.abs(exact))
    wrong = ~same & ~(off <= TOLERANCE[exact.dtype == np.float64])
    assert not wrong.any(), f"{found[wrong][:3]}, not {exact[wrong][:3]}"


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("name", ROWS)
def test_a_row_means_what_its_reference_means(name: str, level: Level) -> None:
    primitive = REGISTRY[name]
    count = len(primitive.samples(np.random.default_rng(0))[0][0])  # type: ignore[misc]
    tried = 0
    for dtype in DTYPES:
        if dtype.category != FLOATING and name in FLOATS_ONLY:
            continue
        given = operands(name, dtype, count)
        for params in variants(name):
            try:
                with np.errstate(all="ignore"):
                    exact = np.asarray(primitive.reference(*given, **params))
            except TypeError:  # NumPy does not have it for this type, so no program can ask for it
                continue
            result = primitive.infer(*map(type_of, given), **params).dtype
            if exact.dtype != result.numpy:
                continue  # the same: the constructor would have cast its operands
            emit = row(name, result, [dtype_of(array.dtype) for array in given], params)
            check(name, run(emit, level, given, exact.dtype), exact)
            tried += 1
    assert tried, "no element type was tried"


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("name", ["pow", "remainder", "floor_divide", "fmod", "ndtr", "logaddexp2", "atan2", "round"])
def test_bits_do_not_depend_on_the_number_of_lanes(name: str, level: Level) -> None:
    primitive = REGISTRY[name]
    count = len(primitive.samples(np.random.default_rng(0))[0][0])  # type: ignore[misc]
    for dtype in (float32, dtype_of(np.float64)):
        given = [array[-1000:] for array in operands(name, dtype, count)]
        emit = row(name, dtype, [dtype] * count, variants(name)[0])
        alone = run(emit, level, given, dtype.numpy, lanes=1)
        together = run(emit, level, given, dtype.numpy, lanes=2 * level.width)
        bits = f"i{dtype.itemsize}"
        np.testing.assert_array_equal(together.view(bits), alone.view(bits))


def test_every_elementwise_primitive_has_a_row_or_an_expansion() -> None:
    families = {"elementwise": elementwise, "special": special}
    defined = [
        name
        for name, primitive in REGISTRY.items()
        if primitive.reference.__module__ in {module.__name__ for module in families.values()}
        or isinstance(primitive.reference, np.ufunc)
    ]
    missing = [name for name in defined if name not in ROWS and REGISTRY[name].expand is None]
    assert not missing
    assert set(ROWS) <= set(REGISTRY)


def test_an_integer_to_a_negative_power_is_zero() -> None:
    base, exponent = np.array([2, 3, -1, 0], np.int32), np.array([-1, -2, -3, -1], np.int32)
    int32 = dtype_of(np.int32)
    found = run(row("pow", int32, [int32, int32], {}), LEVELS[0], [base, exponent], np.int32)
    np.testing.assert_array_equal(found, 0)
