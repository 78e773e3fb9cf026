"""Running values along an axis: cumsum, cumprod, recurrence.

Floats are kept in float64 on the way, as the reference does; integers in their own type. A line is done by one part,
one element after another; lines stand side by side in vectors where they lie side by side in memory, else in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.backends.native.nests import (
    CHUNK_BYTES,
    Dim,
    Places,
    blocks,
    dims_of,
    in_memory,
    merged,
    nest,
    pointer_to,
    row_major,
    shared,
)
from chainrule.backends.native.text import Function, Index, Reg, element_of, size_of, vector, with_element
from chainrule.ir.types import BOOL, FLOATING, DType
from chainrule.passes.kernels import Whole

_GROUP = 4  # lines that are done at once where there are no vectors: each waits for its last sum


def cumsum(f: Function, kernel: Whole) -> int:
    """y_i = x_0 + ... + x_i; with `reverse` from the other end."""
    return _running(f, kernel, ("fadd", "add", "or"), -0.0)


def cumprod(f: Function, kernel: Whole) -> int:
    """y_i = x_0 ... x_i."""
    return _running(f, kernel, ("fmul", "mul", "and"), 1)


def _running(f: Function, kernel: Whole, names: tuple[str, str, str], neutral: float) -> int:
    """`names` are the operation of floats, integers and bools; `neutral` leaves every element as it is, -0 too."""
    dtype = kernel.result.dtype
    how = names[0] if dtype.category == FLOATING else names[2] if dtype.category == BOOL else names[1]
    state = "double" if dtype.category == FLOATING else in_memory(dtype)

    def line(lines: _Lines) -> None:
        start = [f.const(neutral, type) for type in lines.types]

        def step(i: Index, sums: list[Reg]) -> list[Reg]:
            found = [f.op(how, one, x) for one, x in zip(sums, lines.read(0, i), strict=True)]
            lines.write(i, found)
            return found

        f.loop(0, lines.length, 1, step, start)

    _along(f, kernel, state, line)
    return 0


def recurrence(f: Function, kernel: Whole) -> int:
    """s_i = b_i + a_i s_(i-1), from b_0 on; with `reverse` from the other end. Two roundings."""

    def line(lines: _Lines) -> None:
        first = lines.read(1, 0)
        lines.write(0, first)

        def step(i: Index, sums: list[Reg]) -> list[Reg]:
            factors, terms = lines.read(0, i), lines.read(1, i)
            found = [f.op("fadd", b, f.op("fmul", a, s)) for a, b, s in zip(factors, terms, sums, strict=True)]
            lines.write(i, found)
            return found

        f.loop(1, lines.length, 1, step, first)

    _along(f, kernel, "double", line)
    return 0


class _Lines:
    """Some lines side by side: what a loop along the axis reads and writes."""

    def __init__(self, f: Function, dtype: DType, length: int, types: Sequence[str]) -> None:
        self.f, self.dtype, self.length = f, dtype, length
        self.types = types  # of the vectors (or numbers) that are kept for them
        self.starts: list[list[Reg]] = []  # where each of these begins, in the result and in the inputs
        self.steps: list[int] = []  # along the axis, in elements

    def read(self, which: int, i: Index) -> list[Reg]:
        """The elements at i of an input, as they are kept."""
        f, element = self.f, in_memory(self.dtype)
        at = f.mul(i, self.steps[1 + which])
        found = []
        for start, kept in zip(self.starts[1 + which], self.types, strict=True):
            value = f.load(f.pointer(start, at, element), with_element(kept, element))
            found.append(_converted(f, value, self.dtype, element_of(kept)))
        return found

    def write(self, i: Index, values: Sequence[Reg]) -> None:
        """The elements at i of the result."""
        f, element = self.f, in_memory(self.dtype)
        at = f.mul(i, self.steps[0])
        for start, value in zip(self.starts[0], values, strict=True):
            f.store(_converted_back(f, value, self.dtype), f.pointer(start, at, element))


def _converted(f: Function, value: Reg, dtype: DType, kept: str) -> Reg:
    if kept != "double":
        return value
    unsigned = dtype.category == BOOL or dtype.name == "uint8"
    how = "fpext" if dtype.category == FLOATING else "uitofp" if unsigned else "sitofp"
    return f.convert(how, value, "double")


def _converted_back(f: Function, value: Reg, dtype: DType) -> Reg:
    if element_of(value.type) != "double":
        return value
    if dtype.category == BOOL:
        return f.convert("zext", f.compare("fcmp une", value, f.const(0, value.type)), "i8")
    if dtype.category == FLOATING:
        return f.convert("fptrunc", value, in_memory(dtype))
    wide = with_element(value.type, "i64")
    whole = f.intrinsic("fptosi.sat", value, result=wide, overloads=(wide, value.type))
    return f.convert("trunc", whole, in_memory(dtype))


def _along(f: Function, kernel: Whole, kept: str, line: Callable[[_Lines], None]) -> None:
    """Calls `line` for all lines along the axis, with `kept` as the element type of what runs along."""
    params = dict(kernel.params)
    axis, dtype, shape = params["axis"], kernel.result.dtype, kernel.result.shape
    strides = [row_major(shape), *(x.strides for x in kernel.inputs)]
    pointers = [pointer_to(f, place) for place in (kernel.result, *kernel.inputs)]
    element, length = in_memory(dtype), shape[axis]
    steps = [one[axis] for one in strides]
    if params.get("reverse"):
        pointers = [f.pointer(p, (length - 1) * step, element) for p, step in zip(pointers, steps, strict=True)]
        steps = [-step for step in steps]
    others = [(*one[:axis], *one[axis + 1 :]) for one in strides]
    dims = merged(f, dims_of((*shape[:axis], *shape[axis + 1 :]), *others))

    def row(places: Places, dim: Dim) -> None:
        contiguous = all(stride == 1 for stride in dim.strides)
        largest = max(1, CHUNK_BYTES // dtype.itemsize) if contiguous else _GROUP

        def block(i: Index, size: int) -> None:
            lanes = min(size, f.level.width * 4 // size_of(kept)) if contiguous else 1
            lines = _Lines(f, dtype, length, [vector(lanes, kept)] * (size // lanes))
            lines.steps = steps
            for pointer, place, stride in zip(pointers, places, dim.strides, strict=True):
                offsets = [f.add(place, f.mul(f.add(i, k), stride)) for k in range(0, size, lanes)]
                lines.starts.append([f.pointer(pointer, offset, element) for offset in offsets])
            line(lines)

        blocks(f, dim, largest, block)

    if length:
        nest(f, shared(f, dims, dtype.itemsize), row)
