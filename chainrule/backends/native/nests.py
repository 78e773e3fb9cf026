"""Loops over strided operands, shared out by one dimension, the innermost in vectors: what `Whole` kernels are made of.

A `Dim` is one loop with the step that each operand makes in it. Which part does what depends on the dims alone, and
every element of the result belongs to one part, which may therefore write it several times without any barrier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chainrule.backends.native.body import share
from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.text import Function, Index, Reg, size_of, vector
from chainrule.ir.types import DType
from chainrule.passes.kernels import Place

CHUNK_BYTES = 64  # of contiguous elements that no two parts share: a cache line
_ENOUGH_UNITS = 64  # to share out evenly
_STRIP = (
    16  # of the last dimension of a transposed copy: the lines of memory it reads are read again while in the cache
)

Places = tuple[Index, ...]  # how far each operand is from its beginning, in elements
Block = Callable[[Index, int], None]
Read = Callable[[Index, int], Reg]


@dataclass(frozen=True)
class Dim:
    """start <= i < stop of a dimension of `length`; operand k goes `strides[k]` elements with each i."""

    length: int
    strides: tuple[int, ...]
    start: Index
    stop: Index
    grain: int = 1  # divides start and stop where they are not known

    @property
    def whole(self) -> bool:
        """Whether it is known to run over its whole length."""
        return self.start == 0 and self.stop == self.length


def dims_of(shape: Sequence[int], *strides: Sequence[int]) -> list[Dim]:
    """All of a shape, and operands that have these strides in it; at least one."""
    if not shape:
        return [Dim(1, (0,) * len(strides), 0, 1)]
    return [Dim(length, tuple(steps), 0, length) for length, *steps in zip(shape, *strides, strict=True)]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a result."""
    strides, stride = [], 1
    for length in reversed(shape):
        strides.append(stride)
        stride *= length
    return tuple(reversed(strides))


def pointer_to(f: Function, place: Place) -> Reg:
    """Where element 0 of an operand is."""
    table, slots = f.parameters["table"], f.parameters["slots"]
    slot = f.load(f.pointer(slots, place.operand, "i64"), "i64")
    return f.pointer(f.load(f.pointer(table, slot, "ptr"), "ptr"), place.offset, in_memory(place.dtype))


def in_memory(dtype: DType) -> str:
    """The LLVM type of an element as it lies in memory: bools are bytes."""
    return "i8" if dtype.name == "bool" else ELEMENTS[dtype.name]


def as_bits(dtype: DType) -> str:
    """The integer of an element's size, for what moves elements whatever they are."""
    return f"i{8 * dtype.itemsize}"


# Dims -----------------------------------------------------------------------------------------------------------------


def merged(f: Function, dims: Sequence[Dim]) -> list[Dim]:
    """The same points in the same order in fewer dims; at least one is left."""
    found: list[Dim] = []
    for dim in dims:
        if dim.whole and dim.length == 1:
            continue
        before = found[-1] if found else None
        if before and dim.whole and before.strides == tuple(stride * dim.length for stride in dim.strides):
            n = dim.length
            start, stop = f.mul(before.start, n), f.mul(before.stop, n)
            found[-1] = Dim(before.length * n, dim.strides, start, stop, before.grain * n)
        else:
            found.append(dim)
    return found or [Dim(1, (0,) * len(dims[0].strides), 0, 1)]


def shared(f: Function, dims: Sequence[Dim], itemsize: int) -> list[Dim]:
    """The dims of this part: one of them is shared out."""
    units = units_of(dims, itemsize)
    chosen = next((k for k, n in enumerate(units) if n >= _ENOUGH_UNITS), units.index(max(units)))
    result = list(dims)
    result[chosen] = bounded(f, dims[chosen], itemsize if chosen == len(dims) - 1 else 0)
    return result


