"""Parts of a tensor along a dimension, all of them views: narrow, select, split, chunk, unbind, diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from chainrule.functions.sizes import integer, integers
from chainrule.functions.table import FUNCTIONS, METHODS, function, on_handle
from chainrule.ir.errors import ArgumentError, OutOfRangeError, ShapeError
from chainrule.ir.types import Shape, int64
from chainrule.ir.value import Carrier
from chainrule.ops import masking
from chainrule.ops.creation import full, iota
from chainrule.ops.keys import parse_basic
from chainrule.ops.movement import inverse_order, normalise_axis
from chainrule.ops.points import put_points
from chainrule.tensor import Tensor
from chainrule.views import Indexed, Strides


def part(x: Tensor, axis: int, key: Any) -> Tensor:
    """The view x[:, ..., key] with the key (a slice or an int) at `axis`."""
    return x.view_as_rule(Indexed(parse_basic(tuple(x.shape), (*(slice(None),) * axis, key))))


def dimension(what: str, x: Tensor, dim: Any) -> tuple[int, int]:
    """The dimension, counted from the front, and its length. ShapeError for a tensor without dimensions."""
    shape = x.shape
    if not shape:
        raise ShapeError(f"{what}: the tensor has no dimension.")
    axis = normalise_axis(integer(what, dim, "dim"), len(shape), what)
    return axis, shape[axis]


@on_handle("narrow")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """The `length` elements from `start` on, along `dim`."""
    axis, size = dimension("narrow", input, dim)
    first, count = integer("narrow", start, "start"), integer("narrow", length, "length")
    if not -size <= first <= size:
        raise OutOfRangeError(f"narrow: start {first} is out of range for dimension {dim} with size {size}.")
    first += size if first < 0 else 0
    if count < 0 or first + count > size:
        raise ArgumentError(f"narrow: {count} elements from {first} on leave dimension {dim}, which has {size}.")
    return part(input, axis, slice(first, first + count))


@on_handle("select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at `index` along `dim`, without that dimension."""
    axis, _ = dimension("select", input, dim)
    return part(input, axis, integer("select", index, "index"))


