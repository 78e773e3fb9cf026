"""Orders and running results along one axis: cumulative sums and products, sorting, extremes with their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.primitive import Primitive, Rule
from chainrule.ir.types import FLOATING, Array, Shape, Type, int64
from chainrule.ir.value import Carrier
from chainrule.ops.indexing import gather
from chainrule.ops.movement import normalise_axis, pad, slice_axis
from chainrule.ops.points import pick
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import argmax, argmin

SAMPLES: tuple[tuple[Shape, int], ...] = (((2, 4), 1), ((3, 2), 0), ((2, 3, 2), 1), ((1,), 0), ((0,), 0), ((2, 0), 0))


def _along(name: str, x: Carrier, axis: int) -> tuple[Carrier, int]:
    """x with at least one dimension, and the axis counted from the front."""
    axis = normalise_axis(axis, len(x.shape), name)
    return (x if x.shape else x.reshape((1,))), axis


def _check_axis(x: Type, axis: int) -> None:
    if not 0 <= axis < len(x.shape):
        raise ShapeError(f"{x} has no dimension {axis}.")


# Running sums and products --------------------------------------------------------------------------------------------
# Added up one after another, in float64, as in PyTorch: a float32 sum over a long axis would lose its digits.


def _infer_running(x: Type, *, axis: int, reverse: bool = False) -> Type:
    _check_axis(x, axis)
    return x


def _running(ufunc: Any) -> Rule:
    def reference(x: Array, *, axis: int, reverse: bool = False) -> Array:
        wide = np.float64 if x.dtype.kind == "f" else x.dtype
        result = ufunc.accumulate(np.flip(x, axis) if reverse else x, axis, wide)
        return np.asarray(np.flip(result, axis) if reverse else result, x.dtype)

    return reference


_cumsum: Primitive = Primitive(
    "cumsum",
    _running(np.add),
    _infer_running,
    lambda g, y, x, *, axis, reverse: (_cumsum(g, axis=axis, reverse=not reverse),),
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"axis": axis, "reverse": reverse})
        for shape, axis in SAMPLES
        for reverse in (False, True)
    ],
)


def cumsum(x: Carrier, axis: int) -> Carrier:
    """y_i = x_0 + ... + x_i along an axis. Of integers and bools in int64."""
    shape = x.shape
    x, axis = _along("cumsum", x if x.dtype.category == FLOATING else cast(x, int64), axis)
    return _cumsum(x, axis=axis, reverse=False).reshape(shape)


# The derivative of a product by one factor is the product of the others, which is not y / x beside zeros. Both it and
# the product are linear recurrences, and these are closed under differentiation without any division:
#     s_i = b_i + a_i s_(i-1), from the front or (`reverse`) with s_(i+1) from the back; the first a is not used.


def _recurrence_reference(a: Array, b: Array, *, axis: int, reverse: bool) -> Array:
    factors, terms = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    result = np.empty(b.shape, np.float64)
    rows = np.moveaxis(result, axis, 0)
    order = range(len(rows))
    previous = None
    for i in reversed(order) if reverse else order:
        rows[i] = terms[i] if previous is None else terms[i] + factors[i] * rows[previous]
        previous = i
    return result.astype(b.dtype)


def _infer_recurrence(a: Type, b: Type, *, axis: int, reverse: bool) -> Type:
    _check_axis(a, axis)
    assert a == b, f"recurrence: factors {a} and terms {b}"
    return b


def _recurrence_vjp(
    g: Carrier, y: Carrier, a: Carrier, b: Carrier, *, axis: int, reverse: bool
) -> tuple[Carrier, Carrier]:
    # s_i reaches s_(i+1) through a_(i+1), so the cotangents of the s_i are the same recurrence, run the other way
    to_terms = _recurrence(_moved(a, axis, not reverse, 0), g, axis=axis, reverse=not reverse)
    return to_terms * _moved(y, axis, reverse, 0), to_terms


def _moved(x: Carrier, axis: int, backwards: bool, filler: int) -> Carrier:
    """x moved by one place along an axis: the element before it (`backwards`: behind it) stands at each place."""
    n = x.shape[axis]
    if n == 0:
        return x
    kept = slice_axis(x, axis, 1, n) if backwards else slice_axis(x, axis, 0, n - 1)
    one, none = tuple(int(k == axis) for k in range(len(x.shape))), (0,) * len(x.shape)
    return pad(kept, none, one, value=filler) if backwards else pad(kept, one, none, value=filler)


_recurrence: Primitive = Primitive(
    "recurrence",
    _recurrence_reference,
    _infer_recurrence,
    _recurrence_vjp,
    samples=lambda rng: [
        ((rng.standard_normal(shape), rng.standard_normal(shape)), {"axis": axis, "reverse": reverse})
        for shape, axis in SAMPLES
        for reverse in (False, True)
    ],
)


def recurrence(a: Carrier, b: Carrier, axis: int, reverse: bool = False) -> Carrier:
    """s_i = b_i + a_i s_(i-1) along an axis, starting with b_0; with `reverse` from the other end."""
    if a.type != b.type:
        raise ShapeError(f"recurrence: factors and terms must be of one type, they are {a.type} and {b.type}.")
    shape = b.shape
    a, b = _along("recurrence", a, axis)[0], _along("recurrence", b, axis)[0]
    return _recurrence(a, b, axis=normalise_axis(axis, len(shape), "recurrence"), reverse=reverse).reshape(shape)


def _cumprod_vjp(g: Carrier, y: Carrier, x: Carrier, *, axis: int) -> tuple[Carrier]:
    after = _recurrence(_moved(x, axis, True, 0), g, axis=axis, reverse=True)
    return (after * _moved(y, axis, False, 1),)


def _expanded_cumprod(x: Carrier, *, axis: int) -> Carrier:
    first, none = slice_axis(x, axis, 0, min(1, x.shape[axis])), (0,) * len(x.shape)
    rest = tuple(max(0, x.shape[axis] - 1) if k == axis else 0 for k in range(len(x.shape)))
    return _recurrence(x, pad(first, none, rest), axis=axis, reverse=False)


_cumprod = Primitive(
    "cumprod",
    _running(np.multiply),
    _infer_running,
    _cumprod_vjp,
    expand=_expanded_cumprod,
    samples=lambda rng: [
        ((x,), {"axis": axis})
        for shape, axis in SAMPLES
        for x in (rng.standard_normal(shape), rng.integers(0, 2, shape) * rng.standard_normal(shape))
    ],
)


def cumprod(x: Carrier, axis: int) -> Carrier:
    """y_i = x_0 * ... * x_i along an axis. Of integers and bools in int64."""
    shape = x.shape
    x, axis = _along("cumprod", x if x.dtype.category == FLOATING else cast(x, int64), axis)
    return _cumprod(x, axis=axis).reshape(shape)


# Sorting --------------------------------------------------------------------------------------------------------------


def _argsort_reference(x: Array, *, axis: int, descending: bool) -> Array:
    """Equal elements keep their order. NaN counts as larger than all, as in PyTorch."""
    if not descending:
        return np.argsort(x, axis, kind="stable")
    backwards = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.asarray(x.shape[axis] - 1 - np.flip(backwards, axis))


def _infer_argsort(x: Type, *, axis: int, descending: bool) -> Type:
    _check_axis(x, axis)
    return Type(x.shape, int64)


_argsort = Primitive(
    "argsort",
    _argsort_reference,
    _infer_argsort,
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"axis": axis, "descending": descending})
        for shape, axis in SAMPLES
        for descending in (False, True)
    ],
)


def argsort(x: Carrier, axis: int = -1, descending: bool = False) -> Carrier:
    """The order of the elements along an axis: where the smallest (`descending`: the largest) stands, and so on.

    Equal elements keep their order. NaN counts as larger than everything.
    """
    shape = x.shape
    x, axis = _along("argsort", x, axis)
    return _argsort(x, axis=axis, descending=descending).reshape(shape)


def sort(x: Carrier, axis: int = -1, descending: bool = False) -> tuple[Carrier, Carrier]:
    """The elements in order along an axis, and where each stood."""
    order = argsort(x, axis, descending)
    return gather(x, order, axis), order


def topk(x: Carrier, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Carrier, Carrier]:
    """The k largest (or smallest) elements along an axis and their places; always in order, whatever `sorted` says."""
    axis = normalise_axis(axis, len(x.shape), "topk")
    size = x.shape[axis] if x.shape else 1
    if not 0 <= k <= size:
        raise ArgumentError(f"topk: k must be 0 to {size}, the length of dimension {axis} of {x.type}, not {k}.")
    order = argsort(x, axis, largest)
    places = slice_axis(order, axis, 0, k) if x.shape else order
    return gather(x, places, axis), places


# Extremes with their places -------------------------------------------------------------------------------------------


def max_with_index(x: Carrier, axis: int, keepdims: bool = False) -> tuple[Carrier, Carrier]:
    """The largest element along an axis and the place of the first such; that one alone gets the gradient."""
    return _extreme("max", argmax, x, axis, keepdims)


def min_with_index(x: Carrier, axis: int, keepdims: bool = False) -> tuple[Carrier, Carrier]:
    """The smallest element along an axis and the place of the first such; that one alone gets the gradient."""
    return _extreme("min", argmin, x, axis, keepdims)


def _extreme(
    name: str, position: Callable[[Carrier, int], Carrier], x: Carrier, axis: int, keepdims: bool
) -> tuple[Carrier, Carrier]:
    shape = x.shape
    x, axis = _along(name, x, axis)
    if 0 in shape and shape[axis] == 0:
        raise ShapeError(f"{name}: dimension {axis} of {x.type} is empty, so there is no {name}.")
    index = position(x, axis)
    values = pick(x, index, axis)
    if not keepdims or not shape:
        return values, index
    after = (*shape[:axis], 1, *shape[axis + 1 :])
    return values.reshape(after), index.reshape(after)
