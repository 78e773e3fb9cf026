"""Products compiled and run alone."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backends.native.contraction import emit_product
from chainrule.backends.native.gemm_epilogue import Epilogue
from chainrule.backends.native.jit import Library
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import module_text
from chainrule.ir.types import Array, DType, float32
from chainrule.passes.kernels import Access, Constant, Matrix, Product, Store
from chainrule.passes.kernels import Level as Often
from tests.backends.native.machine_code import library

NAME = "product"
SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)


@dataclass
class Compiled:
    """A kernel."""

    code: Library
    run: Callable[..., None]
    scratch: int

    def __post_init__(self) -> None:
        self.memory = aligned((self.scratch,), np.dtype(np.uint8))
        self.memory[...] = 0xFF  # NaN: what is read without having been written shows

    def bind(self, operands: Sequence[Array], part: int = 0, parts: int = 1) -> Callable[[], None]:
        """Calls on arrays: A, B and C, each one's first element the place that offsets count from."""
        table = (ctypes.c_void_p * (len(operands) + 1))(ctypes.addressof(_ERROR), *(x.ctypes.data for x in operands))
        slots = (ctypes.c_int64 * len(operands))(*range(1, len(operands) + 1))
        scratch = self.memory
        arguments = ctypes.addressof(table), ctypes.addressof(slots), scratch.ctypes.data, part, parts
        kept = table, slots, scratch, operands

        def call() -> None:
            self.run(*arguments)
            assert kept

        return call


_ERROR = ctypes.c_int64(0)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros at a multiple of 64 bytes."""
    count = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(count + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + count].view(dtype).reshape(shape)


def compiled(product: Product, level: Level, epilogue: Epilogue | None = None) -> Compiled:
    """The kernel of a product."""
    functions, scratch = emit_product(NAME, product, level, epilogue)
    code = library(module_text(functions, level), level)
    return Compiled(code, SIGNATURE(code.address(NAME)), scratch)


def product_of(
    m: int, n: int, k: int, layout: str = "NN", batch: tuple[int, ...] = (), dtype: DType = float32
) -> Product:
    """Contiguous operands, each N (row-major) or T (stored transposed); C row-major, operand 2."""

    def strides(rows: int, columns: int, order: str) -> tuple[int, int]:
        return (columns, 1) if order == "N" else (1, rows)

    a, b = strides(m, k, layout[0]), strides(k, n, layout[1])
    return Product(
        batch,
        m,
        n,
        k,
        Matrix(0, packed_strides(batch, m * k), *a),
        Matrix(1, packed_strides(batch, k * n), *b),
        dtype,
        (Constant(0, dtype),),
        (Store(Access(2, (*packed_strides(batch, m * n), n, 1)), 0, dtype, Often.ELEMENT),),
        (dtype,) * 3,
    )


def packed_strides(batch: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Of contiguous matrices."""
    found = []
    for length in reversed(batch):
        found.append(size)
        size *= length
    return tuple(reversed(found))