@on_handle("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along `dim`."""
    axis, size = dimension("unbind", input, dim)
    return tuple([part(input, axis, index) for index in range(size)])


def _pieces(x: Tensor, axis: int, bounds: Sequence[int]) -> tuple[Tensor, ...]:
    """The parts between neighbouring bounds."""
    return tuple([part(x, axis, slice(a, b)) for a, b in pairwise(bounds)])


@on_handle("split")
def split(input: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of the sizes given."""
    axis, size = dimension("split", input, dim)
    if isinstance(split_size_or_sections, list | tuple):
        sizes = integers("split", (split_size_or_sections,))
        if sum(sizes) != size or min(sizes, default=0) < 0:
            raise ArgumentError(f"split: the sizes {list(sizes)} must add up to {size}, the length of dimension {dim}.")
        bounds = [sum(sizes[:k]) for k in range(len(sizes) + 1)]
        return _pieces(input, axis, bounds)
    step = integer("split", split_size_or_sections)
    if step < 1 and (step < 0 or size):
        raise ArgumentError(f"split: the size of a part must be at least 1, not {step}.")
    return _pieces(input, axis, [*range(0, size, max(step, 1)), size] if size else [0, 0])


FUNCTIONS["split_with_sizes"] = FUNCTIONS["split"]
METHODS["split_with_sizes"] = split


@on_handle("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of one size (the last may be smaller)."""
    axis, size = dimension("chunk", input, dim)
    if chunks < 1:
        raise ArgumentError(f"chunk: at least 1 part is needed, not {chunks}.")
    if size == 0:
        return _pieces(input, axis, [0] * (chunks + 1))
    return _pieces(input, axis, [*range(0, size, -(-size // chunks)), size])


@on_handle("tensor_split")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts, of sizes that differ by at most 1; or the parts between the positions given."""
    axis, size = dimension("tensor_split", input, dim)
    if isinstance(indices_or_sections, list | tuple):
        places = [slice(None, place).indices(size)[1] for place in integers("tensor_split", (indices_or_sections,))]
        bounds = [0, *places, size]
        return tuple([part(input, axis, slice(a, max(a, b))) for a, b in pairwise(bounds)])
    count = integer("tensor_split", indices_or_sections)
    if count < 1:
        raise ArgumentError(f"tensor_split: at least 1 part is needed, not {count}.")
    short, longer = divmod(size, count)
    return _pieces(input, axis, [k * short + min(k, longer) for k in range(count + 1)])


# Diagonals ------------------------------------------------------------------------------------------------------------


class Diagonal:
    """The elements x[i, i + offset] of two dimensions, along a new last dimension."""

    def __init__(self, offset: int, first: int, second: int) -> None:
        self.offset = offset
        self.first = first
        self.second = second

    def read(self, base: Carrier) -> Carrier:
        return masking.diagonal(base, self.offset, self.first, self.second)

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        rest = tuple(axis for axis in range(len(base.shape)) if axis not in (self.first, self.second))
        order = (*rest, self.first, self.second)
        along = iota(value.shape[-1], int64)
        rows, columns = along + max(0, -self.offset), along + max(0, self.offset)
        return put_points(base.permute(order), value, rows, columns, axis=len(rest)).permute(inverse_order(order))

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        rest = [strides[axis] for axis in range(len(shape)) if axis not in (self.first, self.second)]
        return (*rest, strides[self.first] + strides[self.second])


@on_handle("diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements x[i, i + offset] of two dimensions, along a new last dimension: a view."""
    count = len(input.shape)
    first, second = (normalise_axis(dim, count, "diagonal") for dim in (dim1, dim2))
    if first == second or count < 2:
        raise ShapeError(
            f"diagonal: two different dimensions are needed, not {dim1} and {dim2} of {input.read().type}."
        )
    return input.view_as_rule(Diagonal(offset, first, second))


def with_diagonal(input: Carrier, offset: int, dim1: int = -2, dim2: int = -1) -> Carrier:
    """Matrices with the last dimension of the input on their diagonal, zero elsewhere."""
    count = len(input.shape) + 1
    first, second = (normalise_axis(dim, count, "diag_embed") for dim in (dim1, dim2))
    if first == second or not input.shape:
        raise ShapeError(f"diag_embed: two different dimensions are needed, not {dim1} and {dim2} of {count}.")
    if first > second:
        first, second, offset = second, first, -offset
    n = input.shape[-1] + abs(offset)
    base = full((*input.shape[:-1], n, n), 0, input.dtype)
    placed = Diagonal(offset, count - 2, count - 1).write(base, input)
    rest = list(range(count - 2))
    order = [count - 2 if k == first else count - 1 if k == second else rest.pop(0) for k in range(count)]
    return placed.permute(tuple(order))


@function("diag_embed", method=True)
def diag_embed(input: Carrier, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Carrier:
    """Matrices with the last dimension of the input on their diagonal, zero elsewhere."""
    return with_diagonal(input, offset, dim1, dim2)


@function("diag", method=True)
def diag(input: Carrier, diagonal: int = 0) -> Carrier:
    """Of a matrix its diagonal (a copy), of a vector the matrix with it on its diagonal."""
    if len(input.shape) not in (1, 2):
        raise ShapeError(f"diag: a vector or a matrix is needed, not {input.type}.")
    if len(input.shape) == 2:
        return masking.diagonal(input, diagonal, 0, 1)
    return with_diagonal(input, diagonal)


@function("diagflat", method=True)
def diagflat(input: Carrier, offset: int = 0) -> Carrier:
    """The matrix with all elements of the input on its diagonal."""
    return with_diagonal(input.reshape((input.type.size,)), offset)


@function("trace", method=True)
def trace(input: Carrier) -> Carrier:
    """The sum of a matrix's diagonal."""
    if len(input.shape) != 2:
        raise ShapeError(f"trace: a matrix is needed, not {input.type}.")
    return masking.diagonal(input, 0, 0, 1).sum((0,))
