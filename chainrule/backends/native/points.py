"""Reading at indices: gather, index_select, take_points, pick.

An index out of range is never followed: element 0 is read in its stead, and the error word becomes
1 + `error_code(primitive, dimension)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.backends.native.nests import (
    Dim,
    Places,
    as_bits,
    blocks,
    dims_of,
    in_memory,
    merged,
    moved,
    nest,
    pointer_to,
    reader,
    row_major,
    shared,
    write_row,
)
from chainrule.backends.native.text import Function, Index, Reg
from chainrule.ir.types import DType
from chainrule.passes.kernels import Place, Whole

INDEXING = ("gather", "index_select", "take_points", "pick", "index_add", "scatter", "scatter_add", "put_points")
FROM_THE_END = frozenset({"take_points", "pick", "put_points"})  # their negative indices count from the end


def error_code(primitive: str, dimension: int) -> int:
    """What the error word is, less 1, after an index of this dimension of x was out of range."""
    return INDEXING.index(primitive) + len(INDEXING) * dimension


@dataclass(frozen=True)
class Axis:
    """A dimension that is indexed."""

    dimension: int
    length: int
    stride: int  # of the operand that is read or written at the indices
    index: Reg  # the pointer to the indices
    dtype: DType  # and their type


def axes_of(f: Function, reached: Place, first: int, indices: Sequence[Place]) -> list[Axis]:
    """The dimensions of `reached` from `first` on, one for each index."""
    return [
        Axis(k, reached.shape[k], reached.strides[k], pointer_to(f, index), index.dtype)
        for k, index in enumerate(indices, first)
    ]


@dataclass(frozen=True)
class Indexed:
    """Where indices lead."""

    place: Index  # element 0's where one is out of range
    inside: Reg  # whether all are in range
    indices: tuple[Reg, ...]


def indexed(f: Function, primitive: str, axes: Sequence[Axis], places: Places) -> Indexed:
    """Reads one index per axis, at these places, and checks it."""
    place: Index = 0
    inside = Reg("true", "i1")
    found = []
    for axis, at in zip(axes, places, strict=True):
        element = in_memory(axis.dtype)
        index = f.load(f.pointer(axis.index, at, element), element)
        index = f.convert("zext" if axis.dtype.name == "uint8" else "sext", index, "i64")
        length = f.index(axis.length)
        if primitive in FROM_THE_END:
            index = f.select(f.below(index, 0), f.op("add", index, length), index)
        fits = f.compare("icmp ult", index, length)
        _report(f, fits, error_code(primitive, axis.dimension))
        index = f.select(fits, index, f.index(0))
        place = f.add(place, f.mul(index, axis.stride))
        inside = f.op("and", inside, fits) if len(axes) > 1 else fits
        found.append(index)
    return Indexed(place, inside, tuple(found))


def _report(f: Function, fits: Reg, code: int) -> None:
    bad = f.op("xor", fits, f.const(True, "i1"))
    f.when(bad, lambda: f.store(f.index(1 + code), f.load(f.parameters["table"], "ptr")))


def check(f: Function, primitive: str, axes: Sequence[Axis], shape: Sequence[int], *strides: Sequence[int]) -> None:
    """Checks indices (of this shape, with these strides) where nothing is read or written at them."""

    def row(places: Places, dim: Dim) -> None:
        def one(i: Index, size: int) -> None:
            indexed(f, primitive, axes, moved(f, places, i, dim))

        blocks(f, dim, 1, one)

    nest(f, merged(f, dims_of(shape, *strides)), row)


def _read(f: Function, kernel: Whole, axes: Sequence[Axis], dims: Sequence[Dim]) -> None:
    """The strides of the dims are (result, x, indices...), x's 0 where it is indexed."""
    x, result = kernel.inputs[0], kernel.result
    element = as_bits(x.dtype)
    source, to = pointer_to(f, x), pointer_to(f, result)

    def row(places: Places, dim: Dim) -> None:
        if any(dim.strides[2:]):
            blocks(f, dim, 1, lambda i, size: one(i, places, dim))
            return
        place = indexed(f, kernel.primitive, axes, places[2:]).place
        from_ = f.pointer(source, f.add(places[1], place), element)
        read = reader(f, from_, dim.strides[1], element)
        write_row(f, f.pointer(to, places[0], element), dim, element, read)

    def one(i: Index, places: Places, dim: Dim) -> None:
        here = moved(f, places, i, dim)
        place = indexed(f, kernel.primitive, axes, here[2:]).place
        value = f.load(f.pointer(source, f.add(here[1], place), element), element)
        f.store(value, f.pointer(to, here[0], element))

    nest(f, shared(f, merged(f, dims), x.dtype.itemsize), row)


def gather(f: Function, kernel: Whole) -> int:
    """y[i][j][k] = x[i][index[i][j][k]][k] for axis 1."""
    x, index = kernel.inputs
    axis: int = dict(kernel.params)["axis"]
    _read_lines(f, kernel, axis, _without(x.strides, axis, 0), index)
    return 0


def pick(f: Function, kernel: Whole) -> int:
    """y[i][k] = x[i][index[i][k]][k] for axis 1."""
    x, index = kernel.inputs
    axis: int = dict(kernel.params)["axis"]
    _read_lines(f, kernel, axis, _without(x.strides, axis), index)
    return 0


def _read_lines(f: Function, kernel: Whole, axis: int, strides: tuple[int, ...], index: Place) -> None:
    """An index for each element of the result, along one axis; x has `strides` in the dimensions of the result."""
    axes = axes_of(f, kernel.inputs[0], axis, [index])
    if axes[0].length == 0:
        check(f, kernel.primitive, axes, index.shape, index.strides)
    else:
        _read(f, kernel, axes, dims_of(index.shape, row_major(index.shape), strides, index.strides))


def _without(strides: tuple[int, ...], axis: int, *instead: int) -> tuple[int, ...]:
    return (*strides[:axis], *instead, *strides[axis + 1 :])


def index_select(f: Function, kernel: Whole) -> int:
    """y[a..., b, c...] = x[a..., index[b], c...]."""
    return take_points(f, kernel)


def take_points(f: Function, kernel: Whole) -> int:
    """y[a..., b..., c...] = x[a..., index_0[b...], index_1[b...], ..., c...]."""
    x, *indices = kernel.inputs
    axis: int = dict(kernel.params)["axis"]
    axes = axes_of(f, x, axis, indices)
    around = kernel.result.shape
    if 0 in x.shape:
        check(f, kernel.primitive, axes, indices[0].shape, *(index.strides for index in indices))
    else:
        read = across_points(x.strides, axis, indices)
        places = [across_points((0,) * len(x.shape), axis, indices, index.strides) for index in indices]
        _read(f, kernel, axes, dims_of(around, row_major(around), read, *places))
    return 0


def across_points(
    outside: Sequence[int], axis: int, indices: Sequence[Place], inside: Sequence[int] | None = None
) -> tuple[int, ...]:
    """(outside of a..., inside, outside of c...); inside is 0 for each dimension of the points where not told."""
    middle = inside if inside is not None else (0,) * len(indices[0].shape)
    return (*outside[:axis], *middle, *outside[axis + len(indices) :])
