"""Primitives with a kernel of their own: the reference's bits, for any strides, element types and number of parts."""

from __future__ import annotations

import functools
import zlib
from typing import Any

import numpy as np
import pytest

from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.points import error_code
from chainrule.backends.native.text import Function, module_text
from chainrule.backends.native.whole import WHOLE, emit_whole
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import DTYPES, DType
from chainrule.passes.kernels import Whole
from tests.backends.native.machine_code import OTHER_LEVELS, object_code
from tests.backends.native.whole_cases import CASES, Array, Case
from tests.backends.native.whole_harness import (
    LAYOUTS,
    Operand,
    check,
    compiled,
    kernel_of,
    laid_out,
    reference,
    run,
    same,
    spread,
)

# Those two round on the way: `test_blocked_attention.py` has them.
NAMES = sorted(WHOLE.keys() - {"blocked_attention", "blocked_attention_gradients"})

each_level = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)
each_name = pytest.mark.parametrize("name", NAMES)


def random_case(name: str, dtype: str, seed: int) -> tuple[np.random.Generator, Case]:
    rng = np.random.default_rng([seed, zlib.crc32(f"{name} {dtype}".encode())])
    return rng, CASES[name](rng, dtype)


def somehow(rng: np.random.Generator, arrays: list[Array]) -> list[Operand]:
    return [laid_out(array, str(rng.choice(LAYOUTS)), at_end=bool(rng.integers(2))) for array in arrays]


@each_level
@each_name
def test_samples_of_the_registry(name: str, level: Level) -> None:
    rng = np.random.default_rng(0)
    rule = REGISTRY[name].samples
    assert rule is not None
    for number, (arrays, params) in enumerate(rule(rng)):
        layout = LAYOUTS[number % len(LAYOUTS)]
        check(name, [laid_out(np.asarray(array), layout) for array in arrays], params, level)


@each_level
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
@each_name
def test_random_shapes_strides_and_element_types(name: str, dtype: DType, level: Level) -> None:
    for seed in range(2 if level is host_levels()[0] else 1):
        rng, (arrays, params) = random_case(name, dtype.name, seed)
        check(name, somehow(rng, arrays), params, level)


@each_level
@pytest.mark.parametrize("name", ["index_add", "scatter_add", "slice_update", "cumsum", "concatenate", "argsort"])
def test_repeated_elements(name: str, level: Level) -> None:
    """Strides of 0, as of a constant that became an input."""
    rng, (arrays, params) = random_case(name, "float32", 5)
    first = spread(np.asarray(rng.standard_normal((1,) * arrays[0].ndim), np.float32), arrays[0].shape)
    check(name, [first, *somehow(rng, arrays[1:])], params, level)


@each_level
def test_inputs_in_one_buffer(level: Level) -> None:
    x = laid_out(np.random.default_rng(0).standard_normal((6, 40)).astype(np.float32), "plain")
    upper, lower = Operand(x.buffer, x.view[:3]), Operand(x.buffer, x.view[:2:-1])
    check("concatenate", [upper, lower, x], {"axis": 0}, level)
    check("recurrence", [x, x], {"axis": 1, "reverse": False}, level)


# What is moved and added at indices -----------------------------------------------------------------------------------


def embedding_gradient(rng: np.random.Generator) -> tuple[list[Operand], dict[str, Any]]:
    x = spread(np.zeros((), np.float32), (65, 128))
    index = laid_out(rng.integers(0, 65, 768), "plain")
    return [x, index, laid_out(rng.standard_normal((768, 128)).astype(np.float32), "plain")], {"axis": 0}


@each_level
def test_an_embeddings_gradient_is_added_in_order_of_the_index(level: Level) -> None:
    operands, params = embedding_gradient(np.random.default_rng(0))
    check("index_add", operands, params, level)
    text = compiled(kernel_of("index_add", operands, params, operands[0].view), level).text
    assert f"fadd <{level.width} x float>" in text
    assert "fadd float" not in text, "128 columns are whole vectors"


@each_level
@pytest.mark.parametrize("dtype", ["int32", "uint8", "int8"])
def test_indices_of_other_integers(dtype: str, level: Level) -> None:
    x, index = np.arange(400.0).reshape(200, 2), np.array([0, 99, 3, 3, 9 if dtype == "int8" else 199])
    check("index_select", [laid_out(x, "plain"), laid_out(index.astype(dtype), "plain")], {"axis": 0}, level)


# the case, the places of its indices among the operands
INDICES = {
    "gather": slice(1, 2),
    "index_select": slice(1, 2),
    "pick": slice(1, 2),
    "take_points": slice(1, None),
    "index_add": slice(1, 2),
    "scatter": slice(1, 2),
    "scatter_add": slice(1, 2),
    "put_points": slice(2, None),
}
COUNTED_FROM_THE_END = ("pick", "take_points", "put_points")


