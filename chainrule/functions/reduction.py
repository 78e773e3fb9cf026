"""Reductions: PyTorch's `dim` and `keepdim` over the primitives of ops/reduction.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from chainrule.functions.table import function, is_carrier
from chainrule.ir.errors import ArgumentError, DTypeError
from chainrule.ir.types import FLOATING, DType, dtype_of, uint8
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import ordering, reduction
from chainrule.ops.elementwise import where
from chainrule.ops.movement import normalise_axes, normalise_axis
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import reduced_shape

Dim = int | Sequence[int] | None


def axes_of(what: str, x: Carrier, dim: Dim) -> tuple[int, ...]:
    """The axes that `dim` names: all for None and for an empty tuple."""
    if dim is None:
        return tuple(range(len(x.shape)))
    if isinstance(dim, int):
        return normalise_axes(dim, len(x.shape), what)
    return normalise_axes(tuple(dim) or None, len(x.shape), what)


def as_dtype(x: Carrier, dtype: Any) -> Carrier:
    """x in the element type that `dtype=` asks for, if any."""
    return x if dtype is None else cast(x, dtype_of(dtype))


def floats_only(what: str, x: Carrier) -> Carrier:
    """x, which must be of floating point."""
    if x.dtype.category != FLOATING:
        raise DTypeError(f"{what}: a floating tensor is needed, not {x.type}. Convert it: `x.float().{what}(...)`.")
    return x


# Sums -----------------------------------------------------------------------------------------------------------------


@function("sum", method=True)
def sum_(input: Carrier, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Carrier:
    """The sum over `dim` (all dimensions if None). Of integers and bools in int64."""
    return reduction.sum_(as_dtype(input, dtype), axes_of("sum", input, dim), keepdim)


@function("nansum", method=True)
def nansum(input: Carrier, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Carrier:
    """The sum, with NaN counted as 0."""
    x = as_dtype(input, dtype)
    x = ops.zero_where(ops.isnan(x), x) if x.dtype.category == FLOATING else x
    return reduction.sum_(x, axes_of("nansum", input, dim), keepdim)


@function("mean", method=True)
def mean(input: Carrier, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Carrier:
    """The mean over `dim` (all dimensions if None); of no elements NaN."""
    x = floats_only("mean", as_dtype(input, dtype))
    return reduction.mean(x, axes_of("mean", input, dim), keepdim)


@function("nanmean", method=True)
def nanmean(input: Carrier, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None) -> Carrier:
    """The mean of what is not NaN."""
    x = floats_only("nanmean", as_dtype(input, dtype))
    axes, missing = axes_of("nanmean", input, dim), ops.isnan(x)
    number = reduction.sum_(cast(ops.logical_not(missing), x.dtype), axes, keepdim)
    return ops.div(reduction.sum_(ops.zero_where(missing, x), axes, keepdim), number)


@function("prod", method=True)
def prod(input: Carrier, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Carrier:
    """The product over `dim` (all dimensions if None). Of integers and bools in int64."""
    return reduction.prod(as_dtype(input, dtype), axes_of("prod", input, dim), keepdim)


@function("count_nonzero", method=True)
def count_nonzero(input: Carrier, dim: Dim = None) -> Carrier:
    """How many elements are not 0."""
    return reduction.sum_(ops.ne(input, 0), axes_of("count_nonzero", input, dim))


# Variance -------------------------------------------------------------------------------------------------------------


def _variance(what: str, x: Carrier, dim: Any, unbiased: Any, correction: Any, keepdim: bool) -> Carrier:
    """PyTorch's two forms: (dim, unbiased, keepdim), where `unbiased` may come first, and (dim, correction=)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    elif unbiased is not None:
        raise ArgumentError(f"{what}: give `correction` or `unbiased`, not both; unbiased=True is correction=1.")
    return reduction.var(floats_only(what, x), axes_of(what, x, dim), correction, keepdim)


def _root(variance: Carrier) -> Carrier:
    """The standard deviation, whose derivative is taken as 0 where it is 0."""
    zero = ops.eq(variance, 0)
    return where(zero, variance, ops.sqrt(where(zero, 1.0, variance)))


