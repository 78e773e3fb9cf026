"""x[key] and x[key] = value, with keys as NumPy and PyTorch have them.

Ints are taken before arrays are, as in PyTorch: x[0, :, [1, 2]] is x[0][:, [1, 2]]. (NumPy counts 0 as an array there.)
"""

from __future__ import annotations

import operator as python
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError, TracedValueError
from chainrule.ir.operators import operator
from chainrule.ir.types import BOOL, INTEGER, Shape, int64, uint8
from chainrule.ir.value import Carrier, Node, Value
from chainrule.ops.indexing import check_range
from chainrule.ops.key_stages import BasicKey, Chosen, Key, Mask, Points, true_places

Item = Any  # None, Ellipsis, int, slice, or a carrier of integers or bools


def parse_basic(shape: Shape, key: Any) -> BasicKey | None:
    """What the key picks if it is basic, that is, if x[key] is a view in PyTorch; else None."""
    parsed = parse(shape, key)
    return None if parsed.stages else parsed.basic


def parse(shape: Shape, key: Any) -> Key:
    """The key for arrays of this shape; raises if they do not fit."""
    kind = key.__class__
    if (kind is Value or kind is Node) and key.dtype is int64 and key.shape and shape:  # x[places]: thin
        return Key(_parse_frozen(shape, EVERYTHING).basic, (Points((0,), (0,), (key,)),))
    return parse_plain(shape, key) or _parse(shape, key)


def parse_plain(shape: Shape, key: Any) -> Key | None:
    """The key, if it is made of ints, slices of ints, None and Ellipsis: these are read once for each shape."""
    frozen = _frozen(key)
    return None if frozen is UNKNOWN else _parse_frozen(shape, frozen)


EVERYTHING = (None, None, None)  # `:`, frozen
UNKNOWN = object()


def _frozen(key: Any) -> Any:
    """A plain key as something to look it up by (slices cannot be hashed); UNKNOWN for others."""
    kind = key.__class__
    if kind is int or key is None or key is Ellipsis:
        return key
    if kind is slice:
        start, stop, step = key.start, key.stop, key.step
        if (
            (start is None or start.__class__ is int)
            and (stop is None or stop.__class__ is int)
            and (step is None or step.__class__ is int)
        ):
            return start, stop, step
    elif kind is tuple:
        parts = tuple([part if part.__class__ is int else _frozen(part) for part in key])
        return UNKNOWN if UNKNOWN in parts else (parts,)
    return UNKNOWN


def _thawed(frozen: Any) -> Any:
    """The key that `_frozen` froze."""
    if frozen.__class__ is not tuple:
        return frozen
    return slice(*frozen) if len(frozen) == 3 else tuple(map(_thawed, frozen[0]))


@lru_cache(maxsize=4096)
def _parse_frozen(shape: Shape, frozen: Any) -> Key:
    return _parse(shape, _thawed(frozen))


def _parse(shape: Shape, key: Any) -> Key:
    bounds: list[tuple[int, int, int]] = []
    axes: list[int | None] = []  # of what the basic part picks
    arrays: list[tuple[int, int, Carrier]] = []  # its axis in what is picked, its dimension of x, the array
    for item in _items(shape, key):
        axis = len(bounds)
        if item is None:
            axes.append(None)
        elif item.__class__ is int:
            bounds.append(_one(item, shape, axis))
        elif item.__class__ is slice:
            bounds.append(_bounds(item, shape[axis]))
            axes.append(axis)
        elif item.dtype.category == BOOL and not item.shape:  # keeps or drops everything, along a new axis
            arrays.append((len(axes), axis, item.reshape((1,))))
            axes.append(None)
        else:
            covered = _covered(item, shape, axis)
            arrays.append((len(axes), axis, item))
            axes.extend(range(axis, axis + len(covered)))
            bounds.extend((0, length, 1) for length in covered)
    return Key(_basic(bounds, tuple(axes)), _stages(arrays))


def _basic(bounds: list[tuple[int, int, int]], axes: tuple[int | None, ...]) -> BasicKey:
    starts, stops, steps = zip(*bounds, strict=True) if bounds else ((), (), ())
    shape = tuple([1 if axis is None else len(range(*bounds[axis])) for axis in axes])
    return BasicKey(starts, stops, steps, axes, shape)


