"""Placing at indices: index_add, scatter, scatter_add, put_points.

Each part owns a slab of the result along one dimension: it copies x there and then places the sources that belong
there, in their order, so that several in one place are added up, or replace each other, as one thread would do it.
Where the slab is along a dimension that is not indexed, sources are shared out like the result. Else, if indices are
few, every part looks at all of them and leaves those of others alone; if they are not, one part does it all.
An index out of range is skipped, and sets the error word: `points.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chainrule.backends.native.nests import (
    Dim,
    Places,
    blocks,
    bounded,
    copy,
    dims_of,
    in_memory,
    merged,
    moved,
    nest,
    pointer_to,
    reader,
    row_major,
    units_of,
    write_row,
)
from chainrule.backends.native.points import Axis, Indexed, across_points, axes_of, check, indexed
from chainrule.backends.native.text import Function, Index, Reg
from chainrule.ir.types import BOOL, FLOATING, DType
from chainrule.passes.kernels import Place, Whole

_ENOUGH_UNITS = 4  # of a dimension that is not indexed
_FEW = 32  # elements of the result for each index: copying them takes longer than to mispredict whose the index is

Combine = Callable[[Reg, Reg], Reg]


def index_add(f: Function, kernel: Whole) -> int:
    """y = x; y[a..., index[b], c...] += source[a..., b, c...]."""
    _, index, source = kernel.inputs
    return _put(f, kernel, source, [index], accumulate=True)


def put_points(f: Function, kernel: Whole) -> int:
    """y = x; y[a..., index_0[b...], index_1[b...], ..., c...] = (or +=) source[a..., b..., c...]."""
    _, source, *indices = kernel.inputs
    return _put(f, kernel, source, indices, accumulate=dict(kernel.params)["accumulate"])


def scatter(f: Function, kernel: Whole) -> int:
    """y = x; y[i][index[i][j][k]][k] = source[i][j][k] for axis 1."""
    return _scatter(f, kernel, accumulate=False)


def scatter_add(f: Function, kernel: Whole) -> int:
    """y = x; y[i][index[i][j][k]][k] += source[i][j][k] for axis 1."""
    return _scatter(f, kernel, accumulate=True)


def _put(f: Function, kernel: Whole, source: Place, indices: Sequence[Place], *, accumulate: bool) -> int:
    axis: int = dict(kernel.params)["axis"]
    shape = kernel.result.shape
    axes = axes_of(f, _row_major(kernel.result), axis, indices)
    if 0 in source.shape:
        check(f, kernel.primitive, axes, indices[0].shape, *(index.strides for index in indices))
    written = across_points(row_major(shape), axis, indices)
    places = [across_points((0,) * len(shape), axis, indices, index.strides) for index in indices]
    dims = dims_of(source.shape, written, source.strides, *places)
    slab = _slab(f, kernel, axes, math.prod(indices[0].shape))
    if not slab.indexed and not slab.alone:
        at = slab.dimension if slab.dimension < axis else slab.dimension - len(indices) + len(indices[0].shape)
        dims[at] = slab.part_of(f, dims[at])
    return _place(f, kernel, source, axes, dims, slab, accumulate=accumulate)


def _scatter(f: Function, kernel: Whole, *, accumulate: bool) -> int:
    axis: int = dict(kernel.params)["axis"]
    _, index, source = kernel.inputs
    result = _row_major(kernel.result)
    axes = axes_of(f, result, axis, [index])
    written = (*result.strides[:axis], 0, *result.strides[axis + 1 :])
    dims = dims_of(index.shape, written, source.strides, index.strides)
    slab = _slab(f, kernel, axes, math.prod(index.shape))
    if not slab.indexed and not slab.alone:
        dims[slab.dimension] = slab.part_of(f, dims[slab.dimension])
    return _place(f, kernel, source, axes, dims, slab, accumulate=accumulate)


def _row_major(result: Place) -> Place:
    return replace(result, strides=row_major(result.shape))


# Slabs ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Slab:
    """What this part owns of the result: some indices of one dimension."""

    dimension: int
    bounds: Dim
    indexed: bool  # indices must be looked at to know if a source belongs here
    alone: bool = False  # it is everything, and the first part's

    def part_of(self, f: Function, dim: Dim) -> Dim:
        """The points of the dim (in `scatter` it may be shorter than the result's) that are here."""
        start, stop, grain = self.bounds.start, self.bounds.stop, self.bounds.grain
        if dim.length < self.bounds.length:
            start, stop, grain = f.minimum(start, dim.length), f.minimum(stop, dim.length), 1
        return replace(dim, start=start, stop=stop, grain=grain)

    def has(self, f: Function, axes: Sequence[Axis], found: Indexed) -> Reg:
        """Whether a source's place is here, and in range."""
        here = found.inside
        if self.indexed:
            index = next(k for axis, k in zip(axes, found.indices, strict=True) if axis.dimension == self.dimension)
            here = f.op("and", here, f.compare("icmp sge", index, f.index(self.bounds.start)))
            here = f.op("and", here, f.below(index, self.bounds.stop))
        return here


def _slab(f: Function, kernel: Whole, axes: Sequence[Axis], indices: int) -> _Slab:
    """This part's slab, along a dimension that is not indexed if one is long enough."""
    shape, itemsize = kernel.result.shape, kernel.result.dtype.itemsize
    dims = dims_of(shape, row_major(shape))
    units = units_of(dims, itemsize)
    taken = {axis.dimension for axis in axes}
    best = max(range(len(dims)), key=lambda k: (k not in taken and units[k] >= _ENOUGH_UNITS, units[k]))
    if best in taken and indices * _FEW > math.prod(shape):
        return _Slab(best, dims[best], indexed=False, alone=True)
    bounds = bounded(f, dims[best], itemsize if best == len(dims) - 1 else 0)
    return _Slab(best, bounds, indexed=best in taken)


def _place(
    f: Function,
    kernel: Whole,
    source: Place,
    axes: Sequence[Axis],
    dims: Sequence[Dim],  # strides: (result, source, indices...), the result's 0 where it is indexed
    slab: _Slab,
    *,
    accumulate: bool,
) -> int:
    """The slab of x, and the sources that belong there."""
    element = in_memory(source.dtype)
    to, from_ = pointer_to(f, kernel.result), pointer_to(f, source)
    combine = _sum(f, source.dtype) if accumulate else None

    def at(places: Places, write: Callable[[Index], None]) -> None:
        found = indexed(f, kernel.primitive, axes, places[2:])
        f.when(slab.has(f, axes, found), lambda: write(f.add(places[0], found.place)))

    def row(places: Places, dim: Dim) -> None:
        def write(place: Index) -> None:
            read = reader(f, f.pointer(from_, places[1], element), dim.strides[1], element)
            write_row(f, f.pointer(to, place, element), dim, element, read, combine)

        if any(dim.strides[2:]):
            blocks(f, dim, 1, lambda i, size: one(moved(f, places, i, dim)))
        else:
            at(places, write)

    def one(places: Places) -> None:
        def write(place: Index) -> None:
            pointer = f.pointer(to, place, element)
            value = f.load(f.pointer(from_, places[1], element), element)
            f.store(combine(f.load(pointer, element), value) if combine else value, pointer)

        at(places, write)

    def slab_of_x_and_sources() -> None:
        _copy_slab(f, kernel, slab, to)
        nest(f, merged(f, dims), row)

    if slab.alone:
        f.when(f.compare("icmp eq", f.parameters["part"], f.index(0)), slab_of_x_and_sources)
    else:
        slab_of_x_and_sources()
    return 0


def _copy_slab(f: Function, kernel: Whole, slab: _Slab, to: Reg) -> None:
    x, shape = kernel.inputs[0], kernel.result.shape
    dims = dims_of(shape, row_major(shape), x.strides)
    dims[slab.dimension] = slab.part_of(f, dims[slab.dimension])
    copy(f, merged(f, dims), to, pointer_to(f, x), in_memory(x.dtype))


def _sum(f: Function, dtype: DType) -> Combine:
    """What `np.add` is for a dtype."""
    how = "fadd" if dtype.category == FLOATING else "or" if dtype.category == BOOL else "add"
    return lambda a, b: f.op(how, a, b)