def without_bad_ones(name: str, arrays: list[Array], bad: Array, params: dict[str, Any]) -> Array:
    """What is left when the sources at `bad` indices are skipped, or element 0 is read there."""
    if name not in ("index_add", "put_points", "scatter", "scatter_add"):
        return reference(name, arrays, params)  # the bad ones are zeros by now
    axis = params["axis"]
    if name.startswith("scatter"):
        result, index, source = arrays[0].copy(), arrays[1], arrays[2]
        for at in np.ndindex(index.shape):
            if not bad[at]:
                to = (*at[:axis], index[at], *at[axis + 1 :])
                with np.errstate(over="ignore"):
                    result[to] = source[at] + result[to] if name == "scatter_add" else source[at]
        return result
    x, source = (arrays[0], arrays[2]) if name == "index_add" else (arrays[0], arrays[1])
    indices = arrays[INDICES[name]]
    flat = source.reshape(*source.shape[:axis], bad.size, *source.shape[axis + bad.ndim :])
    kept = np.compress(~bad.reshape(-1), flat, axis)
    good = [index[~bad] for index in indices]
    return reference(name, [x, *good, kept] if name == "index_add" else [x, kept, *good], params)


@each_level
@pytest.mark.parametrize("name", sorted(INDICES))
def test_an_index_out_of_range_is_not_followed_and_sets_the_error_word(name: str, level: Level) -> None:
    done = 0
    for seed in range(40):
        rng, (arrays, params) = random_case(name, "int32", 100 + seed)
        which = int(rng.integers(len(arrays[INDICES[name]])))
        place = INDICES[name].start + which
        index = arrays[place]
        if index.size == 0:
            continue
        dimension = params["axis"] + which
        length = arrays[0].shape[dimension]
        lowest = -length if name in COUNTED_FROM_THE_END else 0
        bad = np.array(rng.random(index.shape) < 0.3)
        bad.reshape(-1)[rng.integers(index.size)] = True
        wrong = rng.choice([length, lowest - 1, 2**62, -(2**62), 2**63 - 1, -(2**63)], index.shape)
        broken = list(arrays)
        broken[place] = np.where(bad, wrong, index)
        arrays[place] = np.where(bad, 0, index)
        expected = without_bad_ones(name, arrays, bad, params)
        operands = somehow(rng, broken)
        for parts in (1, 3):
            found, error = run(name, operands, params, expected, level, parts=parts)
            assert error == 1 + error_code(name, dimension)
            assert same(found, expected)
        done += 1
        if done == 6:
            return
    raise AssertionError("too few cases")


@each_level
@pytest.mark.parametrize(
    ("name", "shapes", "index", "params"),
    [
        ("index_select", [(0, 3)], [0], {"axis": 0}),
        ("index_select", [(3, 0)], [3], {"axis": 0}),
        ("gather", [(2, 0)], [[0], [0]], {"axis": 1}),
        ("pick", [(2, 0)], [0, 0], {"axis": 1}),
        ("take_points", [(0, 2)], [-1], {"axis": 0}),
        ("take_points", [(2, 3, 0)], [[-4]], {"axis": 1}),
        ("index_add", [(0, 4), (1, 4)], [0], {"axis": 0}),
        ("index_add", [(2, 0), (1, 0)], [2], {"axis": 0}),
        ("scatter", [(2, 0), (2, 1)], [[0], [0]], {"axis": 1}),
        ("put_points", [(0,), (1,)], [0], {"axis": 0, "accumulate": True}),
        ("put_points", [(3, 0), (1, 0)], [3], {"axis": 0, "accumulate": False}),
    ],
)
def test_indices_into_nothing_set_the_error_word(
    name: str, shapes: list[tuple[int, ...]], index: list[Any], params: dict[str, Any], level: Level
) -> None:
    x, *sources = (laid_out(np.zeros(shape, np.float32), "plain") for shape in shapes)
    indices = laid_out(np.array(index, np.int64), "plain")
    operands = [x, *sources, indices] if name == "put_points" else [x, indices, *sources]
    shape = x.view.shape
    if not sources:
        axis = params["axis"]
        rest = shape[axis + 1 :]
        inside = indices.view.shape
        shape = inside if name in ("gather", "pick") else (*shape[:axis], *inside, *rest)
    for parts in (1, 2):
        _, error = run(name, operands, params, np.zeros(shape, np.float32), level, parts=parts)
        assert error == 1 + error_code(name, params["axis"])


