"""Tensors put together, repeated and rearranged, all of them copies."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.functions.shape import shape_at_least
from chainrule.functions.sizes import integer, integers, named_too
from chainrule.functions.table import function, is_carrier
from chainrule.functions.traced import array_of
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import promote
from chainrule.ir.value import Carrier, Value
from chainrule.ops.control import alias
from chainrule.ops.indexing import index_select
from chainrule.ops.movement import concatenate, normalise_axes, normalise_axis, pad, slice_axis
from chainrule.ops.movement import flip as flip_axes
from chainrule.ops.promotion import cast

# Put together ---------------------------------------------------------------------------------------------------------


def of_one_dtype(what: str, tensors: Sequence[Any]) -> list[Carrier]:
    """The tensors in the element type that all fit in."""
    if is_carrier(tensors) or not isinstance(tensors, list | tuple):
        raise DTypeError(f"{what}: a list or tuple of tensors is needed; for one tensor write `{what}([x])`.")
    if not tensors:
        raise ArgumentError(f"{what}: at least one tensor is needed, none was given.")
    for x in tensors:
        if x.__class__ is not Value and not is_carrier(x):
            raise DTypeError(f"{what}: every element must be a Tensor, this one is {type(x).__name__}.")
    dtypes = [x.dtype for x in tensors]
    if dtypes.count(dtypes[0]) == len(dtypes):
        return list(tensors)
    dtype = functools.reduce(promote, dtypes)
    return [cast(x, dtype) for x in tensors]


def joined(what: str, tensors: Sequence[Carrier], dim: int) -> Carrier:
    """One after another along `dim`; empty vectors are left out, as PyTorch does."""
    xs = of_one_dtype(what, tensors)
    shapes = [x.shape for x in xs]
    if (0,) in shapes:
        xs = [x for x in xs if x.shape != (0,)] or xs[:1]
        shapes = [x.shape for x in xs]
    axis = normalise_axis(dim, len(shapes[0]), what)
    if not shapes[0] or shapes.count(shapes[0]) != len(shapes):
        check_joint(what, xs, axis)
    return concatenate(xs, axis) if len(xs) > 1 else alias(xs[0])


def check_joint(what: str, xs: Sequence[Carrier], axis: int) -> None:
    """Raises ShapeError unless the shapes differ along the axis only."""
    first = xs[0]
    before, after = first.shape[:axis], first.shape[axis + 1 :]
    for position, x in enumerate(xs):
        if not x.shape:
            raise ShapeError(f"{what}: tensor {position} has no dimension along which to join it; use stack.")
        if x.shape[:axis] != before or x.shape[axis + 1 :] != after:
            raise ShapeError(f"{what}: {first.type} and {x.type} may differ in dimension {axis} only.")


@function("cat", "concat", "concatenate", tensor_first=False)
def cat(tensors: Sequence[Carrier], dim: int = 0) -> Carrier:
    """The tensors one after another along an existing dimension. Element types are promoted."""
    return joined("cat", tensors, dim)


@function("stack", tensor_first=False)
def stack(tensors: Sequence[Carrier], dim: int = 0) -> Carrier:
    """Tensors of one shape side by side along a new dimension. Element types are promoted."""
    xs = of_one_dtype("stack", tensors)
    shape = xs[0].shape
    for x in xs:
        if x.shape != shape:
            raise ShapeError(f"stack: all tensors must have one shape: {xs[0].type} and {x.type}.")
    axis = normalise_axis(dim, len(shape) + 1, "stack")
    if axis == len(shape) or len(xs) == 1:
        raised = [x.reshape((*shape[:axis], 1, *shape[axis:])) for x in xs]
        return concatenate(raised, axis) if len(raised) > 1 else alias(raised[0])
    # side by side is one after another, seen in another shape: one reshape instead of one for each
    return concatenate(xs, axis).reshape((*shape[:axis], len(xs), *shape[axis:]))


def at_least(x: Carrier, count: int) -> Carrier:
    """x with at least so many dimensions, as atleast_1d, atleast_2d and atleast_3d put them."""
    return x.reshape(shape_at_least(x.shape, count))


@function("vstack", "row_stack", tensor_first=False)
def vstack(tensors: Sequence[Carrier]) -> Carrier:
    """Rows (vectors count as one) below one another."""
    return joined("vstack", [at_least(x, 2) for x in of_one_dtype("vstack", tensors)], 0)


@function("hstack", tensor_first=False)
def hstack(tensors: Sequence[Carrier]) -> Carrier:
    """Vectors behind one another, tensors of more dimensions side by side."""
    xs = [at_least(x, 1) for x in of_one_dtype("hstack", tensors)]
    return joined("hstack", xs, 0 if len(xs[0].shape) == 1 else 1)


@function("dstack", tensor_first=False)
def dstack(tensors: Sequence[Carrier]) -> Carrier:
    """Joined along the third dimension."""
    return joined("dstack", [at_least(x, 3) for x in of_one_dtype("dstack", tensors)], 2)


@function("column_stack", tensor_first=False)
def column_stack(tensors: Sequence[Carrier]) -> Carrier:
    """Vectors as columns, matrices side by side."""
    xs = of_one_dtype("column_stack", tensors)
    return joined("column_stack", [x.reshape((x.type.size, 1)) if len(x.shape) < 2 else x for x in xs], 1)


@function("block_diag", tensor_first=False)
def block_diag(*tensors: Carrier) -> Carrier:
    """The matrix with the tensors as blocks along its diagonal, zero elsewhere."""
    blocks = [at_least(x, 2) for x in of_one_dtype("block_diag", tensors)]
    width, before, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        if len(x.shape) != 2:
            raise ShapeError(f"block_diag: at most 2 dimensions, not {x.type}.")
        rows.append(pad(x, (0, before), (0, width - before - x.shape[1])))
        before += x.shape[1]
    return concatenate(rows, 0) if len(rows) > 1 else alias(rows[0])


# Repeated -------------------------------------------------------------------------------------------------------------


def repeated(what: str, x: Carrier, counts: tuple[int, ...]) -> Carrier:
    """x so many times along each dimension (the last ones are x's)."""
    if any(count < 0 for count in counts):
        raise ArgumentError(f"{what}: a number of repetitions cannot be negative: {list(counts)}.")
    shape = (1,) * (len(counts) - len(x.shape)) + x.shape
    apart = tuple(length for n in shape for length in (1, n))
    wide = tuple(length for count, n in zip(counts, shape, strict=True) for length in (count, n))
    joined_shape = tuple(count * n for count, n in zip(counts, shape, strict=True))
    return alias(x.reshape(apart).broadcast_to(wide).reshape(joined_shape))


@function("repeat", method=True, free=False)
def repeat(input: Carrier, *repeats: Any, **named: Any) -> Carrier:
    """So many times along each dimension; more numbers than dimensions make new leading ones."""
    counts = integers("repeat", named_too("repeat", repeats, named, "repeats"), "a number of repetitions")
    if len(counts) < len(input.shape):
        raise ShapeError(f"repeat: {list(counts)} must have a number for each of the dimensions of {input.type}.")
    return repeated("repeat", input, counts)


@function("tile", method=True)
def tile(input: Carrier, *dims: Any, **named: Any) -> Carrier:
    """As repeat, with fewer numbers than dimensions standing for the last ones."""
    counts = integers("tile", named_too("tile", dims, named, "dims"), "a number of repetitions")
    return repeated("tile", input, (1,) * (len(input.shape) - len(counts)) + counts)


@function("repeat_interleave", method=True)
def repeat_interleave(
    input: Carrier, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Carrier:
    """Each element (or slice along `dim`) so many times in a row; `repeats` is an int, or a tensor known beforehand."""
    x, axis = (input.reshape((input.type.size,)), 0) if dim is None else (input, dim)
    axis = normalise_axis(axis, len(x.shape), "repeat_interleave")
    if is_carrier(repeats):
        return index_select(x, _positions(repeats, x.shape[axis]), axis)
    count = integer("repeat_interleave", repeats, "repeats")
    apart = x.reshape((*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]))
    wide = apart.broadcast_to((*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return alias(wide.reshape((*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1 :])))


def _positions(repeats: Carrier, length: int) -> Carrier:
    counts = array_of("repeat_interleave", repeats).reshape(-1)
    if counts.size not in (1, length):
        raise ShapeError(
            f"repeat_interleave: {counts.size} repetitions for {length} elements; there must be one for each."
        )
    return Value(np.repeat(np.arange(length), counts))


# Rearranged -----------------------------------------------------------------------------------------------------------


@function("flip", method=True)
def flip(input: Carrier, *dims: Any, **named: Any) -> Carrier:
    """The order of the elements reversed along `dims`."""
    axes = normalise_axes(
        integers("flip", named_too("flip", dims, named, "dims"), "a dimension"), len(input.shape), "flip"
    )
    return flip_axes(input, axes) if axes else alias(input)


@function("fliplr", method=True)
def fliplr(input: Carrier) -> Carrier:
    """The columns in reversed order."""
    if len(input.shape) < 2:
        raise ShapeError(f"fliplr: at least 2 dimensions are needed, not {input.type}.")
    return flip_axes(input, (1,))


@function("flipud", method=True)
def flipud(input: Carrier) -> Carrier:
    """The rows in reversed order."""
    if not input.shape:
        raise ShapeError("flipud: at least 1 dimension is needed.")
    return flip_axes(input, (0,))


@function("roll", method=True)
def roll(input: Carrier, shifts: Any, dims: Any = None) -> Carrier:
    """Moved along `dims` (the flattened tensor if None) by `shifts`; what leaves at the end comes in at the front."""
    if dims is None or dims == () or dims == []:
        moved = _rolled(input.reshape((input.type.size,)), integers("roll", (shifts,), "a shift")[0], 0)
        return alias(moved.reshape(input.shape))
    steps = integers("roll", (shifts,), "a shift")
    axes = integers("roll", (dims,), "a dimension")
    if len(steps) != len(axes):
        raise ArgumentError(f"roll: a shift is needed for each dimension: {list(steps)} for {list(axes)}.")
    for step, axis in zip(steps, axes, strict=True):
        input = _rolled(input, step, normalise_axis(axis, len(input.shape), "roll"))
    return alias(input)


def _rolled(x: Carrier, step: int, axis: int) -> Carrier:
    length = x.shape[axis] if x.shape else 0
    if length == 0 or step % length == 0:
        return x
    cut = length - step % length
    return concatenate([slice_axis(x, axis, cut, length), slice_axis(x, axis, 0, cut)], axis)


@function("rot90", method=True)
def rot90(input: Carrier, k: int = 1, dims: Sequence[int] = (0, 1)) -> Carrier:
    """Turned by k quarters in the plane of two dimensions, from the first towards the second."""
    first, second = (normalise_axis(axis, len(input.shape), "rot90") for axis in dims)
    if first == second:
        raise ArgumentError(f"rot90: two different dimensions are needed, not {tuple(dims)}.")
    order = list(range(len(input.shape)))
    order[first], order[second] = second, first
    if k % 4 == 0:
        return alias(input)
    if k % 4 == 2:
        return flip_axes(input, tuple(sorted((first, second))))
    turned = flip_axes(input, (second if k % 4 == 1 else first,))
    return turned.permute(tuple(order))
