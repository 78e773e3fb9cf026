"""Indexing along one axis: elements picked by an integer array, and their adjoints, which place them.

    gather(x, index; axis)          scatter_add(x, index, source; axis); scatter replaces
    index_select(x, index; axis)    index_add(x, index, source; axis), for whole slices

An index outside its dimension raises, always; negative ones are outside. Where scatter puts several sources in one
place the last one stays, and it alone gets the cotangent. (PyTorch gives it to all of them, though the result does not
depend on the others.) `points.py` has several axes at once, `keys.py` Python's x[key].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.errors import DTypeError, OutOfRangeError, ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import BOOL, INTEGER, Array, Shape, Type, int64
from chainrule.ir.value import Carrier
from chainrule.ops.creation import full, iota, number_dtype, zeros_like
from chainrule.ops.elementwise import eq, where
from chainrule.ops.movement import broadcast_to, fill_from, normalise_axis, slice_
from chainrule.ops.promotion import cast

# Checks ---------------------------------------------------------------------------------------------------------------


def check_range(what: str, index: Array, size: int, dimension: int, lowest: int = 0) -> None:
    """Raises OutOfRangeError unless every index lies in lowest ... size - 1."""
    # through argmin and argmax, which take a third of the time of min and max
    if index.size == 0 or (index.item(index.argmin()) >= lowest and index.item(index.argmax()) < size):
        return
    worst = index[(index < lowest) | (index >= size)].flat[0]
    allowed = f"allowed are {lowest} to {size - 1}" if size else "it has no elements"
    raise OutOfRangeError(
        f"{what}: index {worst} is out of range for dimension {dimension} with size {size}: {allowed}."
    )


def as_indices(what: str, index: Carrier) -> Carrier:
    """The index as int64; DTypeError unless it is of integers."""
    if index.dtype is int64:
        return index
    if index.dtype.category != INTEGER:
        hint = " For a mask use masked_fill, where or x[mask]." if index.dtype.category == BOOL else ""
        raise DTypeError(f"{what}: the index must be of integers, e.g. int64, not {index.type}.{hint}")
    return cast(index, int64)


def as_source(what: str, source: Any, x: Carrier, shape: Shape) -> Carrier:
    """What is to be placed: a number fills `shape`; a tensor must be of x's element type."""
    if number_dtype(source) is not None:
        return full(shape, source, x.dtype)
    if source.weak:
        return broadcast_to(cast(source, x.dtype), shape)
    if source.dtype is not x.dtype:
        raise DTypeError(
            f"{what}: source and x must have one element type: source {source.type}, x {x.type}. "
            f"Convert the source, e.g. `source.to(x.dtype)`."
        )
    return source


# gather, scatter, scatter_add -----------------------------------------------------------------------------------------


def _infer_gather(x: Type, index: Type, *, axis: int) -> Type:
    fits = len(x.shape) == len(index.shape) and all(k == axis or n <= x.shape[k] for k, n in enumerate(index.shape))
    if not fits:
        raise ShapeError(
            f"gather/scatter: the index {index} must have as many dimensions as x {x}, none longer than x's but {axis}."
        )
    return Type(index.shape, x.dtype)


def _infer_scatter(x: Type, index: Type, source: Type, *, axis: int) -> Type:
    _infer_gather(x, index, axis=axis)
    if source.shape != index.shape or source.dtype is not x.dtype:
        raise ShapeError(f"scatter: the source {source} must have the shape of the index {index} and x's type {x}.")
    return x


def _gather_reference(x: Array, index: Array, *, axis: int) -> Array:
    check_range("gather", index, x.shape[axis], axis)
    reached = x[tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(index.shape))]
    return np.take_along_axis(reached, index, axis)


def _flat_positions(shape: Shape, index: Array, axis: int) -> Array:
    """Where each element of `index` points, in the flattened array, in order."""
    position = np.zeros((), np.int64)
    for k, length in enumerate(shape):
        along = (-1,) + (1,) * (len(shape) - 1 - k)
        position = position * length + (index if k == axis else np.arange(index.shape[k]).reshape(along))
    return position.reshape(-1)


def _scatter_reference(x: Array, index: Array, source: Array, *, axis: int) -> Array:
    check_range("scatter", index, x.shape[axis], axis)
    result = np.array(x, order="C")
    result.reshape(-1)[_flat_positions(x.shape, index, axis)] = source.reshape(-1)
    return result


def _scatter_add_reference(x: Array, index: Array, source: Array, *, axis: int) -> Array:
    check_range("scatter_add", index, x.shape[axis], axis)
    result = np.array(x, order="C")
    np.add.at(result.reshape(-1), _flat_positions(x.shape, index, axis), source.reshape(-1))
    return result


