"""Normalisations along axes: softmax, log_softmax, layer_norm.

Their derivatives go through `times`: where no cotangent arrives, none leaves, even from a row that has become NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.ir.errors import DTypeError, ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import FLOATING, Array, Shape, Type
from chainrule.ir.value import Carrier
from chainrule.ops.elementwise import add, exp, log, mul, rsqrt, times
from chainrule.ops.movement import normalise_axis
from chainrule.ops.promotion import floating
from chainrule.ops.reduction import amax, mean, sum_, var

# softmax: exp(x) / sum(exp(x)) ----------------------------------------------------------------------------------------


def from_the_top(x: Array, axis: int) -> Array:
    """x minus its maximum, which leaves a softmax as it is and keeps exp from overflowing."""
    x = np.ascontiguousarray(x)
    return np.asarray(x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf))


def softmax_reference(x: Array, *, axis: int) -> Array:
    weights = from_the_top(x, axis)
    np.exp(weights, out=weights)
    weights /= np.add.reduce(weights, axis=axis, keepdims=True)
    return weights


def _infer(x: Type, *, axis: int) -> Type:
    if not 0 <= axis < len(x.shape):
        raise ShapeError(f"softmax: {x} has no dimension {axis}.")
    return x


def _softmax_vjp(g: Carrier, y: Carrier, x: Carrier, *, axis: int) -> tuple[Carrier]:
    return (times(g - sum_(times(g, y), (axis,), True), y),)


def _expanded_softmax(x: Carrier, *, axis: int) -> Carrier:
    if x.shape[axis] == 0:
        return x
    weights = exp(x - amax(x, (axis,), True))
    return weights / sum_(weights, (axis,), True)


def _samples(rng: np.random.Generator) -> list[Any]:
    return [
        ((rng.standard_normal(shape),), {"axis": axis})
        for shape, axis in (((2, 3), 1), ((3, 2), 0), ((2, 3, 2), 1), ((4,), 0), ((2, 1), 1), ((2, 0), 1), ((0, 2), 1))
    ]


def softmax_cost(x: Array, **params: Any) -> float:
    """Nanoseconds of a softmax, or of what goes over its operand as often."""
    return 2.5 * x.size


_softmax = Primitive(
    "softmax",
    softmax_reference,
    _infer,
    _softmax_vjp,
    cost=softmax_cost,
    expand=_expanded_softmax,
    samples=_samples,
)


def softmax(x: Carrier, axis: int) -> Carrier:
    """exp(x) / sum(exp(x)) along an axis, without overflow; NaN along it if all are -inf or one is inf."""
    return _along_axis(_softmax, "softmax", x, axis)


def _along_axis(primitive: Primitive, name: str, x: Carrier, axis: int) -> Carrier:
    axis = normalise_axis(axis, len(x.shape), name)
    x = floating(x)
    return primitive(x, axis=axis) if x.shape else primitive(x.reshape((1,)), axis=0).reshape(())


# log_softmax: x - log(sum(exp(x))) ------------------------------------------------------------------------------------


def _log_softmax_reference(x: Array, *, axis: int) -> Array:
    shifted = from_the_top(x, axis)
    return np.asarray(shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True)))


def _log_softmax_vjp(g: Carrier, y: Carrier, x: Carrier, *, axis: int) -> tuple[Carrier]:
    return (g - times(sum_(g, (axis,), True), exp(y)),)


def _expanded_log_softmax(x: Carrier, *, axis: int) -> Carrier:
    if x.shape[axis] == 0:
        return x
    shifted = x - amax(x, (axis,), True)
    return shifted - log(sum_(exp(shifted), (axis,), True))


_log_softmax = Primitive(
    "log_softmax",
    _log_softmax_reference,
    _infer,
    _log_softmax_vjp,
    cost=softmax_cost,
    expand=_expanded_log_softmax,
    samples=_samples,
)


def log_softmax(x: Carrier, axis: int) -> Carrier:
    """log(softmax(x)) along an axis, exact where the softmax itself would be 0."""
    return _along_axis(_log_softmax, "log_softmax", x, axis)


# layer_norm: (x - mean) / sqrt(var + eps) over the trailing axes ------------------------------------------------------


def _layer_norm_reference(x: Array, *, trailing: int, eps: float) -> Array:
    shape = x.shape
    kept = shape[: len(shape) - trailing]
    count = math.prod(shape[len(kept) :])
    rows = np.ascontiguousarray(x).reshape((*kept, count))
    rows = rows - np.add.reduce(rows, axis=-1, keepdims=True) / count
    variance = np.add.reduce(rows * rows, axis=-1, keepdims=True) / count
    rows *= 1 / np.sqrt(variance + eps)
    return rows.reshape(shape)


def _infer_layer_norm(x: Type, *, trailing: int, eps: float) -> Type:
    if not 0 < trailing <= len(x.shape):
        raise ShapeError(f"layer_norm: {x} has no {trailing} trailing dimensions.")
    return x


def _layer_norm_vjp(g: Carrier, y: Carrier, x: Carrier, *, trailing: int, eps: float) -> tuple[Carrier]:
    axes = _trailing_axes(x.shape, trailing)
    scale = rsqrt(var(x, axes, 0, True) + eps)
    return (times(g - mean(g, axes, True) - times(mean(times(g, y), axes, True), y), scale),)


def _trailing_axes(shape: Shape, trailing: int) -> tuple[int, ...]:
    return tuple(range(len(shape) - trailing, len(shape)))


def _expanded_layer_norm(x: Carrier, *, trailing: int, eps: float) -> Carrier:
    axes = _trailing_axes(x.shape, trailing)
    return (x - mean(x, axes, True)) * rsqrt(var(x, axes, 0, True) + eps)


# Without weight and bias: they are elementwise, and y is what the gradient of the weight needs.
_layer_norm = Primitive(
    "layer_norm",
    _layer_norm_reference,
    _infer_layer_norm,
    _layer_norm_vjp,
    cost=lambda x, **params: 1.5 * x.size,
    expand=_expanded_layer_norm,
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"trailing": trailing, "eps": eps})
        for shape, trailing, eps in (
            ((2, 3), 1, 1e-5),
            ((2, 3, 2), 2, 0.1),
            ((4,), 1, 1e-5),
            ((2, 1), 1, 0.5),
            ((0, 3), 1, 1e-5),
            ((2, 0), 1, 1e-5),
        )
    ],
)


def layer_norm(
    x: Carrier,
    normalized_shape: Iterable[int],
    weight: Carrier | None = None,
    bias: Carrier | None = None,
    eps: float = 1e-5,
) -> Carrier:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the trailing axes, of lengths `normalized_shape`.

    The variance is that of the population. weight and bias have shape `normalized_shape`. Ba et al. 2016,
    https://arxiv.org/abs/1607.06450. ShapeError and DTypeError if they do not fit.
    """
    shape = tuple(normalized_shape)
    given = x.type
    if not shape or given.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"layer_norm: the input must end in the normalized shape {list(shape)}, of 1 or more; it is {given}."
        )
    if given.dtype.category != FLOATING:
        raise DTypeError(
            f"layer_norm: floating numbers are needed, not {given}. Convert it: `x.to(chainrule.float32)`."
        )
    y = _layer_norm(x, trailing=len(shape), eps=eps)
    if weight is not None:
        y = mul(y, _fitting("weight", weight, shape, given))
    if bias is not None:
        y = add(y, _fitting("bias", bias, shape, given))
    return y


def _fitting(name: str, affine: Carrier, shape: Shape, given: Type) -> Carrier:
    """A weight or bias that is of the normalized shape, and of the input's element type."""
    if affine.shape == shape and affine.dtype is given.dtype:
        return affine
    kind = ShapeError if affine.shape != shape else DTypeError
    wanted = Type(shape, given.dtype)
    raise kind(f"layer_norm: the {name} must be {wanted} for the input {given}, it is {affine.type}.")