def units_of(dims: Sequence[Dim], itemsize: int) -> list[int]:
    """Into how many units each dim could be shared out: the last one by chunks."""
    units = [dim.length for dim in dims]
    units[-1] = -(-units[-1] // (CHUNK_BYTES // itemsize))
    return units


def bounded(f: Function, dim: Dim, itemsize: int) -> Dim:
    """This part's share of a dim, by points or (`itemsize` not 0) by chunks."""
    size = CHUNK_BYTES // itemsize if itemsize else 1
    first, end = share(f, -(-dim.length // size))
    if dim.length % size == 0:
        return replace(dim, start=f.mul(first, size), stop=f.mul(end, size), grain=size)
    # only the last chunk is a short one
    start, stop = (f.minimum(f.mul(at, size), dim.length) for at in (first, end))
    return replace(dim, start=start, stop=stop)


def maximum(f: Function, a: Index, b: Index) -> Index:
    """The larger of two indices."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return f.intrinsic("smax", f.index(a), f.index(b))


# Loops ----------------------------------------------------------------------------------------------------------------


def nest(f: Function, dims: Sequence[Dim], inner: Callable[[Places, Dim], None]) -> None:
    """Loops over all dims but the last; in them `inner` with the operands' places and that last dim."""
    if any(dim.length == 0 for dim in dims):
        return
    *outer, last = dims

    def level(k: int, places: Places) -> None:
        if k == len(outer):
            inner(places, last)
            return
        dim = outer[k]
        f.range(dim.start, dim.stop, 1, lambda i: level(k + 1, moved(f, places, i, dim)))

    level(0, (0,) * len(last.strides))


def moved(f: Function, places: Places, i: Index, dim: Dim) -> Places:
    """The places at index i of a dim."""
    return tuple(f.add(place, f.mul(i, stride)) for place, stride in zip(places, dim.strides, strict=True))


def blocks(f: Function, dim: Dim, largest: int, body: Block) -> None:
    """body(i, size) over a dim, `size` elements at a time: a power of 2, `largest` at most."""
    start, stop = dim.start, dim.stop
    if isinstance(start, int) and isinstance(stop, int):
        sizes = [1 << k for k in range(largest.bit_length() - 1, -1, -1)]
    else:
        sizes = [largest, 1] if largest < 16 else [largest, largest // 4, 1]
        sizes = sizes[: next(k for k, size in enumerate(sizes) if dim.grain % size == 0) + 1]
    for size in sizes:
        if isinstance(start, int) and isinstance(stop, int):
            end: Index = start + (stop - start) // size * size
        elif dim.grain % size == 0:
            end = stop
        else:
            length = f.op("sub", f.index(stop), f.index(start))
            end = f.add(start, f.op("and", length, f.index(-size)))
        f.range(start, end, size, lambda i, size=size: body(i, size))  # type: ignore[misc]
        start = end


def vectors(f: Function, size: int, itemsize: int) -> list[tuple[int, int]]:
    """(first element, lanes) of the registers that hold `size` elements."""
    lanes = min(size, f.level.width * 4 // itemsize)
    return [(k, lanes) for k in range(0, size, lanes)]


# Rows -----------------------------------------------------------------------------------------------------------------


def reader(f: Function, base: Reg, stride: int, element: str) -> Read:
    """read(i, lanes): elements from i on, of one stride. What is the same for all is read now."""
    if stride == 0:
        one = f.load(base, element)
        return lambda i, lanes: f.splat(one, lanes)
    return lambda i, lanes: f.load(f.pointer(base, f.mul(i, stride), element), vector(lanes, element))


def write_row(
    f: Function,
    base: Reg,
    dim: Dim,  # the result's stride, then those of what is read
    element: str,
    read: Read,
    combine: Callable[[Reg, Reg], Reg] | None = None,
) -> None:
    """Elements into the result along one dim; with `combine`, combine(what is there, element)."""
    stride = dim.strides[0]
    contiguous = stride == 1 and all(step in (0, 1) for step in dim.strides[1:])
    itemsize = size_of(element)

    def block(i: Index, size: int) -> None:
        registers = vectors(f, size, itemsize)
        starts = [f.pointer(base, f.mul(f.add(i, k), stride), element) for k, _ in registers]
        values = [read(f.add(i, k), lanes) for k, lanes in registers]
        if combine is not None:
            values = [combine(f.load(at, value.type), value) for at, value in zip(starts, values, strict=True)]
        for at, value in zip(starts, values, strict=True):
            f.store(value, at)

    blocks(f, dim, CHUNK_BYTES // itemsize if contiguous else 1, block)


def copy(f: Function, dims: Sequence[Dim], to: Reg, source: Reg, element: str) -> None:
    """Elements of a source into a result; the strides of the dims are (result, source)."""

    def row(places: Places, dim: Dim) -> None:
        at, from_ = f.pointer(to, places[0], element), f.pointer(source, places[1], element)
        write_row(f, at, dim, element, reader(f, from_, dim.strides[1], element))

    *outer, last = dims
    if last.strides[1] in (0, 1) or last.length <= _STRIP or not any(dim.strides[1] == 1 for dim in outer):
        nest(f, dims, row)
        return

    def strip(start: Index) -> None:
        stop = f.minimum(f.add(start, _STRIP), last.stop)
        nest(f, [*outer, replace(last, start=start, stop=stop, grain=1)], row)

    f.range(last.start, last.stop, _STRIP, strip)
