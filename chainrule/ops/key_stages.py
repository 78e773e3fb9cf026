"""What a key x[key] consists of: up to three stages, each of which picks its part and can put it back.

    BasicKey   ints, slices, None, Ellipsis: one slice of all axes, then a reshape. In PyTorch this is a view.
    Chosen     an integer that only a compiled step knows, for one axis (a view in PyTorch too)
    Points     integer arrays, broadcast together; or Mask, one boolean array

Writing is reading backwards: the outer stage puts back what the inner one has changed. `keys.py` reads Python's keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.ir.errors import ShapeError, TracedValueError
from chainrule.ir.types import Shape
from chainrule.ir.value import Carrier, Node, Value
from chainrule.ops.creation import full, number_dtype
from chainrule.ops.elementwise import where
from chainrule.ops.indexing import check_range
from chainrule.ops.movement import broadcast_shapes, broadcast_to, inverse_order, permute, reshape, slice_
from chainrule.ops.points import put_points, slice_update, take_points
from chainrule.ops.promotion import cast


def _fitted(value: Any, x: Carrier, shape: Shape) -> Carrier:
    """A value to be written, in x's element type and the shape that the key picks."""
    if number_dtype(value) is not None:
        return full(shape, value, x.dtype)
    extra = len(value.shape) - len(shape)
    if extra > 0 and value.shape[:extra] == (1,) * extra:
        value = value.reshape(value.shape[extra:])
    fits = len(value.shape) <= len(shape) and all(
        a in (1, b) for a, b in zip(reversed(value.shape), reversed(shape), strict=False)
    )
    if not fits:
        raise ShapeError(
            f"x[key] = value: the value {value.type} cannot be repeated to {list(shape)}, which the key picks."
        )
    return broadcast_to(cast(value, x.dtype), shape)


# Stages ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BasicKey:
    """What ints, slices, None and Ellipsis pick: a slice along all axes at once, seen in another `shape`."""

    starts: Shape
    stops: Shape
    steps: Shape
    axes: tuple[int | None, ...]  # for each dimension of the result the axis of x that it is, None if it is new
    shape: Shape

    @property
    def _sliced(self) -> Shape:
        return tuple(len(range(*bounds)) for bounds in zip(self.starts, self.stops, self.steps, strict=True))

    def read(self, x: Carrier) -> Carrier:
        """x[key]."""
        return reshape(slice_(x, self.starts, self.stops, self.steps), self.shape)

    def write(self, x: Carrier, value: Any) -> Carrier:
        """x with x[key] replaced by the value, which is cast and broadcast."""
        part = _fitted(value, x, self.shape).reshape(self._sliced)
        return slice_update(x, part, self.starts, self.stops, self.steps)

    def strides(self, strides: Shape) -> Shape:
        """The strides of the view from those of x; 0 along new axes, which have one element."""
        return tuple([0 if axis is None else strides[axis] * self.steps[axis] for axis in self.axes])


@dataclass(frozen=True)
class Chosen:
    """One index along one axis, known when the program runs."""

    axis: int
    index: Carrier

    def read(self, x: Carrier) -> Carrier:
        return take_points(x, self.index, axis=self.axis)

    def write(self, x: Carrier, value: Any) -> Carrier:
        return put_points(x, _fitted(value, x, _without(x.shape, self.axis)), self.index, axis=self.axis)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


