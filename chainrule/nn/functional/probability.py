"""Tells probabilities from logits, for the losses that want logits: mixing them up trains, only badly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.origin import user_frame, warn
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier, Value

MAKERS = {"softmax", "sigmoid"}
MOVERS = {"reshape", "permute", "cast", "slice", "broadcast_to", "gather", "pick", "index_select", "alias", "detach"}
GLANCE = 64  # so many elements are looked at first; logits betray themselves among them
NEAR = 1e-4  # so far from 1 may the sum of probabilities be


def warn_of_probabilities(name: str, logits: Carrier, axis: int | None) -> None:
    """Warns, once for each line of the user's, if the logits are probabilities.

    Found by how they were computed or, eagerly, by their values. `axis`: that of the classes, None if each element is a
    probability by itself.
    """
    if not (was_made_by_softmax(logits) or has_values_of_probabilities(logits, axis)):
        return
    frame = user_frame()
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
    if state.count(f"{name} {place}") == 0:
        warn(
            f"{name} wants logits, and computes the {'sigmoid' if axis is None else 'softmax'} itself; what it gets "
            "here are probabilities. It will train, but badly: give it the last layer's output as it is."
        )


def was_made_by_softmax(carrier: Carrier) -> bool:
    """Whether a softmax or sigmoid made these numbers, as far as the tape or the trace tells."""
    while carrier.primitive is not None:
        if carrier.primitive.name in MAKERS:
            return True
        if carrier.primitive.name not in MOVERS or not carrier.inputs:
            return False
        carrier = carrier.inputs[0]
    return False


def has_values_of_probabilities(carrier: Carrier, axis: int | None) -> bool:
    """Whether all values lie in [0, 1], and sum to 1 over the classes; without classes, whether they fill [0, 1]."""
    if carrier.__class__ is not Value or carrier.array.size < 2:
        return False
    array: Array = carrier.array
    if not 0 <= array.item(0) <= 1 or (axis is not None and not may_sum_to_one(array, axis)):
        return False
    if not within_unit(array.flat[:GLANCE]) or not within_unit(array):
        return False
    if axis is None:
        return bool(array.size >= 32 and array.min() < 0.1 and array.max() > 0.9)
    return bool(array.shape[axis] > 1 and (abs(array.sum(axis) - 1) < NEAR).all())


def may_sum_to_one(array: Array, axis: int) -> bool:
    """Whether the first row may consist of probabilities; two of its elements tell nearly always."""
    if array.shape[axis] > 1 and array.item(0) + array.item(math.prod(array.shape[axis + 1 :])) > 1 + 2 * NEAR:
        return False
    return sums_to_one(first_row(array, axis), 2 * NEAR)


def first_row(array: Array, axis: int) -> Array:
    """The elements along an axis that stand first on all others."""
    place: tuple[Any, ...] = (*(0,) * axis, slice(None), *(0,) * (array.ndim - axis - 1))
    return np.asarray(array[place])


def sums_to_one(row: Array, tolerance: float) -> bool:
    """Whether the elements of a row sum to 1."""
    return bool(abs(np.add.reduce(row) - 1) < tolerance)


def within_unit(array: Array) -> bool:
    """Whether all elements lie in [0, 1]."""
    return bool(array.min() >= 0 and array.max() <= 1)