def _scatter_vjp(
    g: Carrier, y: Carrier, x: Carrier, index: Carrier, source: Carrier, *, axis: int
) -> tuple[Carrier, None, Carrier]:
    own = iota(index.type.size, int64).reshape(index.shape)
    last = _gather(_scatter(full(x.shape, 0, int64), index, own, axis=axis), index, axis=axis)
    stayed = eq(last, own)
    to_source = where(stayed, _gather(g, index, axis=axis), fill_from(source, 0))
    return _scatter(g, index, fill_from(source, 0), axis=axis), None, to_source


# x, index, axis; the index is also that of the scatters, and repeats itself in some
GATHERS: tuple[tuple[Shape, list[Any], int], ...] = (
    ((3, 4), [[0, 2, 1], [2, 2, 0]], 0),
    ((2, 3), [[0, 2], [1, 1]], 1),
    ((4,), [3], 0),
    ((4,), [], 0),
    ((2, 3, 2), [[[1, 0]], [[2, 2]]], 1),
)


def _gather_samples(rng: np.random.Generator) -> list[Any]:
    return [((rng.standard_normal(shape), np.array(index, np.int64)), {"axis": axis}) for shape, index, axis in GATHERS]


def _scatter_samples(rng: np.random.Generator) -> list[Any]:
    return [((x, index, rng.standard_normal(index.shape)), params) for (x, index), params in _gather_samples(rng)]


_gather: Primitive = Primitive(
    "gather",
    _gather_reference,
    _infer_gather,
    lambda g, y, x, index, *, axis: (_scatter_add(zeros_like(x), index, g, axis=axis), None),
    samples=_gather_samples,
)
_scatter_add: Primitive = Primitive(
    "scatter_add",
    _scatter_add_reference,
    _infer_scatter,
    lambda g, y, x, index, source, *, axis: (g, None, _gather(g, index, axis=axis)),
    samples=_scatter_samples,
)
_scatter: Primitive = Primitive("scatter", _scatter_reference, _infer_scatter, _scatter_vjp, samples=_scatter_samples)


def gather(x: Carrier, index: Carrier, axis: int) -> Carrier:
    """y[i][j][k] = x[i][index[i][j][k]][k] for axis 1. The index has x's dimensions, none longer but `axis`."""
    axis, index = normalise_axis(axis, len(x.shape), "gather"), as_indices("gather", index)
    if not x.shape:
        return gather(x.reshape((1,)), _one_dimensional(index), 0).reshape(index.shape)
    _infer_gather(x.type, index.type, axis=axis)
    return _gather(x, index, axis=axis)


def scatter(x: Carrier, index: Carrier, source: Any, axis: int) -> Carrier:
    """x with x[i][index[i][j][k]][k] = source[i][j][k] for axis 1; of several in one place the last stays."""
    return _scatter(*_scatter_operands("scatter", x, index, source, axis), axis=axis % max(len(x.shape), 1))


def scatter_add(x: Carrier, index: Carrier, source: Any, axis: int) -> Carrier:
    """x with x[i][index[i][j][k]][k] += source[i][j][k] for axis 1."""
    return _scatter_add(*_scatter_operands("scatter_add", x, index, source, axis), axis=axis % max(len(x.shape), 1))


def _scatter_operands(what: str, x: Carrier, index: Carrier, source: Any, axis: int) -> tuple[Carrier, ...]:
    axis, index = normalise_axis(axis, len(x.shape), what), as_indices(what, index)
    if not x.shape:
        raise ShapeError(f"{what}: x has no dimension. Give it one, e.g. `x.reshape(1)`.")
    _infer_gather(x.type, index.type, axis=axis)
    source = as_source(what, source, x, index.shape)
    if len(source.shape) != len(index.shape) or any(m < n for m, n in zip(source.shape, index.shape, strict=True)):
        raise ShapeError(f"{what}: the source {source.type} is smaller than the index {index.type}.")
    return x, index, slice_(source, (0,) * len(index.shape), index.shape)


def _one_dimensional(index: Carrier) -> Carrier:
    if len(index.shape) > 1:
        raise ShapeError(f"the index must have one dimension or none, not {index.type}.")
    return index if index.shape else index.reshape((1,))


# index_select, index_add ----------------------------------------------------------------------------------------------