# Sorting --------------------------------------------------------------------------------------------------------------


@each_level
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sorting_of_special_floats(dtype: str, descending: bool, level: Level) -> None:
    """NaN of any sign is the largest, zeros of both signs are equal, equal ones keep their order."""
    info = np.finfo(dtype)
    some = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, info.max, -info.max, info.tiny, -info.tiny]
    some += [info.smallest_subnormal, -info.smallest_subnormal, 1.0, -1.0]
    for length in (1, 7, 30, 333):
        x = np.random.default_rng(length).choice(np.array(some, dtype), (3, length))
        check("argsort", [laid_out(x, "plain")], {"axis": 1, "descending": descending}, level)


@each_level
def test_sorting_of_every_length(level: Level) -> None:
    rng = np.random.default_rng(0)
    for length in (*range(1, 24), 39, 40, 41, 79, 80, 81, 5000):
        x = laid_out(rng.integers(0, max(2, length // 2), length).astype(np.int16), "plain")
        check("argsort", [x], {"axis": 0, "descending": bool(length % 2)}, level)


# How the work is done -------------------------------------------------------------------------------------------------


def large(name: str) -> tuple[list[Operand], dict[str, Any]]:
    """An example of each that is worth sharing out."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((64, 48, 32)).astype(np.float32) + 2
    rows, lines = rng.integers(0, 48, 40), rng.integers(0, 48, (64, 8, 32))
    first, part, indexed = laid_out(x, "plain"), laid_out(x[:, :40], "plain"), laid_out(rows, "plain")
    whole: dict[str, tuple[list[Operand], dict[str, Any]]] = {
        "concatenate": ([first, part], {"axis": 1}),
        "pad": ([first], {"low": (0, 1, 1), "high": (0, 1, 1), "interior": (0, 0, 0), "value": 1.0}),
        "slice_update": ([first, part], {"starts": (0, 4, 0), "stops": (64, 44, 32), "steps": (1, 1, 1)}),
        "gather": ([first, laid_out(lines, "plain")], {"axis": 1}),
        "index_select": ([first, indexed], {"axis": 1}),
        "take_points": ([first, indexed, indexed], {"axis": 0}),
        "pick": ([first, laid_out(lines[:, 0], "plain")], {"axis": 1}),
        "index_add": ([first, indexed, part], {"axis": 1}),
        "scatter": ([first, laid_out(lines, "plain"), laid_out(x[:, :8], "plain")], {"axis": 1}),
        "scatter_add": ([first, laid_out(lines, "plain"), laid_out(x[:, :8], "plain")], {"axis": 1}),
        "put_points": ([first, part, indexed], {"axis": 1, "accumulate": True}),
        "recurrence": ([first, first], {"axis": 1, "reverse": True}),
        "argsort": ([first], {"axis": 1, "descending": False}),
        "cumsum": ([first], {"axis": 1, "reverse": False}),
        "cumprod": ([first], {"axis": 2}),
        "permutation": ([laid_out(np.arange(2), "plain")], {"n": 1000}),
    }
    return whole[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "permutation"])  # a single line
def test_two_parts_write_halves_that_do_not_overlap(name: str) -> None:
    level = host_levels()[0]
    operands, params = large(name)
    expected = reference(name, [operand.view for operand in operands], params)
    shares = []
    for part in (0, 1):
        found, _ = run(name, operands, params, expected, level, parts=2, only=part)
        untouched = np.full(found.itemsize, 0xA5, np.uint8).view(found.dtype)[0]
        shares.append(found != untouched)
    assert not (shares[0] & shares[1]).any()
    assert (shares[0] | shares[1]).all()
    assert 0.4 < shares[0].mean() < 0.6


@functools.cache
def kernels(level: Level) -> list[tuple[list[Function], int]]:
    return [emit_whole(f"kernel_{name}", kernel, level) for name, kernel in _large_kernels()]


def _large_kernels() -> list[tuple[str, Whole]]:
    found = []
    for name in NAMES:
        operands, params = large(name)
        expected = reference(name, [operand.view for operand in operands], params)
        found.append((name, kernel_of(name, operands, params, expected)))
    return found


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
def test_other_processors_get_object_code(level: Level) -> None:
    text = module_text([function for functions, _ in kernels(level) for function in functions], level)
    assert object_code(text, level)


def test_kernels_are_short() -> None:
    """Loops are not written out: a kernel has a hundred lines or two, whatever its shape; Philox has more."""
    for name, (functions, _) in zip(NAMES, kernels(host_levels()[-1]), strict=True):
        limit = 600 if name == "permutation" else 300
        assert sum(str(function).count("\n") for function in functions) < limit
