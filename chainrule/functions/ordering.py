"""What goes along one dimension and keeps it: running sums, orders, softmax."""

from __future__ import annotations

from typing import Any

from chainrule.functions.reduction import Extreme, as_dtype
from chainrule.functions.table import function
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.types import FLOATING, DType
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import normalise, ordering, promotion
from chainrule.ops.creation import full
from chainrule.ops.elementwise import where
from chainrule.ops.indexing import gather
from chainrule.ops.movement import normalise_axis, slice_axis
from chainrule.ops.reduction import any_, argmax

# Running results and softmax ------------------------------------------------------------------------------------------


@function("cumsum", method=True, in_place_too=True)
def cumsum(input: Carrier, dim: int, *, dtype: DType | None = None) -> Carrier:
    """The running sum along `dim`."""
    return ordering.cumsum(as_dtype(input, dtype), dim)


@function("cumprod", method=True, in_place_too=True)
def cumprod(input: Carrier, dim: int, *, dtype: DType | None = None) -> Carrier:
    """The running product along `dim`."""
    return ordering.cumprod(as_dtype(input, dtype), dim)


def floats(what: str, x: Carrier, dtype: DType | None) -> Carrier:
    """x as `dtype`, which must be of floating point."""
    x = as_dtype(x, dtype)
    if x.dtype.category != FLOATING:
        raise ArgumentError(f"{what}: a floating tensor is needed, not {x.type}. Convert it: `x.float()`.")
    return x


@function("softmax", method=True)
def softmax(input: Carrier, dim: int, *, dtype: DType | None = None) -> Carrier:
    """e^x / sum(e^x) along `dim`, without overflow."""
    return normalise.softmax(floats("softmax", input, dtype), dim)


@function("log_softmax", method=True)
def log_softmax(input: Carrier, dim: int, *, dtype: DType | None = None) -> Carrier:
    """x - log(sum(e^x)) along `dim`, without overflow."""
    return normalise.log_softmax(floats("log_softmax", input, dtype), dim)


# Orders ---------------------------------------------------------------------------------------------------------------


@function("sort", method=True)
def sort(input: Carrier, dim: int = -1, descending: bool = False, stable: bool = True) -> Extreme:
    """The elements in order along `dim`, and where each stood. Equal ones keep their order."""
    return Extreme(*ordering.sort(input, dim, descending))


@function("argsort", method=True)
def argsort(input: Carrier, dim: int = -1, descending: bool = False, stable: bool = True) -> Carrier:
    """Where the smallest (`descending`: the largest) element along `dim` stands, the next one, and so on."""
    return ordering.argsort(input, dim, descending)


@function("msort", method=True)
def msort(input: Carrier) -> Carrier:
    """The elements in order along the first dimension."""
    return ordering.sort(input, 0)[0]


@function("topk", method=True)
def topk(input: Carrier, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extreme:
    """The k largest (or smallest) elements along `dim` and their places, in order."""
    return Extreme(*ordering.topk(input, k, dim, largest, sorted))


def _kth(x: Carrier, k: int, dim: int, keepdim: bool) -> tuple[Carrier, Carrier]:
    """The k-th smallest element along `dim` (counted from 1) and its place."""
    shape = x.shape
    x = x if shape else x.reshape((1,))
    place = slice_axis(ordering.argsort(x, dim), dim, k - 1, k)
    after = shape[:dim] + (1,) * (keepdim and bool(shape)) + shape[dim + 1 :]
    return gather(x, place, dim).reshape(after), place.reshape(after)


@function("kthvalue", method=True)
def kthvalue(input: Carrier, k: int, dim: int = -1, keepdim: bool = False) -> Extreme:
    """The k-th smallest element along `dim` (counted from 1) and its place."""
    dim = normalise_axis(dim, len(input.shape), "kthvalue")
    length = input.shape[dim] if input.shape else 1
    if not 1 <= k <= length:
        raise ArgumentError(f"kthvalue: k must be 1 to {length}, the length of dimension {dim}, not {k}.")
    return Extreme(*_kth(input, k, dim, keepdim))


@function("median", method=True)
def median(input: Carrier, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element (the lower of two): of all, or along `dim` as (values, indices). NaN if there is one."""
    x, axis = (input.reshape((input.type.size,)), 0) if dim is None else (input, dim)
    axis = normalise_axis(axis, len(x.shape), "median")
    length = x.shape[axis] if x.shape else 1
    if length == 0:
        raise ShapeError(f"median: dimension {axis} of {x.type} is empty, so there is no median.")
    value, place = _kth(x, (length + 1) // 2, axis, keepdim)
    if x.dtype.category == FLOATING and x.shape:
        unknown = ops.isnan(x)
        spoilt = any_(unknown, (axis,), keepdim)
        value = where(spoilt, full((), float("nan"), x.dtype), value)
        place = where(spoilt, argmax(promotion.cast(unknown, x.dtype), axis).reshape(place.shape), place)
    return value if dim is None else Extreme(value, place)
