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
from chainrule.ops.movement import broadcast_to, normalise_axis
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


_softmax = Primitive(
    "softmax",
    softmax_reference,
    _infer,
    _softmax_vjp,
    cost=lambda x: 2.5 * x.size,
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
    cost=lambda x: 2.5 * x.size,
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
    cost=lambda x: 1.5 * x.size,
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


# affine: y * weight + bias, of a weight and a bias for the trailing axes; one eager call in place of four -------------


def _infer_affine(y: Type, weight: Type, bias: Type) -> Type:
    if not weight == bias == Type(y.shape[len(y.shape) - len(weight.shape) :], y.dtype):
        raise ShapeError(f"affine: a weight and a bias of the trailing axes are needed: {y}, {weight}, {bias}.")
    return y


def _affine_vjp(g: Carrier, z: Carrier, y: Carrier, weight: Carrier, bias: Carrier) -> tuple[Carrier, ...]:
    leading = tuple(range(len(g.shape) - len(weight.shape)))
    to_bias, to_weight = (sum_(flow, leading) if leading else flow for flow in (g, g * y))
    return g * broadcast_to(weight, g.shape), to_weight, to_bias


_affine = Primitive(
    "affine",
    lambda y, weight, bias: y * weight + bias,
    _infer_affine,
    _affine_vjp,
    expand=lambda y, weight, bias: y * broadcast_to(weight, y.shape) + broadcast_to(bias, y.shape),
    samples=lambda rng: [
        ((rng.standard_normal(shape), rng.standard_normal(trailing), rng.standard_normal(trailing)), {})
        for shape, trailing in (((2, 3), (3,)), ((2, 3, 2), (3, 2)), ((4,), (4,)), ((0, 3), (3,)), ((2, 0), (0,)))
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
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"layer_norm: the input must end in the normalized shape {list(shape)}, of 1 or more; it is {x.type}."
        )
    if x.dtype.category != FLOATING:
        raise DTypeError(
            f"layer_norm: floating numbers are needed, not {x.type}. Convert it: `x.to(chainrule.float32)`."
        )
    y = _layer_norm(x, trailing=len(shape), eps=eps)
    if weight is not None:
        _check_fits("weight", weight, shape, x)
        if bias is None:
            return mul(y, weight)
        _check_fits("bias", bias, shape, x)
        return _affine(y, weight, bias)
    if bias is not None:
        _check_fits("bias", bias, shape, x)
        return add(y, bias)
    return y


def _check_fits(name: str, affine: Carrier, shape: Shape, x: Carrier) -> None:
    """Raises unless a weight or bias is of the normalized shape, and of the input's element type."""
    if affine.shape == shape and affine.dtype is x.dtype:
        return
    kind = ShapeError if affine.shape != shape else DTypeError
    wanted = Type(shape, x.dtype)
    raise kind(f"layer_norm: the {name} must be {wanted} for the input {x.type}, it is {affine.type}.")