def _items(shape: Shape, key: Any) -> list[Item]:
    """The key with Ellipsis, and what is missing at its end, written out as full slices."""
    items = [_item(given) for given in (key if key.__class__ is tuple else (key,))]
    ellipses = [position for position, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise ArgumentError("index: a key can have one Ellipsis (`...`), this one has more.")
    missing = len(shape) - sum(map(_width, items))
    if missing < 0:
        raise OutOfRangeError(
            f"index: the key is for {len(shape) - missing} dimensions, the tensor has {len(shape)}: {list(shape)}."
        )
    place = ellipses[0] if ellipses else len(items)
    return [*items[:place], *(slice(None),) * missing, *items[place + len(ellipses) :]]


def _width(item: Item) -> int:
    """How many dimensions of x an item is for."""
    if item is None or item is Ellipsis:
        return 0
    return len(item.shape) if isinstance(item, Value | Node) and item.dtype.category == BOOL else 1


def _item(given: Any) -> Item:
    """One entry of a key: None, Ellipsis, an int, a slice, or a carrier of integers or bools."""
    if given is None or given is Ellipsis or given.__class__ is slice:
        return given
    if isinstance(given, Value | Node):
        return _array_item(given)
    if isinstance(given, list | tuple | np.ndarray | np.generic | bool):
        return _array_item(_array(given))
    if not hasattr(given, "__index__"):
        raise DTypeError(f"index: {_ALLOWED}; this is none of them: {given!r}.")
    return python.index(given)


_ALLOWED = "a key is made of ints, slices, None, `...`, and arrays or lists of integers or bools"


def _array(given: Any) -> Value:
    if isinstance(given, list | tuple):
        given = [part.array if isinstance(part, Value) else part for part in given]
    try:
        array = np.array(given)  # a copy: the tape keeps it
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.size == 0 and not isinstance(given, np.ndarray):
        array = array.astype(np.int64)  # the empty list
    if array.dtype.kind not in "biu":
        raise DTypeError(f"index: {_ALLOWED}; this is none of them: {given!r}.")
    return Value(array if array.dtype in (np.bool, np.uint8) else array.astype(np.int64))


def _array_item(array: Carrier) -> Item:
    """The array itself, or the int that one without dimensions is, if it is known."""
    if array.dtype is uint8 and array.shape:
        raise DTypeError(f"index: {array.type} may mean a mask or indices; say which: `.bool()` or `.long()`.")
    if array.dtype.category not in (BOOL, INTEGER):
        raise DTypeError(f"index: {_ALLOWED}; this is {array.type}. Convert it, e.g. with `.long()`.")
    if array.__class__ is Value and array.dtype.category == INTEGER and not array.shape:
        return int(array.array)
    return array


def _one(item: int, shape: Shape, axis: int) -> tuple[int, int, int]:
    size = shape[axis]
    if not -size <= item < size:
        check_range("index", np.array(item), size, axis, -size)
    start = item % size
    return start, start + 1, 1


def _bounds(item: slice, size: int) -> tuple[int, int, int]:
    """A slice's start, stop and step in one way of writing them: the stop is just behind the last element."""
    if item.start is item.stop is item.step is None:
        return 0, size, 1
    start, stop, step = (_bound(part) for part in (item.start, item.stop, item.step))
    if step is not None and step < 1:
        hint = " For the reverse order use flip." if step < 0 else ""
        raise ArgumentError(f"index: a slice's step must be at least 1, not {step}.{hint}")
    places = range(*slice(start, stop, step).indices(size))
    if not places:
        return 0, 0, 1
    return places[0], places[-1] + 1, places.step if len(places) > 1 else 1


def _bound(part: Any) -> int | None:
    if part is None or part.__class__ is int:
        return part
    if part.__class__ is Node:
        raise TracedValueError(
            "index: a slice's bounds decide the shape of the result, so they cannot be values that a compiled step "
            "computes. Use an int, or index with an array of fixed length, e.g. x[start + arange(length)]."
        )
    part = part.array if part.__class__ is Value else part
    if not hasattr(part, "__index__") or (isinstance(part, np.ndarray) and (part.shape or part.dtype.kind not in "iu")):
        raise DTypeError(f"index: a slice's bounds and step must be ints or None, not {part!r}.")
    return python.index(part)


def _covered(item: Carrier, shape: Shape, axis: int) -> Shape:
    """The lengths of the dimensions of x that an array is for."""
    if item.dtype.category != BOOL:
        return shape[axis : axis + 1]
    lengths = shape[axis : axis + len(item.shape)]
    if lengths != item.shape:
        raise ShapeError(
            f"index: the mask {item.type} must have the shape of the dimensions that it masks, here {list(lengths)} "
            f"(from dimension {axis} of {list(shape)} on)."
        )
    return lengths


def _stages(arrays: list[tuple[int, int, Carrier]]) -> tuple[Any, ...]:
    """The stages behind the basic part, for arrays given with their axis in it and their dimension of x."""
    chosen = [axis for axis, _, array in arrays if not array.shape]
    stages: list[Any] = [Chosen(axis, array) for axis, _, array in reversed(arrays) if not array.shape]
    rest = [
        (axis - sum(before < axis for before in chosen), dimension, array)
        for axis, dimension, array in arrays
        if array.shape
    ]
    if len(rest) == 1 and rest[0][2].dtype.category == BOOL:
        stages.append(Mask(*rest[0]))
    elif rest:
        stages.append(_points(rest))
    return tuple(stages)


def _points(arrays: list[tuple[int, int, Carrier]]) -> Points:
    axes, dimensions, indices = [], [], []
    for axis, dimension, array in arrays:
        places = true_places(array) if array.dtype.category == BOOL else (array,)
        for k, place in enumerate(places):
            axes.append(axis + k)
            dimensions.append(dimension + k)
            indices.append(place)
    return Points(tuple(axes), tuple(dimensions), tuple(indices))


# What this file is for ------------------------------------------------------------------------------------------------


@operator("index")
def index(x: Carrier, key: Any) -> Carrier:
    """x[key]: ints, slices, None, Ellipsis, and integer or boolean arrays, as NumPy and PyTorch have them."""
    return parse(x.shape, key).read(x)


def index_put(x: Carrier, key: Any, value: Any, accumulate: bool = False) -> Carrier:
    """x with x[key] replaced by the value, or with it added. The value is cast to x's type and broadcast."""
    return parse(x.shape, key).write(x, value, accumulate)
