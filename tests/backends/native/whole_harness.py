"""Compiles and runs `Whole` kernels over arrays of any strides.

Every buffer lies between two pages that must not be touched, directly before or directly behind one of them, so that a
wild read or write ends the process. Inputs must come out as they went in.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.backends.native.level import Level
from chainrule.backends.native.text import module_text
from chainrule.backends.native.whole import emit_whole
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import dtype_of
from chainrule.passes.kernels import Place, Whole
from tests.backends.native.machine_code import library

Array = npt.NDArray[Any]

LAYOUTS = ("plain", "permuted", "backwards", "gaps")


def guarded(nbytes: int, *, at_end: bool) -> Array:
    """Bytes (not zero) between forbidden pages, next to the one behind them or the one before."""
    page = mmap.PAGESIZE
    inside = max(1, -(-nbytes // page)) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    whole = np.frombuffer(memory, np.uint8)
    whole[page : page + inside] = 0xA5
    libc = ctypes.CDLL(None, use_errno=True)
    for start in (0, page + inside):
        address = ctypes.c_void_p(whole.ctypes.data + start)
        assert libc.mprotect(address, ctypes.c_size_t(page), ctypes.c_int(0)) == 0
    first = page + inside - nbytes if at_end else page
    return whole[first : first + nbytes]


@dataclass(frozen=True)
class Operand:
    """A view of a buffer."""

    buffer: Array
    view: Array

    def place(self, operand: int) -> Place:
        """How a kernel is told of it."""
        size = self.view.itemsize
        offset = (self.view.ctypes.data - self.buffer.ctypes.data) // size if self.view.size else 0
        strides = tuple(stride // size for stride in self.view.strides)
        return Place(operand, self.view.shape, strides, offset, dtype_of(self.view.dtype))


def laid_out(array: Array, layout: str, *, at_end: bool = True) -> Operand:
    """The elements of an array in memory of their own: in another order of dimensions, backwards, or apart."""
    shape, ndim = array.shape, array.ndim
    order = tuple(reversed(range(ndim))) if layout == "permuted" else tuple(range(ndim))
    gap = 2 if layout == "gaps" else 1
    lengths = tuple(shape[axis] * gap for axis in order)
    count = int(np.prod(lengths, dtype=np.int64))
    buffer = guarded(count * array.itemsize, at_end=at_end).view(array.dtype)
    step = -1 if layout == "backwards" else gap
    steps: tuple[Any, ...] = (..., *(slice(None, None, step) for _ in order))
    view = buffer.reshape(lengths)[steps].transpose(np.argsort(order))
    view[...] = array
    return Operand(buffer, view)


def spread(value: Array, shape: tuple[int, ...]) -> Operand:
    """An array that repeats fewer elements: strides of 0."""
    small = laid_out(value, "plain")
    return Operand(small.buffer, np.broadcast_to(small.view, shape))


def reference(primitive: str, arrays: Sequence[Array], params: dict[str, Any]) -> Array:
    """What the result must be."""
    with np.errstate(all="ignore"):
        return np.asarray(REGISTRY[primitive].reference(*arrays, **params))


def kernel_of(primitive: str, operands: Sequence[Operand], params: dict[str, Any], result: Array) -> Whole:
    """The description of a kernel; inputs in one buffer are one operand."""
    buffers: list[Array] = []
    places = []
    for operand in operands:
        known = [k for k, buffer in enumerate(buffers) if buffer is operand.buffer]
        if not known:
            buffers.append(operand.buffer)
        places.append(operand.place(known[0] if known else len(buffers) - 1))
    strides = tuple(stride // result.itemsize for stride in np.empty(result.shape, result.dtype).strides)
    place = Place(len(buffers), result.shape, strides, 0, dtype_of(result.dtype))
    dtypes = (*(dtype_of(buffer.dtype) for buffer in buffers), place.dtype)
    return Whole(primitive, tuple(sorted(params.items())), tuple(places), place, dtypes)


class Compiled:
    """A kernel's machine code."""

    def __init__(self, kernel: Whole, level: Level) -> None:
        functions, self.scratch = emit_whole("kernel", kernel, level)
        self.text = module_text(functions, level)
        self._code = library(self.text, level)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
        self.call = kind(self._code.address("kernel"))


compiled = functools.lru_cache(maxsize=64)(Compiled)


def run(
    primitive: str,
    operands: Sequence[Operand],
    params: dict[str, Any],
    like: Array,
    level: Level,
    *,
    parts: int = 1,
    only: int | None = None,
    at_end: bool = True,
) -> tuple[Array, int]:
    """The result, of shape and type of `like`, and the error word. The last part is run first, or one part `only`."""
    kernel = kernel_of(primitive, operands, params, like)
    code = compiled(kernel, level)
    result = guarded(like.nbytes, at_end=at_end).view(like.dtype)
    error = np.zeros(1, np.int64)
    scratch = guarded(-(-code.scratch // 64) * 64, at_end=True)
    buffers = list({id(operand.buffer): operand.buffer for operand in operands}.values())
    before = [buffer.copy() for buffer in buffers]
    # the slots are not in the order of the table
    table = np.array([error.ctypes.data, result.ctypes.data, *(b.ctypes.data for b in reversed(buffers))], np.int64)
    slots = np.array([*range(len(buffers) + 1, 1, -1), 1], np.int64)
    for part in reversed(range(parts)) if only is None else (only,):
        code.call(table.ctypes.data, slots.ctypes.data, scratch.ctypes.data, part, parts)
    for old, buffer in zip(before, buffers, strict=True):
        assert old.tobytes() == buffer.tobytes(), "an input was written"
    return result.reshape(like.shape), int(error[0])


def same(found: Array, expected: Array) -> bool:
    """Whether two arrays have the same bits, NaNs aside."""
    if found.dtype.kind != "f":
        return found.tobytes() == np.ascontiguousarray(expected).tobytes()
    nan = np.isnan(expected)
    return bool(
        np.array_equal(nan, np.isnan(found))
        and np.array_equal(np.where(nan, 0, found), np.where(nan, 0, expected))
        and np.array_equal(np.signbit(found[~nan]), np.signbit(expected[~nan]))
    )


def check(primitive: str, operands: Sequence[Operand], params: dict[str, Any], level: Level) -> None:
    """The kernel gives the reference's bits, in any number of parts."""
    expected = reference(primitive, [operand.view for operand in operands], params)
    for parts in (1, 2, 3, 4):
        found, error = run(primitive, operands, params, expected, level, parts=parts, at_end=parts % 2 == 0)
        assert error == 0
        assert same(found, expected), f"{primitive} {params} in {parts} parts: {found} for {expected}"