def _infer_index_select(x: Type, index: Type, *, axis: int) -> Type:
    if len(index.shape) != 1 or not 0 <= axis < len(x.shape):
        raise ShapeError(f"index_select: needs an index of one dimension, and dimension {axis} in x: {index}, x {x}.")
    return Type(x.shape[:axis] + index.shape + x.shape[axis + 1 :], x.dtype)


def _infer_index_add(x: Type, index: Type, source: Type, *, axis: int) -> Type:
    if source != _infer_index_select(x, index, axis=axis):
        raise ShapeError(
            f"index_add: the source must be {_infer_index_select(x, index, axis=axis)} (x {x} with {index.shape[0]} "
            f"slices in dimension {axis}), it is {source}."
        )
    return x


def _index_select_reference(x: Array, index: Array, *, axis: int) -> Array:
    check_range("index_select", index, x.shape[axis], axis)
    return x.take(index, axis)


def _index_add_reference(x: Array, index: Array, source: Array, *, axis: int) -> Array:
    check_range("index_add", index, x.shape[axis], axis)
    return added_at(x, index, source, axis, 1)


def rows_of(array: Array, axis: int, width: int, count: int) -> Array:
    """The array as (all before, `count` rows, all after), the rows made of the `width` axes from `axis`."""
    rest = Type(array.shape[axis + width :], int64).size
    return array.reshape((Type(array.shape[:axis], int64).size, count, rest))


def added_at(x: Array, position: Array, source: Array, axis: int, width: int) -> Array:
    """A copy of x, the rows of the source added to its rows in order. (add.at is quick on flat arrays only.)"""
    result = np.array(x, order="C")
    lead, count, rest = rows_of(result, axis, width, Type(x.shape[axis : axis + width], int64).size).shape
    places = (np.arange(lead)[:, None, None] * count + position[:, None]) * rest + np.arange(rest)
    np.add.at(result.reshape(-1), places.reshape(-1), source.reshape(-1))
    return result


# x, index, axis
SELECTIONS: tuple[tuple[Shape, list[int], int], ...] = (
    ((4, 3), [0, 2, 2, 3, 0], 0),
    ((2, 3), [1], 1),
    ((2, 3), [], 1),
    ((3,), [2, 0], 0),
    ((2, 3, 2), [2, 2], 1),
)


def _select_samples(rng: np.random.Generator) -> list[Any]:
    return [
        ((rng.standard_normal(shape), np.array(index, np.int64)), {"axis": axis}) for shape, index, axis in SELECTIONS
    ]


def _index_add_samples(rng: np.random.Generator) -> list[Any]:
    return [
        ((x, index, rng.standard_normal(np.take(x, index, **params).shape)), params)
        for (x, index), params in _select_samples(rng)
    ]


def _across(index: Carrier, shape: Shape, axis: int) -> Carrier:
    """The index of whole slices as one for every element, for gather and scatter_add."""
    along = tuple(-1 if k == axis else 1 for k in range(len(shape)))
    return broadcast_to(index.reshape(tuple(index.shape[0] if n < 0 else n for n in along)), shape)


_index_select: Primitive = Primitive(
    "index_select",
    _index_select_reference,
    _infer_index_select,
    lambda g, y, x, index, *, axis: (_index_add(zeros_like(x), index, g, axis=axis), None),
    expand=lambda x, index, *, axis: _gather(
        x, _across(index, _infer_index_select(x.type, index.type, axis=axis).shape, axis), axis=axis
    ),
    samples=_select_samples,
)
_index_add: Primitive = Primitive(
    "index_add",
    _index_add_reference,
    _infer_index_add,
    lambda g, y, x, index, source, *, axis: (g, None, _index_select(g, index, axis=axis)),
    expand=lambda x, index, source, *, axis: _scatter_add(x, _across(index, source.shape, axis), source, axis=axis),
    samples=_index_add_samples,
)


def index_select(x: Carrier, index: Carrier, axis: int) -> Carrier:
    """The slices of x along an axis that a one-dimensional index names, in its order."""
    axis = normalise_axis(axis, len(x.shape), "index_select")
    index = _one_dimensional(as_indices("index_select", index))
    return _index_select(x if x.shape else x.reshape((1,)), index, axis=axis)


def index_add(x: Carrier, index: Carrier, source: Any, axis: int) -> Carrier:
    """x with the slices of the source added to the slices of x that a one-dimensional index names."""
    axis = normalise_axis(axis, len(x.shape), "index_add")
    index = _one_dimensional(as_indices("index_add", index))
    target = _infer_index_select(x.type, index.type, axis=axis)
    source = as_source("index_add", source, x, target.shape)
    _infer_index_add(x.type, index.type, source.type, axis=axis)
    return _index_add(x, index, source, axis=axis)
