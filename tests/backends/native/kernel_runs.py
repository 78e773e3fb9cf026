"""Compiles emitted kernels and runs them on memory that is watched, beside the interpreter of their description."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.backends.native.body import Row
from chainrule.backends.native.columns import emit_columns
from chainrule.backends.native.contraction import emit_product
from chainrule.backends.native.level import Level
from chainrule.backends.native.product_epilogue import BodyEpilogue
from chainrule.backends.native.rows import emit_rows
from chainrule.backends.native.text import Function, module_text
from chainrule.ir.types import Array
from chainrule.passes.kernels import Columns, Product, Rows
from tests.backends.native.interpret import OutOfRange, interpret
from tests.backends.native.machine_code import library, object_code

Arithmetic = Rows | Columns | Product
_SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
_GUARD = 64  # elements in front of and behind each operand


def emit(name: str, kernel: Arithmetic, level: Level, rows: Mapping[str, Row]) -> tuple[list[Function], int]:
    """The functions of a kernel, and its scratch bytes."""
    if isinstance(kernel, Product):
        return emit_product(name, kernel, level, BodyEpilogue(kernel, level.width, rows))
    if isinstance(kernel, Rows):
        return emit_rows(name, kernel, level, rows)
    return emit_columns(name, kernel, level, rows)


class Compiled:
    """A kernel ready to run."""

    def __init__(self, kernel: Arithmetic, level: Level, rows: Mapping[str, Row]) -> None:
        functions, self.scratch_bytes = emit("kernel", kernel, level, rows)
        self.kernel = kernel
        self._code = library(module_text(functions, level), level)
        self.call = _SIGNATURE(self._code.address("kernel"))

    def bound(self, arrays: Sequence[Array], part: int = 0, parts: int = 1) -> tuple[tuple[Any, ...], Array]:
        """The arguments of a call on some memory, and the error word. The slots are in reverse order."""
        error = np.zeros(1, np.int64)
        count = len(arrays)
        slots = np.array([self.slot(k, count) for k in range(count)], np.int64)
        table = np.zeros(count + 1, np.int64)
        table[0] = error.ctypes.data
        table[slots] = [array.ctypes.data for array in arrays]
        scratch = np.full(self.scratch_bytes + 64, 0x7F, np.uint8)
        start = -scratch.ctypes.data % 64 + scratch.ctypes.data
        self._held = (error, slots, table, scratch, arrays)
        return (table.ctypes.data, slots.ctypes.data, start, part, parts), error

    @staticmethod
    def slot(k: int, count: int) -> int:
        """Where operand k of so many stands in the table."""
        return count - k

    def run(self, arrays: Sequence[Array], parts: int = 1) -> int:
        """All parts, the last one first; returns the error word."""
        error = 0
        for part in reversed(range(parts)):
            arguments, word = self.bound(arrays, part, parts)
            self.call(*arguments)
            error = error or int(word[0])
        return error


def guarded(array: Array) -> tuple[Array, Array]:
    """A copy that stands in the middle of memory of its own, and that memory."""
    around = np.full(array.size + 2 * _GUARD, 0x5B, np.uint8).astype(array.dtype)
    around[_GUARD : _GUARD + array.size] = array
    return around[_GUARD : _GUARD + array.size], around


def check(
    kernel: Arithmetic,
    arrays: Sequence[Array],
    level: Level,
    rows: Mapping[str, Row],
    *,
    tolerance: float = 0,
    parts: Sequence[int] = (1, 2, 3, 4),
) -> list[Array]:
    """Runs a kernel in 1 to 4 parts and compares: the same bits each time, the interpreter's values, no stray write.

    `tolerance` is in units of the last place of each operand's largest result; 0 asks for equal bits (of numbers).
    """
    expected = [array.copy() for array in arrays]
    try:
        interpret(kernel, expected)
        bad = False
    except OutOfRange:
        bad = True
    compiled = Compiled(kernel, level, rows)
    first: list[Array] = []
    for count in parts:
        copies = [guarded(array) for array in arrays]
        error = compiled.run([inside for inside, _ in copies], count)
        assert bool(error) == bad, f"error word {error}"
        for (inside, around), array in zip(copies, arrays, strict=True):
            fresh = guarded(array)[1]
            for ends in (slice(None, _GUARD), slice(_GUARD + array.size, None)):
                assert around[ends].tobytes() == fresh[ends].tobytes(), "written outside an operand"
            assert inside.size == array.size
        found = [inside.copy() for inside, _ in copies]
        if not first:
            first = found
            for k, (got, want) in enumerate(zip(found, expected, strict=True)):
                assert_close(got, want, tolerance, f"operand {k}")
        assert [f.tobytes() for f in found] == [f.tobytes() for f in first], f"other bits in {count} parts"
    return first


def assert_close(got: Array, want: Array, tolerance: float, what: str = "") -> None:
    """Equal, or (floats) within some units of the last place of the largest value."""
    if got.dtype.kind != "f" or not tolerance:
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], err_msg=what)
    largest = np.abs(want[finite]).max(initial=0)
    bound = tolerance * max(np.spacing(largest), np.finfo(got.dtype).tiny)
    np.testing.assert_allclose(got[finite], want[finite], rtol=0, atol=bound, err_msg=what)


def compile_foreign(kernel: Arithmetic, level: Level, rows: Mapping[str, Row]) -> bytes:
    """Object code for a processor that need not be this one."""
    return object_code(module_text(emit("kernel", kernel, level, rows)[0], level), level)
