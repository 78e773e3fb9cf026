"""Kernels over columns: generated code against the interpreter of descriptions, on every level of this machine."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from chainrule.backends.native.elementwise import ROWS
from chainrule.backends.native.level import Level, host_levels
from chainrule.ir.types import DTYPES, Array, DType, bool_, float32, int64
from tests.backends.native import row_kernels
from tests.backends.native.descriptions import ELEMENT, ROW, Sketch
from tests.backends.native.kernel_runs import Compiled, check, compile_foreign
from tests.backends.native.machine_code import OTHER_LEVELS
from tests.backends.native.random_kernels import random_kernel

LEVELS = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)


def normal(seed: int, *shape: int) -> Array:
    """float32 numbers."""
    return np.random.default_rng(seed).standard_normal(int(np.prod(shape))).astype(np.float32)


@LEVELS
@pytest.mark.parametrize("seed", range(30))
def test_random_kernels_are_what_their_description_says(level: Level, seed: int) -> None:
    kernel, arrays, tolerance = random_kernel(seed, columns=True)
    check(kernel, arrays, level, ROWS, tolerance=tolerance, parts=(1, 3))


@LEVELS
@pytest.mark.parametrize("rows", [0, 1, 2, 5, 64, 65, 300, 1000])
@pytest.mark.parametrize("columns", [1, 3, 8, 10, 17, 70, 300])
def test_bias_update(level: Level, rows: int, columns: int) -> None:
    for batch in (1, 3):
        arrays = [normal(0, batch, rows, columns), normal(1, batch, columns), np.array([0.1])]
        check(row_kernels.bias_update(batch, rows, columns), arrays, level, ROWS, tolerance=64)


@LEVELS
@pytest.mark.parametrize("columns", [5, 40])
def test_elements_are_stored_on_the_way(level: Level, columns: int) -> None:
    """relu's derivative, in place, and its sum: the cotangent of a bias."""
    k = Sketch((2, 70, columns), columns=True)
    y, g, total = (k.operand() for _ in range(3))
    dead = k.apply("le", k.load(y), k.constant(0.0), dtype=bool_)
    passed = k.apply("where", dead, k.constant(0.0), k.load(g))
    k.store(g, passed)
    k.store(total, k.reduce("sum", passed))
    arrays = [normal(0, 2, 70, columns), normal(1, 2, 70, columns), normal(2, 2, columns)]
    check(k.kernel(), arrays, level, ROWS, tolerance=8)


@LEVELS
@pytest.mark.parametrize("columns", [1, 5, 40])
def test_several_passes(level: Level, columns: int) -> None:
    """Batch norm: mean, variance, and the elements normalised."""
    k = Sketch((1, 50, columns), columns=True)
    x, out, kept = (k.operand() for _ in range(3))
    a, n = k.load(x), k.constant(50.0)
    mean = k.apply("div", k.reduce("sum", a), n)
    centred = k.apply("sub", a, mean)
    variance = k.apply("div", k.reduce("sum", k.apply("mul", centred, centred)), n)
    k.store(out, k.apply("div", centred, k.apply("sqrt", variance)))
    k.store(kept, variance)
    check(k.kernel(), [normal(0, 50, columns), normal(1, 50, columns), normal(2, columns)], level, ROWS, tolerance=16)


@LEVELS
@pytest.mark.parametrize("operation", ["sum", "prod", "max", "min", "any", "all", "argmax", "argmin"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_reductions_of_every_type(level: Level, operation: str, dtype: DType) -> None:
    if dtype is bool_ and operation in ("sum", "prod"):
        pytest.skip("sums of bools are made in int64")
    result = int64 if operation.startswith("arg") else bool_ if operation in ("any", "all") else dtype
    rng = np.random.default_rng(0)
    # Loops are the same for all types but for the number of lanes: one type goes through all shapes.
    shapes = itertools.product((1, 7, 130), (1, 10, 37)) if dtype is float32 else ((7, 10), (130, 37))
    for rows, columns in shapes:
        k = Sketch((2, rows, columns), columns=True)
        x, out = k.operand(dtype), k.operand(result)
        k.store(out, k.reduce(operation, k.load(x), result))
        data = rng.integers(0, 3 if dtype is not bool_ else 2, 2 * rows * columns).astype(dtype.numpy)
        if dtype.is_floating_point and operation not in ("sum", "prod"):
            data[rng.integers(0, data.size, 5)] = [np.nan, np.inf, -np.inf, -0.0, np.nan]
        check(k.kernel(), [data, np.ones(2 * columns, result.numpy)], level, ROWS)


@LEVELS
def test_columns_of_a_transposed_matrix(level: Level) -> None:
    k = Sketch((1, 33, 21), columns=True)
    x, bias, out = (k.operand() for _ in range(3))
    shifted = k.apply("add", k.load(x, ELEMENT, (0, 1, 33)), k.load(bias, ROW, (0, 0, 2)))
    k.store(out, k.reduce("sum", shifted), ROW, (0, 0, -1), 20)
    check(k.kernel(), [normal(0, 33, 21), normal(1, 42), normal(2, 21)], level, ROWS, tolerance=8)


@LEVELS
@pytest.mark.parametrize("columns", [3, 40])
def test_sums_are_accurate(level: Level, columns: int) -> None:
    x = np.abs(normal(0, 100_000, columns)) if columns == 3 else np.full(20_000 * columns, 0.1, np.float32)
    k = Sketch((1, x.size // columns, columns), columns=True)
    source, out = k.operand(), k.operand()
    k.store(out, k.reduce("sum", k.load(source)))
    found = np.zeros(columns, np.float32)
    Compiled(k.kernel(), level, ROWS).run([x, found])
    exact = x.reshape(-1, columns).sum(0, dtype=np.float64)
    assert (np.abs(found - exact) <= 8 * np.finfo(np.float32).eps * exact).all()


@LEVELS
@pytest.mark.parametrize("columns", [3, 40, 300])
def test_a_sum_has_the_same_bits_whatever_it_is_fused_with(level: Level, columns: int) -> None:
    x = normal(0, 300, columns)
    k = Sketch((1, 300, columns), columns=True)
    source, *out = (k.operand() for _ in range(5))
    a = k.load(source)
    for place, value in zip(out, (a, k.apply("mul", a, a), k.apply("sub", a, k.constant(3.0))), strict=False):
        k.store(place, k.reduce("sum", value))
    k.store(out[3], k.reduce("max", a))
    alone = Sketch((1, 300, columns), columns=True)
    source, place = alone.operand(), alone.operand()
    alone.store(place, alone.reduce("sum", alone.load(source)))
    found = [np.zeros(columns, np.float32) for _ in range(5)]
    Compiled(k.kernel(), level, ROWS).run([x, *found[:4]])
    Compiled(alone.kernel(), level, ROWS).run([x, found[4]])
    assert found[0].tobytes() == found[4].tobytes()


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
def test_compiles_for_other_processors(level: Level) -> None:
    kernels: list[Any] = [row_kernels.bias_update(2, 100, 300), row_kernels.bias_update(1, 100, 10)]
    for kernel in [*kernels, *(random_kernel(seed, columns=True)[0] for seed in range(15))]:
        assert compile_foreign(kernel, level, ROWS)