@function("var", method=True)
def var(
    input: Carrier, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> Carrier:
    """The variance over `dim`: squared deviations from the mean, divided by max(0, n - correction). correction=1."""
    return _variance("var", input, dim, unbiased, correction, keepdim)


@function("std", method=True)
def std(
    input: Carrier, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> Carrier:
    """The root of the variance over `dim`. Its derivative is 0 where all elements are equal."""
    return _root(_variance("std", input, dim, unbiased, correction, keepdim))


@function("var_mean")
def var_mean(
    input: Carrier, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Carrier, Carrier]:
    """The variance and the mean."""
    axes = axes_of("var_mean", input, None if isinstance(dim, bool) else dim)
    return _variance("var_mean", input, dim, unbiased, correction, keepdim), reduction.mean(input, axes, keepdim)


@function("std_mean")
def std_mean(
    input: Carrier, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Carrier, Carrier]:
    """The standard deviation and the mean."""
    axes = axes_of("std_mean", input, None if isinstance(dim, bool) else dim)
    variance = _variance("std_mean", input, dim, unbiased, correction, keepdim)
    return _root(variance), reduction.mean(input, axes, keepdim)


# Extremes -------------------------------------------------------------------------------------------------------------


class Extreme(NamedTuple):
    """What max, min, sort and topk over a dimension return."""

    values: Any
    indices: Any

    def __repr__(self) -> str:
        return f"return_types(\nvalues={self.values!r},\nindices={self.indices!r})"


class MinMax(NamedTuple):
    """What aminmax returns."""

    min: Any
    max: Any


@function("amax", method=True)
def amax(input: Carrier, dim: Dim = (), keepdim: bool = False) -> Carrier:
    """The largest element over `dim` (all dimensions if empty). Ties share the gradient."""
    return reduction.amax(input, axes_of("amax", input, dim), keepdim)


@function("amin", method=True)
def amin(input: Carrier, dim: Dim = (), keepdim: bool = False) -> Carrier:
    """The smallest element over `dim` (all dimensions if empty). Ties share the gradient."""
    return reduction.amin(input, axes_of("amin", input, dim), keepdim)


@function("aminmax", method=True)
def aminmax(input: Carrier, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest element."""
    axes = axes_of("aminmax", input, dim)
    return MinMax(reduction.amin(input, axes, keepdim), reduction.amax(input, axes, keepdim))


@function("max", method=True)
def max_(input: Carrier, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Three forms: max(x), max(x, dim) -> (values, indices), max(x, other) element by element."""
    if is_carrier(dim) or other is not None:
        return ops.maximum(input, dim if other is None else other)
    if dim is None:
        return reduction.amax(input, axes_of("max", input, None), keepdim)
    return Extreme(*ordering.max_with_index(input, dim, keepdim))


@function("min", method=True)
def min_(input: Carrier, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Three forms: min(x), min(x, dim) -> (values, indices), min(x, other) element by element."""
    if is_carrier(dim) or other is not None:
        return ops.minimum(input, dim if other is None else other)
    if dim is None:
        return reduction.amin(input, axes_of("min", input, None), keepdim)
    return Extreme(*ordering.min_with_index(input, dim, keepdim))


def _position(what: str, operation: Any, x: Carrier, dim: int | None, keepdim: bool) -> Carrier:
    flat = dim is None or not x.shape
    if dim is not None:
        dim = normalise_axis(dim, len(x.shape), what)
    place = operation(x.reshape((x.type.size,)) if flat else x, 0 if flat else dim)
    return place.reshape(reduced_shape(x.shape, axes_of(what, x, dim), keepdim))


@function("argmax", method=True)
def argmax(input: Carrier, dim: int | None = None, keepdim: bool = False) -> Carrier:
    """The index of the first largest element along `dim`, or in the flattened tensor if None."""
    return _position("argmax", reduction.argmax, input, dim, keepdim)


@function("argmin", method=True)
def argmin(input: Carrier, dim: int | None = None, keepdim: bool = False) -> Carrier:
    """The index of the first smallest element along `dim`, or in the flattened tensor if None."""
    return _position("argmin", reduction.argmin, input, dim, keepdim)


# Truth ----------------------------------------------------------------------------------------------------------------


def _truth(what: str, operation: Any, x: Carrier, dim: Dim, keepdim: bool) -> Carrier:
    axes = () if dim is not None and not isinstance(dim, int) and not len(dim) else axes_of(what, x, dim)
    result = operation(x, axes, keepdim)
    return cast(result, uint8) if x.dtype is uint8 else result  # as PyTorch has it


@function("any", method=True)
def any_(input: Carrier, dim: Dim = None, keepdim: bool = False) -> Carrier:
    """Whether some element is not 0."""
    return _truth("any", reduction.any_, input, dim, keepdim)


@function("all", method=True)
def all_(input: Carrier, dim: Dim = None, keepdim: bool = False) -> Carrier:
    """Whether no element is 0."""
    return _truth("all", reduction.all_, input, dim, keepdim)


# Logarithm of a sum ---------------------------------------------------------------------------------------------------


@function("logsumexp", method=True)
def logsumexp(input: Carrier, dim: Dim, keepdim: bool = False) -> Carrier:
    """log(sum(e^x)) over `dim`, without overflow."""
    return reduction.logsumexp(input, axes_of("logsumexp", input, dim), keepdim)
