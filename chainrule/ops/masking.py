"""What a place decides: masks and one-hot codes, from comparisons with positions, and the diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, DType, Type, bool_, float32, int64
from chainrule.ir.value import Carrier
from chainrule.ops.creation import full, iota, number_dtype
from chainrule.ops.elementwise import eq, gt, lt, where, zero_where
from chainrule.ops.indexing import as_indices, index_select
from chainrule.ops.movement import normalise_axis
from chainrule.ops.points import take_points
from chainrule.ops.promotion import cast

# one_hot --------------------------------------------------------------------------------------------------------------


def _one_hot_reference(index: Array, *, classes: int, dtype: DType) -> Array:
    if index.size and (index.min() < 0 or index.max() >= classes):
        worst = index[(index < 0) | (index >= classes)].flat[0]
        raise OutOfRangeError(f"one_hot: class {worst} is out of range for {classes} classes: 0 to {classes - 1}.")
    return np.asarray(index[..., None] == np.arange(classes), dtype.numpy)


def _expanded_one_hot(index: Carrier, *, classes: int, dtype: DType) -> Carrier:
    """Where the class numbers are looked up among themselves, which changes none, but refuses what is no class."""
    known = index_select(iota(classes, int64), index.reshape((index.type.size,)), 0)
    return cast(eq(known.reshape((*index.shape, 1)), iota(classes, int64)), dtype)


_one_hot = Primitive(
    "one_hot",
    _one_hot_reference,
    lambda index, *, classes, dtype: Type((*index.shape, classes), dtype),
    expand=_expanded_one_hot,
    samples=lambda rng: [
        ((rng.integers(0, 3, shape),), {"classes": 3, "dtype": dtype})
        for shape in ((4,), (2, 2), (), (0,))
        for dtype in (int64, float32)
    ],
)


def one_hot(index: Carrier, classes: int, dtype: DType = int64) -> Carrier:
    """1 at the class that each index names, 0 at the others, along a new last dimension."""
    if classes < 0:
        raise ArgumentError(f"one_hot: the number of classes must be at least 0, not {classes}.")
    return _one_hot(as_indices("one_hot", index), classes=classes, dtype=dtype)


# Masks ----------------------------------------------------------------------------------------------------------------


def masked_fill(x: Carrier, mask: Carrier, value: Any) -> Carrier:
    """x with `value` (a number, or a tensor of one element) where the mask holds; of x's element type."""
    if mask.dtype is not bool_:
        raise DTypeError(f"masked_fill: the mask must be bool, not {mask.type}. Compare it, e.g. `mask != 0`.")
    if number_dtype(value) is None and value.shape != ():
        raise ShapeError(
            f"masked_fill: the value must be a number or have no dimension, it is {value.type}. Use where."
        )
    return where(mask, full((), value, x.dtype) if number_dtype(value) is not None else cast(value, x.dtype), x)


def tril(x: Carrier, diagonal: int = 0) -> Carrier:
    """The lower triangle of the last two dimensions, up to and with that diagonal; zero above it."""
    return zero_where(gt(_offsets("tril", x), diagonal), x)


def triu(x: Carrier, diagonal: int = 0) -> Carrier:
    """The upper triangle of the last two dimensions, from that diagonal on; zero below it."""
    return zero_where(lt(_offsets("triu", x), diagonal), x)


def _offsets(what: str, x: Carrier) -> Carrier:
    """For each place of a matrix, its column minus its row: the diagonal that it lies on."""
    if len(x.shape) < 2:
        raise ShapeError(f"{what}: at least two dimensions are needed, x is {x.type}.")
    return iota(x.shape[-1], int64) - iota(x.shape[-2], int64).reshape((x.shape[-2], 1))


# diagonal -------------------------------------------------------------------------------------------------------------


def diagonal(x: Carrier, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Carrier:
    """The elements x[i, i + offset] of two dimensions, along a new last dimension in their place."""
    first, second = (normalise_axis(axis, len(x.shape), "diagonal") for axis in (axis1, axis2))
    if first == second or len(x.shape) < 2:
        raise ShapeError(f"diagonal: two different dimensions are needed, not {axis1} and {axis2} of {x.type}.")
    rest = tuple(axis for axis in range(len(x.shape)) if axis not in (first, second))
    below, right = max(0, -offset), max(0, offset)
    along = iota(max(0, min(x.shape[first] - below, x.shape[second] - right)), int64)
    return take_points(x.permute((*rest, first, second)), along + below, along + right, axis=len(rest))