class Points(NamedTuple):
    """Integer arrays for some axes. Theirs come where the first axis was, or first of all if others lie between."""

    axes: tuple[int, ...]
    dimensions: tuple[int, ...]  # the axes as the user counts them, for messages
    indices: tuple[Carrier, ...]

    def read(self, x: Carrier) -> Carrier:
        axis, order = self._layout(len(x.shape))
        self._check(x, axis)
        return take_points(permute(x, order), *self.indices, axis=axis)

    def write(self, x: Carrier, value: Any, accumulate: bool = False) -> Carrier:
        axis, order = self._layout(len(x.shape))
        self._check(x, axis)
        moved = x.permute(order)
        points = broadcast_shapes(*(index.shape for index in self.indices), what="index")
        part = _fitted(value, x, moved.shape[:axis] + points + moved.shape[axis + len(self.indices) :])
        return put_points(moved, part, *self.indices, axis=axis, accumulate=accumulate).permute(inverse_order(order))

    def _layout(self, ndim: int) -> tuple[int, tuple[int, ...]]:
        """Where the indexed axes start, and the order of axes that puts them side by side."""
        first, count = self.axes[0], len(self.axes)
        if count == 1 or self.axes == tuple(range(first, first + count)):
            return first, tuple(range(ndim))
        return 0, self.axes + tuple(axis for axis in range(ndim) if axis not in self.axes)

    def _check(self, x: Carrier, start: int) -> None:
        """Checks indices that are known: in a trace at once, else if take_points would count dimensions otherwise."""
        for k, index in enumerate(self.indices):
            if index.__class__ is Value and (x.__class__ is Node or self.dimensions[k] != start + k):
                size = x.shape[self.axes[k]]
                check_range("index", index.array, size, self.dimensions[k], -size)


@dataclass(frozen=True)
class Mask:
    """One boolean array over the axes from `axis` on."""

    axis: int
    dimension: int
    mask: Carrier

    def read(self, x: Carrier) -> Carrier:
        return self._points().read(x)

    def write(self, x: Carrier, value: Any, accumulate: bool = False) -> Carrier:
        """A choice between value and x, if the value is the same for every True; that needs no number of Trues."""
        rest = len(x.shape) - self.axis - len(self.mask.shape)
        spread = _spread(value, rest, len(self.mask.shape))
        if spread is None:
            return self._points().write(x, value, accumulate)
        mask = broadcast_to(self.mask.reshape(self.mask.shape + (1,) * rest), x.shape)
        new = _fitted(spread, x, x.shape)
        return where(mask, x + new if accumulate else new, x)

    def _points(self) -> Points:
        width = range(len(self.mask.shape))
        axes, dimensions = (tuple(start + k for k in width) for start in (self.axis, self.dimension))
        return Points(axes, dimensions, true_places(self.mask))


def _spread(value: Any, rest: int, width: int) -> Any:
    """A value for x[..., mask, ...] with its axis of Trues made the mask's `width`; None if it varies along it."""
    if number_dtype(value) is not None or len(value.shape) <= rest:
        return value
    split = len(value.shape) - rest
    if value.shape[split - 1] != 1:
        return None
    return value.reshape(value.shape[: split - 1] + (1,) * width + value.shape[split:])


def true_places(mask: Carrier) -> tuple[Carrier, ...]:
    """Where a mask holds: one integer array per dimension. Only of a mask that is known."""
    if mask.__class__ is Node:
        raise TracedValueError(
            f"x[mask]: the shape would depend on the values of the mask {mask.type}, unknown while compiling. "
            f"Keep the shape: `where(mask, x, 0)` to read, `x[mask] = number` or `where(mask, value, x)` to write."
        )
    return tuple([Value(places) for places in np.nonzero(mask.array)])


class Key(NamedTuple):
    """A key read for arrays of one shape: a basic part first, then stages on what that picked."""

    basic: BasicKey
    stages: tuple[Any, ...]

    def read(self, x: Carrier) -> Carrier:
        """x[key]."""
        x = self.basic.read(x)
        for stage in self.stages:
            x = stage.read(x)
        return x

    def write(self, x: Carrier, value: Any, accumulate: bool = False) -> Carrier:
        """x with x[key] replaced by the value (`accumulate`: with the value added, as often as it is picked)."""
        parts = [x]
        for stage in (self.basic, *self.stages)[:-1]:
            parts.append(stage.read(parts[-1]))
        last = self.stages[-1] if self.stages else self.basic
        if isinstance(last, Points | Mask):
            new = last.write(parts[-1], value, accumulate)
        else:
            old = last.read(parts[-1])
            new = last.write(parts[-1], old + _fitted(value, x, old.shape) if accumulate else value)
        for stage, part in zip(reversed((self.basic, *self.stages)[:-1]), reversed(parts[:-1]), strict=True):
            new = stage.write(part, new)
        return new
