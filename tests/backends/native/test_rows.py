"""Kernels over rows: generated code against the interpreter of descriptions, on every level of this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.backends.native.elementwise import ROWS
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.row_reductions import ENOUGH_PAIRS
from chainrule.ir.types import DTYPES, Array, DType, bool_, float32, float64, int64
from tests.backends.native import row_kernels
from tests.backends.native.descriptions import ELEMENT, ROW, UNIFORM, Sketch
from tests.backends.native.kernel_runs import Compiled, check, compile_foreign
from tests.backends.native.machine_code import OTHER_LEVELS
from tests.backends.native.random_kernels import random_kernel

LEVELS = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)
LENGTHS = (1, 2, 3, 7, 8, 10, 17, 33, 100, 1000, 9000)


def normal(seed: int, *shape: int) -> Array:
    """float32 numbers."""
    return np.random.default_rng(seed).standard_normal(int(np.prod(shape))).astype(np.float32)


@LEVELS
@pytest.mark.parametrize("seed", range(30))
def test_random_kernels_are_what_their_description_says(level: Level, seed: int) -> None:
    kernel, arrays, tolerance = random_kernel(seed)
    check(kernel, arrays, level, ROWS, tolerance=tolerance, parts=(1, 3))


@LEVELS
@pytest.mark.parametrize("length", LENGTHS)
def test_softmax(level: Level, length: int) -> None:
    x = normal(0, 5, length)
    found = check(row_kernels.softmax(5, length), [x, x * 0], level, ROWS, tolerance=8)
    in_place = check(row_kernels.softmax(5, length, in_place=True), [x], level, ROWS, tolerance=8)
    assert found[1].tobytes() == in_place[0].tobytes()


@LEVELS
@pytest.mark.parametrize("length", [2, 17, 33, 64, 400])
def test_rows_side_by_side_have_the_bits_that_each_has_alone(level: Level, length: int) -> None:
    """An even number of rows goes two by two, an odd one singly."""
    even, x = 2 * ENOUGH_PAIRS, normal(0, 2 * ENOUGH_PAIRS + 1, length)
    alone = check(row_kernels.softmax(even + 1, length), [x, x * 0], level, ROWS, tolerance=8)
    few = x[: even * length]
    for found in (
        check(row_kernels.softmax(even, length), [few, few * 0], level, ROWS, tolerance=8)[1],
        check(row_kernels.softmax(even, length, in_place=True), [few], level, ROWS, tolerance=8)[0],
    ):
        assert found.tobytes() == alone[1][: even * length].tobytes()
    more = [normal(2, length), normal(3, length), few * 0, normal(4, even), normal(5, even)]
    check(row_kernels.layer_norm(even, length), [few, *more], level, ROWS, tolerance=16)


@LEVELS
@pytest.mark.parametrize("length", LENGTHS)
def test_layer_norm_forward_and_backward(level: Level, length: int) -> None:
    x, g, w, b = normal(0, 5, length), normal(1, 5, length), normal(2, length), normal(3, length)
    arrays = [x, w, b, x * 0, normal(4, 5), normal(5, 5)]
    check(row_kernels.layer_norm(5, length), arrays, level, ROWS, tolerance=16)
    mean, reciprocal = normal(6, 5), np.abs(normal(7, 5))
    arrays = [g, x, w, mean, reciprocal, x * 0]
    check(row_kernels.layer_norm_backward(5, length), arrays, level, ROWS, tolerance=16)


@LEVELS
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 10, 33, 1000])
def test_cross_entropy(level: Level, classes: int, indexed: bool) -> None:
    labels = np.random.default_rng(0).integers(0, classes, 7)
    labels[2] = -100
    arrays = [normal(1, 7, classes) * 4, labels, normal(2, 7)]
    check(row_kernels.cross_entropy(7, classes, indexed=indexed), arrays, level, ROWS, tolerance=8)


@LEVELS
@pytest.mark.parametrize("label", [10, -1, 2**40, -(2**63)])
def test_an_index_out_of_range_reads_element_0_and_sets_the_error(level: Level, label: int) -> None:
    labels = np.array([1, label, 3])
    check(
        row_kernels.cross_entropy(3, 10, indexed=True),
        [normal(1, 3, 10), labels, normal(2, 3)],
        level,
        ROWS,
        tolerance=8,
    )


@LEVELS
def test_the_error_word_names_the_slot_of_the_operand_that_was_indexed(level: Level) -> None:
    k = Sketch((3, 20))
    table, index, out = k.operand(), k.operand(int64), k.operand()
    at = k.load(index)
    k.store(out, k.load(table, ELEMENT, (0, 0), index=at, index_stride=1, index_length=4))
    compiled = Compiled(k.kernel(), level, ROWS)
    places = np.arange(60) % 4
    arrays: list[Array] = [normal(0, 4), places, np.zeros(60, np.float32)]
    assert compiled.run(arrays) == 0
    places[37] = 4
    assert compiled.run(arrays) == compiled.slot(0, 3)
    np.testing.assert_array_equal(arrays[2], arrays[0][np.where(places < 4, places, 0)])


@LEVELS
def test_an_index_into_nothing_reads_nothing(level: Level) -> None:
    k = Sketch((20,))
    table, index, out = k.operand(), k.operand(int64), k.operand()
    at = k.load(index)
    k.store(out, k.load(table, ELEMENT, (0,), index=at, index_stride=1, index_length=0))
    arrays: list[Array] = [np.zeros(0, np.float32), np.zeros(20, np.int64), normal(0, 20)]
    assert Compiled(k.kernel(), level, ROWS).run(arrays)
    assert not arrays[2].any()


@LEVELS
@pytest.mark.parametrize("width", [1, 7, 8, 100])
def test_embedding_rows_by_index(level: Level, width: int) -> None:
    k = Sketch((6, width))
    table, tokens, out = k.operand(), k.operand(int64), k.operand()
    at = k.load(tokens, ROW)
    k.store(out, k.load(table, ELEMENT, (0, 1), index=at, index_stride=width, index_length=9))
    check(k.kernel(), [normal(0, 9, width), np.array([0, 8, 3, 3, 1, 7]), normal(1, 6, width)], level, ROWS)


@LEVELS
@pytest.mark.parametrize("size", [1, 7, 8, 31, 33, 1000, 5000])
def test_adam_in_place(level: Level, size: int) -> None:
    scalars = [np.array([0.9**3]), np.array([0.999**3]), np.array([1e-3])]
    arrays = [normal(0, size), normal(1, size), normal(2, size), np.abs(normal(3, size)), *scalars]
    check(row_kernels.adam(size), arrays, level, ROWS, tolerance=4)


def reduction(operation: str, shape: tuple[int, ...], dtype: DType, result: DType) -> Any:
    """One reduction alone."""
    k = Sketch(shape)
    x, out = k.operand(dtype), k.operand(result)
    k.store(out, k.reduce(operation, k.load(x), result))
    return k.kernel()


def result_of(operation: str, dtype: DType) -> DType:
    """The type of a reduction's result."""
    return int64 if operation.startswith("arg") else bool_ if operation in ("any", "all") else dtype


