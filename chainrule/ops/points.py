"""Points and regions: several axes indexed at once, and their adjoints.

    take_points(x, *indices; axis)                   put_points(x, source, *indices; axis, accumulate)
    pick(x, index; axis)                             one element of each line along an axis
    slice(x; starts, stops, steps) in movement.py    slice_update(x, value; starts, stops, steps)

An index outside its dimension raises, always; negative ones count from the end. Where put_points replaces and several
sources go to one place, the last one stays, and it alone gets the cotangent. (PyTorch gives it to all of them.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.ir.errors import ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, Shape, Type, bool_, int64
from chainrule.ir.value import Carrier
from chainrule.ops.creation import full, iota, zeros_like
from chainrule.ops.elementwise import eq, where
from chainrule.ops.indexing import added_at, as_indices, as_source, check_range, gather, rows_of
from chainrule.ops.movement import broadcast_shapes, broadcast_to, fill_from, pad, slice_, slices_of

# take_points, put_points ----------------------------------------------------------------------------------------------


def _infer_take(x: Type, *indices: Type, axis: int) -> Type:
    if not indices or axis + len(indices) > len(x.shape) or any(index != indices[0] for index in indices):
        raise ShapeError(
            f"take_points: needs indices of one shape, one per dimension from {axis} on: {', '.join(map(str, indices))}"
            f"; x {x}."
        )
    return Type(x.shape[:axis] + indices[0].shape + x.shape[axis + len(indices) :], x.dtype)


def _infer_put(x: Type, source: Type, *indices: Type, axis: int, accumulate: bool) -> Type:
    if source != _infer_take(x, *indices, axis=axis):
        raise ShapeError(f"put_points: the source must be {_infer_take(x, *indices, axis=axis)}, it is {source}.")
    return x


def _point_positions(shape: Shape, indices: tuple[Array, ...], axis: int) -> Array:
    """The indexed axes taken as one: the position of each point along it, in order."""
    position = np.zeros((), np.int64)
    for dimension, index in enumerate(indices, axis):
        size = shape[dimension]
        check_range("index", index, size, dimension, -size)
        position = position * size + np.where(index < 0, index + size, index)
    return position.reshape(-1)


def _take_reference(x: Array, *indices: Array, axis: int) -> Array:
    if len(indices) == 1 and x.size:
        try:  # NumPy counts from the end, and checks, as is needed here
            return np.asarray(x.take(indices[0], axis))
        except IndexError:
            check_range("index", indices[0], x.shape[axis], axis, -x.shape[axis])
            raise
    position, k = _point_positions(x.shape, indices, axis), len(indices)
    rows = rows_of(x, axis, k, Type(x.shape[axis : axis + k], int64).size)
    return rows.take(position, axis=1).reshape(x.shape[:axis] + indices[0].shape + x.shape[axis + k :])


def _put_reference(x: Array, source: Array, *indices: Array, axis: int, accumulate: bool) -> Array:
    position, k = _point_positions(x.shape, indices, axis), len(indices)
    if accumulate:
        return added_at(x, position, source, axis, k)
    result = np.array(x, order="C")
    rows = rows_of(result, axis, k, Type(x.shape[axis : axis + k], int64).size)
    rows[:, position] = rows_of(source, axis, indices[0].ndim, position.size)  # one index, in order: the last stays
    return result


def _put_vjp(
    g: Carrier, y: Carrier, x: Carrier, source: Carrier, *indices: Carrier, axis: int, accumulate: bool
) -> tuple[Carrier | None, ...]:
    to_source = _take_points(g, *indices, axis=axis)
    nothing = (None,) * len(indices)
    if accumulate:
        return g, to_source, *nothing
    zeros = fill_from(source, 0)
    stayed = _across_rows(_stayed(x.shape[axis : axis + len(indices)], indices), source.shape, axis)
    return (
        _put_points(g, zeros, *indices, axis=axis, accumulate=False),
        where(stayed, to_source, zeros),
        *nothing,
    )


def _stayed(sizes: Shape, indices: tuple[Carrier, ...]) -> Carrier:
    """Whether each point is the last one put in its place."""
    own = iota(indices[0].type.size, int64).reshape(indices[0].shape)
    last = _put_points(full(sizes, 0, int64), own, *indices, axis=0, accumulate=False)
    return eq(_take_points(last, *indices, axis=0), own)


def _across_rows(points: Carrier, shape: Shape, axis: int) -> Carrier:
    after = len(shape) - axis - len(points.shape)
    return broadcast_to(points.reshape((1,) * axis + points.shape + (1,) * after), shape)


# x, indices, axis
POINTS: tuple[tuple[Shape, tuple[Any, ...], int], ...] = (
    ((3, 4, 2), ([0, -1, 2], [1, 3, -4]), 0),
    ((2, 3), ([[2, 0], [-2, 2]],), 1),
    ((2, 3, 4), ([1, 1], [2, 2]), 1),
    ((3,), (2,), 0),
    ((3, 2), ([],), 0),
    ((3, 0), ([1, 2],), 0),
)


def _take_samples(rng: np.random.Generator) -> list[Any]:
    return [
        ((rng.standard_normal(shape), *(np.array(index, np.int64) for index in indices)), {"axis": axis})
        for shape, indices, axis in POINTS
    ]


def _put_samples(rng: np.random.Generator) -> list[Any]:
    return [
        ((x, rng.standard_normal(_take_reference(x, *indices, **params).shape), *indices), params | {"accumulate": add})
        for (x, *indices), params in _take_samples(rng)
        for add in (False, True)
    ]


_take_points: Primitive = Primitive(
    "take_points",
    _take_reference,
    _infer_take,
    lambda g, y, x, *indices, axis: (
        _put_points(zeros_like(x), g, *indices, axis=axis, accumulate=True),
        *(None for _ in indices),
    ),
    samples=_take_samples,
    computes=False,
)
_put_points: Primitive = Primitive("put_points", _put_reference, _infer_put, _put_vjp, samples=_put_samples)


def _broadcast_indices(what: str, indices: tuple[Carrier, ...]) -> list[Carrier]:
    """Indices as int64, broadcast together."""
    if len(indices) == 1:
        return [as_indices(what, indices[0])]
    shape = broadcast_shapes(*(index.shape for index in indices), what=what)
    return [broadcast_to(as_indices(what, index), shape) for index in indices]


def take_points(x: Carrier, *indices: Carrier, axis: int = 0) -> Carrier:
    """y[a..., b..., c...] = x[a..., index_0[b...], index_1[b...], ..., c...]: indices of the axes from `axis` on."""
    together = _broadcast_indices("take_points", indices)
    if len(together) > 1 or axis >= len(x.shape):
        _infer_take(x.type, *(index.type for index in together), axis=axis)
    return _take_points(x, *together, axis=axis)


def put_points(x: Carrier, source: Any, *indices: Carrier, axis: int = 0, accumulate: bool = False) -> Carrier:
    """x with the source placed at (or added to) the points that take_points picks; the last one in a place stays."""
    together = _broadcast_indices("put_points", indices)
    shape = _infer_take(x.type, *(index.type for index in together), axis=axis).shape
    source = broadcast_to(as_source("put_points", source, x, shape), shape)
    return _put_points(x, source, *together, axis=axis, accumulate=accumulate)


# pick -----------------------------------------------------------------------------------------------------------------


def _infer_pick(x: Type, index: Type, *, axis: int) -> Type:
    if not 0 <= axis < len(x.shape) or index != Type(x.shape[:axis] + x.shape[axis + 1 :], int64):
        raise ShapeError(f"pick: needs an index for each line along dimension {axis} of {x}, it is {index}.")
    return Type(index.shape, x.dtype)


def _pick_reference(x: Array, index: Array, *, axis: int) -> Array:
    lines = _places(index.shape)
    try:  # NumPy counts from the end, and checks, as is needed here
        return np.asarray(x[(*lines[:axis], index, *lines[axis:])])
    except IndexError:
        check_range("pick", index, x.shape[axis], axis, -x.shape[axis])
        raise


@lru_cache(maxsize=64)
def _places(shape: Shape) -> tuple[Array, ...]:
    """Where each element of an array of this shape stands: one index per dimension, to be broadcast together."""
    return tuple(np.ogrid[tuple(map(slice, shape))])


def _pick_vjp(g: Carrier, y: Carrier, x: Carrier, index: Carrier, *, axis: int) -> tuple[Carrier, None]:
    length, line = x.shape[axis], (*index.shape[:axis], 1, *index.shape[axis:])
    own = iota(length, int64).reshape((length,) + (1,) * (len(x.shape) - axis - 1))
    return where(eq(own, _from_the_front(index, length).reshape(line)), g.reshape(line), 0.0), None


def _from_the_front(index: Carrier, length: int) -> Carrier:
    return where(index < 0, index + length, index)


def _expanded_pick(x: Carrier, index: Carrier, *, axis: int) -> Carrier:
    line = (*index.shape[:axis], 1, *index.shape[axis:])
    return gather(x, _from_the_front(index, x.shape[axis]).reshape(line), axis).reshape(index.shape)


_pick = Primitive(
    "pick",
    _pick_reference,
    _infer_pick,
    _pick_vjp,
    expand=_expanded_pick,
    samples=lambda rng: [
        ((rng.standard_normal(shape), np.array(index, np.int64)), {"axis": axis})
        for shape, index, axis in (
            ((3, 4), [0, -1, 2], 1),
            ((2, 3), [1, 1, 0], 0),
            ((2, 3, 2), [[0, 2], [-3, 1]], 1),
            ((4,), 2, 0),
            ((0, 3), [], 1),
        )
    ],
    computes=False,
)


def pick(x: Carrier, index: Carrier, axis: int) -> Carrier:
    """y[a..., c...] = x[a..., index[a..., c...], c...]: one element of each line along an axis, which is gone after."""
    return _pick(x, index, axis=axis)


# slice_update ---------------------------------------------------------------------------------------------------------


def _infer_slice_update(x: Type, value: Type, *, starts: Shape, stops: Shape, steps: Shape) -> Type:
    target = tuple(len(range(*bounds)) for bounds in zip(starts, stops, steps, strict=True))
    if len(target) != len(x.shape) or value != Type(target, x.dtype):
        raise ShapeError(f"slice_update: the value must be {Type(target, x.dtype)}, it is {value}; x {x}.")
    return x


def _slice_update_reference(x: Array, value: Array, *, starts: Shape, stops: Shape, steps: Shape) -> Array:
    result = np.array(x, order="C")
    result[slices_of(starts, stops, steps)] = value
    return result


def _expanded_slice_update(x: Carrier, value: Carrier, *, starts: Shape, stops: Shape, steps: Shape) -> Carrier:
    spans = [(n - 1) * step + 1 if n else 0 for n, step in zip(value.shape, steps, strict=True)]
    high = tuple(n - start - span for n, start, span in zip(x.shape, starts, spans, strict=True))
    gaps = tuple(step - 1 for step in steps)
    inside = pad(full(value.shape, True, bool_), starts, high, gaps, False)
    return where(inside, pad(value, starts, high, gaps), x)


_slice_update: Primitive = Primitive(
    "slice_update",
    _slice_update_reference,
    _infer_slice_update,
    lambda g, y, x, value, **bounds: (_slice_update(g, fill_from(value, 0), **bounds), slice_(g, **bounds)),
    expand=_expanded_slice_update,
    samples=lambda rng: [
        (
            (rng.standard_normal(shape), rng.standard_normal(inner)),
            {"starts": starts, "stops": stops, "steps": steps},
        )
        for shape, inner, starts, stops, steps in (
            ((5, 4), (3, 4), (1, 0), (4, 4), (1, 1)),
            ((7,), (2,), (1,), (7,), (3,)),
            ((3, 2), (0, 2), (1, 0), (1, 2), (1, 1)),
            ((2,), (2,), (0,), (2,), (1,)),
            ((), (), (), (), ()),
        )
    ],
)


def slice_update(x: Carrier, value: Carrier, starts: Shape, stops: Shape, steps: Shape) -> Carrier:
    """x with x[start:stop:step] along every axis at once replaced by a value of that shape and x's type."""
    if value.type == x.type:
        return value  # every element is replaced: the slices span x
    return _slice_update(x, value, starts=starts, stops=stops, steps=steps)
