"""Reductions over axes. `axes` is a sorted tuple counted from the front; an empty one reduces nothing.

The order of additions depends on the shape alone: a reference first makes its operand contiguous.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.errors import ShapeError
from chainrule.ir.operators import operator
from chainrule.ir.primitive import Primitive, Rule
from chainrule.ir.types import FLOATING, Array, Shape, Type, bool_, int64
from chainrule.ir.value import Carrier
from chainrule.ops.creation import full, iota
from chainrule.ops.elementwise import eq, exp, log, ne, over, sub, times, where, zero_where
from chainrule.ops.movement import broadcast_to
from chainrule.ops.promotion import cast, floating

Axes = tuple[int, ...]
SAMPLES: tuple[tuple[Shape, Axes], ...] = (
    ((2, 3), (1,)),
    ((2, 3, 2), (0, 2)),
    ((3,), (0,)),
    ((2, 1), (0, 1)),
    ((), ()),
    ((2, 3), ()),
)
EMPTY: tuple[tuple[Shape, Axes], ...] = (((0, 3), (0,)), ((2, 0), (0,)))


def reduced_shape(shape: Shape, axes: Axes, keepdims: bool) -> Shape:
    """The shape that a reduction leaves."""
    if keepdims:
        return tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    return tuple(length for axis, length in enumerate(shape) if axis not in axes)


def _infer(x: Type, *, axes: Axes, keepdims: bool, correction: float = 0) -> Type:
    if any(not 0 <= axis < len(x.shape) for axis in axes):
        raise ShapeError(f"reduction: {x} has no dimensions {axes}.")
    return Type(reduced_shape(x.shape, axes, keepdims), x.dtype)


def _infer_truth(x: Type, *, axes: Axes, keepdims: bool) -> Type:
    return Type(_infer(x, axes=axes, keepdims=keepdims).shape, bool_)


def restore(reduced: Carrier, x: Carrier, axes: Axes) -> Carrier:
    """A reduced value repeated over the axes that the reduction of x removed."""
    return broadcast_to(reduced.reshape(reduced_shape(x.shape, axes, True)), x.shape)


def _samples(with_empty: bool) -> Rule:
    def samples(rng: np.random.Generator) -> list[Any]:
        return [
            ((rng.standard_normal(shape),), {"axes": axes, "keepdims": keepdims})
            for shape, axes in SAMPLES + (EMPTY if with_empty else ())
            for keepdims in (False, True)
        ]

    return samples


def _numpy(ufunc: Any) -> Rule:
    def reference(x: Array, *, axes: Axes, keepdims: bool) -> Array:
        if not axes:
            return x
        return np.asarray(ufunc.reduce(np.ascontiguousarray(x), axis=axes, dtype=x.dtype, keepdims=keepdims))

    return reference


def _truth(ufunc: Any) -> Rule:
    return lambda x, *, axes, keepdims: ufunc.reduce(x != 0, axis=axes, keepdims=keepdims)


# sum, prod ------------------------------------------------------------------------------------------------------------

_sum = Primitive(
    "sum",
    _numpy(np.add),
    _infer,
    lambda g, y, x, *, axes, keepdims: (restore(g, x, axes),),
    samples=_samples(True),
)


def _widened(x: Carrier) -> Carrier:
    """Sums and products of integers and bools are computed in int64, as PyTorch does."""
    return x if x.dtype.category == FLOATING else cast(x, int64)


@operator("sum")
def sum_(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """The sum over axes."""
    return _sum(_widened(x), axes=axes, keepdims=keepdims)


def mean(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """The mean over axes; of no elements it is NaN."""
    x = floating(x)
    return sum_(x, axes, keepdims) / count(x.shape, axes)


def count(shape: Shape, axes: Axes) -> int:
    """How many elements a reduction folds into one."""
    result = 1
    for axis in axes:
        result *= shape[axis]
    return result


def _deviation(x: Carrier, axes: Axes) -> Carrier:
    return x - broadcast_to(mean(x, axes, True), x.shape)


def _freedom(shape: Shape, axes: Axes, correction: float) -> float:
    return max(0, count(shape, axes) - correction)


def _var_reference(x: Array, *, axes: Axes, correction: float, keepdims: bool) -> Array:
    x = np.asarray(x, order="C")  # of no dimensions too
    deviation = x - _sum.reference(x, axes=axes, keepdims=True) / x.dtype.type(count(x.shape, axes))
    total = _sum.reference(deviation * deviation, axes=axes, keepdims=keepdims)
    return np.asarray(total / x.dtype.type(_freedom(x.shape, axes, correction)))


def _var_vjp(g: Carrier, y: Carrier, x: Carrier, *, axes: Axes, correction: float, keepdims: bool) -> tuple[Carrier]:
    # what reaches x through the mean is 0, since the deviations add up to 0
    return (restore(over(g * 2.0, _freedom(x.shape, axes, correction)), x, axes) * _deviation(x, axes),)


def _expanded_var(x: Carrier, *, axes: Axes, correction: float, keepdims: bool) -> Carrier:
    deviation = _deviation(x, axes)
    return sum_(deviation * deviation, axes, keepdims) / _freedom(x.shape, axes, correction)


_var = Primitive(
    "var",
    _var_reference,
    _infer,
    _var_vjp,
    expand=_expanded_var,
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"axes": axes, "correction": correction, "keepdims": keepdims})
        for shape, axes in SAMPLES
        for correction, keepdims in ((0, False), (1, True))
        if count(shape, axes) > correction
    ],
)


def var(x: Carrier, axes: Axes, correction: float = 1, keepdims: bool = False) -> Carrier:
    """The variance over axes: squared deviations from the mean, divided by max(0, n - correction)."""
    return _var(floating(x), axes=axes, correction=correction, keepdims=keepdims)


def _prod_vjp(g: Carrier, y: Carrier, x: Carrier, *, axes: Axes, keepdims: bool) -> tuple[Carrier]:
    return (times(restore(g, x, axes), _others_product(x, axes)),)


def _others_product(x: Carrier, axes: Axes) -> Carrier:
    """For each element, the product of all others along `axes`: exact beside zeros too."""
    kept = tuple(axis for axis in range(len(x.shape)) if axis not in axes)
    moved = x.permute(kept + axes)
    n = count(x.shape, axes)
    rows = moved.reshape((*(x.shape[axis] for axis in kept), 1, n))
    rows = broadcast_to(rows, (*rows.shape[:-2], n, n))
    own = eq(iota(n, int64).reshape((n, 1)), iota(n, int64).reshape((1, n)))
    others = where(own, full(rows.shape, 1, x.dtype), rows)
    product = _prod(others, axes=(len(rows.shape) - 1,), keepdims=False)
    order = kept + axes
    return product.reshape(moved.shape).permute(tuple(sorted(range(len(order)), key=order.__getitem__)))


_prod = Primitive("prod", _numpy(np.multiply), _infer, _prod_vjp, samples=_samples(True))


def prod(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """The product over axes."""
    return _prod(_widened(x), axes=axes, keepdims=keepdims)


# max, min -------------------------------------------------------------------------------------------------------------


def _extreme_vjp(g: Carrier, y: Carrier, x: Carrier, *, axes: Axes, keepdims: bool) -> tuple[Carrier]:
    ties = eq(x, restore(y, x, axes))  # ties share the cotangent equally, as PyTorch's amax does
    number = sum_(cast(ties, g.dtype), axes, keepdims)
    return (zero_where(ne(x, restore(y, x, axes)), restore(g / number, x, axes)),)


def _nonempty(name: str) -> Rule:
    def infer(x: Type, *, axes: Axes, keepdims: bool) -> Type:
        if any(x.shape[axis] == 0 for axis in axes):
            raise ShapeError(f"{name}: the dimension is empty in {x}, so there is no {name}.")
        return _infer(x, axes=axes, keepdims=keepdims)

    return infer


_max = Primitive("max", _numpy(np.maximum), _nonempty("max"), _extreme_vjp, samples=_samples(False))
_min = Primitive("min", _numpy(np.minimum), _nonempty("min"), _extreme_vjp, samples=_samples(False))


def amax(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """The largest element over axes; NaN if there is one."""
    if 0 in x.shape:
        _nonempty("max")(x.type, axes=axes, keepdims=keepdims)
    return _max(x, axes=axes, keepdims=keepdims)


def amin(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """The smallest element over axes; NaN if there is one."""
    if 0 in x.shape:
        _nonempty("min")(x.type, axes=axes, keepdims=keepdims)
    return _min(x, axes=axes, keepdims=keepdims)


# argmax, argmin, any, all ---------------------------------------------------------------------------------------------


def _infer_position(x: Type, *, axis: int) -> Type:
    if x.shape[axis] == 0:
        raise ShapeError(f"argmax/argmin: dimension {axis} of {x} is empty.")
    return Type(x.shape[:axis] + x.shape[axis + 1 :], int64)


def _position_samples(rng: np.random.Generator) -> list[Any]:
    return [((rng.standard_normal(shape),), {"axis": axis}) for shape, axis in (((2, 3), 1), ((3, 0, 2), 0), ((1,), 0))]


_argmax = Primitive("argmax", lambda x, *, axis: x.argmax(axis), _infer_position, samples=_position_samples)
_argmin = Primitive("argmin", lambda x, *, axis: x.argmin(axis), _infer_position, samples=_position_samples)


def argmax(x: Carrier, axis: int) -> Carrier:
    """The index of the first largest element along an axis."""
    if 0 in x.shape:
        _infer_position(x.type, axis=axis)
    return _argmax(x, axis=axis)


def argmin(x: Carrier, axis: int) -> Carrier:
    """The index of the first smallest element along an axis."""
    if 0 in x.shape:
        _infer_position(x.type, axis=axis)
    return _argmin(x, axis=axis)


_any = Primitive("any", _truth(np.logical_or), _infer_truth, samples=_samples(True))
_all = Primitive("all", _truth(np.logical_and), _infer_truth, samples=_samples(True))


def any_(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """Whether some element over axes is not zero."""
    return _any(x, axes=axes, keepdims=keepdims)


def all_(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """Whether every element over axes is not zero."""
    return _all(x, axes=axes, keepdims=keepdims)


# logsumexp ------------------------------------------------------------------------------------------------------------


def _logsumexp_reference(x: Array, *, axes: Axes, keepdims: bool) -> Array:
    top = np.maximum.reduce(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, np.zeros_like(top))
    total = np.add.reduce(np.ascontiguousarray(np.exp(x - top)), axis=axes, keepdims=True)
    result = np.log(total) + top
    return np.asarray(result.reshape(reduced_shape(x.shape, axes, keepdims)))


def _logsumexp_vjp(g: Carrier, y: Carrier, x: Carrier, *, axes: Axes, keepdims: bool) -> tuple[Carrier]:
    # where y is infinite x - y is NaN or +-inf; PyTorch has the same 0 there after its masked fill
    top = where(eq(y, float("-inf")), 0.0, y)
    return (times(restore(g, x, axes), exp(sub(x, restore(top, x, axes)))),)


_logsumexp = Primitive(
    "logsumexp",
    _logsumexp_reference,
    _infer,
    _logsumexp_vjp,
    expand=lambda x, *, axes, keepdims: _expanded_logsumexp(x, axes, keepdims),
    samples=_samples(True),
)


def _expanded_logsumexp(x: Carrier, axes: Axes, keepdims: bool) -> Carrier:
    if count(x.shape, axes) == 0:
        return log(sum_(exp(x), axes, keepdims))  # there is no largest element of none
    top = amax(x, axes, True)
    top = where(eq(times(top, 0.0), 0.0), top, 0.0)  # not finite: shift by nothing
    total = sum_(exp(x - broadcast_to(top, x.shape)), axes, True)
    return (log(total) + top).reshape(reduced_shape(x.shape, axes, keepdims))


def logsumexp(x: Carrier, axes: Axes, keepdims: bool = False) -> Carrier:
    """log(sum(exp(x))) over axes, without overflow."""
    return _logsumexp(floating(x), axes=axes, keepdims=keepdims)