@LEVELS
@pytest.mark.parametrize("operation", ["sum", "prod", "max", "min", "any", "all", "argmax", "argmin"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_reductions_of_every_type(level: Level, operation: str, dtype: DType) -> None:
    if dtype is bool_ and operation in ("sum", "prod"):
        pytest.skip("sums of bools are made in int64")
    rng = np.random.default_rng(0)
    result = result_of(operation, dtype)
    # Loops are the same for all types but for the number of lanes: one type goes through all lengths.
    for length in (0, 1, 3, 8, 13, 40, 300, 9000) if dtype is float32 else (0, 13, 40, 9000):
        if length == 0 and operation not in ("sum", "prod", "any", "all"):
            continue
        low, high = (0, 2) if dtype is bool_ else (1, 100) if operation == "all" else (0, 100)
        x = rng.integers(low, high, 3 * length).astype(dtype.numpy)
        if dtype.is_floating_point:
            x = x * dtype.numpy.type(0.01 if operation == "prod" else 1) - dtype.numpy.type(operation != "prod") * 50
        elif operation in ("any", "all") and length:
            x[: length - 1] = operation == "all"
        arrays = [x.astype(dtype.numpy), np.ones(3, result.numpy)]
        check(
            reduction(operation, (3, length), dtype, result), arrays, level, ROWS, tolerance=64 * (operation == "prod")
        )


@LEVELS
@pytest.mark.parametrize("operation", ["max", "min", "argmax", "argmin"])
@pytest.mark.parametrize("length", [1, 2, 9, 32, 33, 70, 9000])
def test_nan_infinities_and_ties(level: Level, operation: str, length: int) -> None:
    rng = np.random.default_rng(length)
    x = rng.integers(0, 3, (12, length)).astype(np.float32)
    x[0], x[1], x[2] = np.inf, -np.inf, np.nan
    x[3, -1] = x[4, 0] = x[5, length // 2] = np.nan
    x[6, length // 2 :] = np.nan
    x[7, rng.integers(length)] = -np.inf
    x[8, rng.integers(length)] = np.inf
    x[9], x[10, length // 2 :] = 1, 5
    result = result_of(operation, float32)
    check(reduction(operation, x.shape, float32, result), [x.ravel(), np.ones(12, result.numpy)], level, ROWS)


@LEVELS
@pytest.mark.parametrize("length", [1000, 2048, 100_000])
@pytest.mark.parametrize("kind", ["normal", "positive", "constant"])
def test_sums_are_accurate(level: Level, length: int, kind: str) -> None:
    x = normal(length, length)
    x = {"normal": x, "positive": np.abs(x), "constant": x * 0 + np.float32(0.1)}[kind]
    out = np.zeros(1, np.float32)
    Compiled(reduction("sum", (length,), float32, float32), level, ROWS).run([x, out])
    exact = np.sum(x, dtype=np.float64)
    assert abs(out[0] - exact) <= 8 * np.finfo(np.float32).eps * np.abs(x).sum(dtype=np.float64)


@LEVELS
def test_a_sum_of_nothing_or_of_negative_zeros_is_positive_zero(level: Level) -> None:
    for length in (0, 1, 8, 13, 100):
        out = np.ones(2, np.float32)
        x = np.full(2 * length, -0.0, np.float32)
        Compiled(reduction("sum", (2, length), float32, float32), level, ROWS).run([x, out])
        assert out.tobytes() == bytes(8)


@LEVELS
def test_a_sum_has_the_same_bits_whatever_it_is_fused_with(level: Level) -> None:
    for length in (5, 30, 100, 9000):
        x = normal(length, 4, length)
        k = Sketch((4, length))
        source, doubled, out, top = (k.operand() for _ in range(4))
        a = k.load(source)
        total = k.reduce("sum", a)
        k.store(doubled, k.apply("sub", a, k.reduce("max", k.apply("mul", a, total))))
        k.store(out, total)
        k.store(top, k.reduce("max", a))
        alone, fused = np.zeros(4, np.float32), np.zeros(4, np.float32)
        Compiled(reduction("sum", (4, length), float32, float32), level, ROWS).run([x, alone])
        Compiled(k.kernel(), level, ROWS).run([x, x * 0, fused, alone * 0])
        assert alone.tobytes() == fused.tobytes()


@LEVELS
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("shape", [(0,), (5, 0), (1,), (33,), (40, 33), (3, 50, 70), (64, 64)])
def test_transposing_copies(level: Level, dtype: DType, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    k = Sketch(shape)
    x, out = k.operand(dtype), k.operand(dtype)
    strides = tuple(int(np.prod(shape[:d])) for d in range(len(shape)))
    k.store(out, k.load(x, ELEMENT, strides))
    size = int(np.prod(shape))
    arrays = [rng.integers(0, 2, size).astype(dtype.numpy), np.ones(size, dtype.numpy)]
    check(k.kernel(), arrays, level, ROWS)


@LEVELS
def test_uniform_stores_are_made_once(level: Level) -> None:
    k = Sketch((100,))
    x, count, out = k.operand(), k.operand(float64), k.operand()
    more = k.apply("add", k.load(count, UNIFORM), k.constant(1.0, float64))
    k.store(out, k.apply("mul", k.load(x), k.cast(more, float32)))
    other = k.operand(float64)
    k.store(other, more)
    check(k.kernel(), [normal(0, 100), np.array([4.0]), normal(1, 100), np.zeros(1)], level, ROWS)


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
def test_compiles_for_other_processors(level: Level) -> None:
    kernels = [
        row_kernels.softmax(4, 500),
        row_kernels.layer_norm(4, 30),
        row_kernels.cross_entropy(4, 10, indexed=True),
        row_kernels.adam(1000),
        *(random_kernel(seed)[0] for seed in range(20)),
    ]
    for kernel in kernels:
        assert compile_foreign(kernel, level, ROWS)
