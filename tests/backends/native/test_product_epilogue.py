"""Bodies behind products: generated code against the interpreter of descriptions, on every level of this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.backends.native.elementwise import ROWS
from chainrule.backends.native.level import Level, host_levels
from chainrule.ir.types import Array, float32, float64, int64
from chainrule.passes.kernels import Matrix, Product
from tests.backends.native.descriptions import ELEMENT, ROW, UNIFORM, Sketch
from tests.backends.native.kernel_runs import check, compile_foreign
from tests.backends.native.machine_code import OTHER_LEVELS

LEVELS = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)
SIZES = [(1, 1, 1, 1), (1, 1, 40, 9), (2, 5, 3, 4), (1, 20, 33, 17), (3, 13, 70, 20), (1, 70, 10, 30), (1, 9, 1, 8)]


def whole(seed: int, size: int) -> Array:
    """Small whole numbers: their products are exact."""
    return np.random.default_rng(seed).integers(-4, 5, size).astype(np.float32)


def product(batch: int, m: int, n: int, k: int) -> tuple[Any, list[Array]]:
    """out += relu(a b + bias) + residual[index[row]] - rate scale[row], and the product itself, column by column."""
    s = Sketch((batch, m, n))
    a, b, bias, residual, scale, index, out, plain = (
        s.operand(t) for t in (float32, float32, float32, float32, float32, int64, float32, float32)
    )
    rate = s.operand(float64)
    c = s.constant(0.0, float32, ELEMENT)
    shifted = s.apply("add", c, s.load(bias, ELEMENT, (0, 0, 1)))
    rectified = s.apply("maximum", shifted, s.constant(0.0))
    at = s.load(index, ROW)
    picked = s.load(residual, ELEMENT, (0, 0, 1), index=at, index_stride=n, index_length=4)
    row = s.apply("mul", s.cast(s.load(rate, UNIFORM), float32), s.load(scale, ROW))
    s.store(out, s.apply("sub", s.apply("add", s.apply("add", rectified, picked), s.load(out)), row))
    s.store(plain, c, ELEMENT, (m * n, 1, m))
    left, right = Matrix(a, (m * k,), k, 1), Matrix(b, (k * n,), n, 1)
    kernel = Product((batch,), m, n, k, left, right, float32, tuple(s.steps), tuple(s.stores), tuple(s.operands))
    arrays = [whole(0, batch * m * k), whole(1, batch * k * n), whole(2, n), whole(3, 4 * n), whole(4, batch * m)]
    indices = np.random.default_rng(5).integers(0, 4, batch * m)
    return kernel, [*arrays, indices, whole(6, batch * m * n), whole(7, batch * m * n), np.array([2.0])]


@LEVELS
@pytest.mark.parametrize("sizes", SIZES)
def test_steps_and_stores_behind_a_product(level: Level, sizes: tuple[int, int, int, int]) -> None:
    kernel, arrays = product(*sizes)
    check(kernel, arrays, level, ROWS)
    arrays[5][0] = 4
    check(kernel, arrays, level, ROWS)


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
def test_compiles_for_other_processors(level: Level) -> None:
    assert compile_foreign(product(2, 20, 33, 17)[0], level, ROWS)
