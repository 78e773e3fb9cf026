"""Normalisations: of each feature over the batch, of each example over its features, to unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.functions.norms import p_norm
from chainrule.functions.table import needs_tensor, on_tensors, unwrap
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier
from chainrule.ops import normalise
from chainrule.ops.elementwise import clamp, rsqrt, square
from chainrule.ops.movement import normalise_axis
from chainrule.ops.reduction import count, mean, sum_
from chainrule.tensor import Tensor


def layer_norm(
    input: Tensor | Array,
    normalized_shape: Sequence[int],
    weight: Tensor | Array | None = None,
    bias: Tensor | Array | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, of lengths normalized_shape.

    The variance is the biased one. Ba et al. 2016, https://arxiv.org/abs/1607.06450.
    """
    x = needs_tensor("layer_norm", input)
    return Tensor(normalise.layer_norm(x, normalized_shape, unwrap(weight), unwrap(bias), unwrap(eps)))


# Batch norm -----------------------------------------------------------------------------------------------------------


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel (dimension 1) of an input (N, C) or (N, C, ...).

    In training mean and variance are those of the batch, and the running ones, if given, are written: they become
    (1 - momentum) running + momentum batch, with the unbiased variance. Else the running ones are used.
    momentum: a number, or a tensor without dimensions.
    Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167.
    """
    x = needs_tensor("batch_norm", input)
    _check_batch_norm(x, training, eps)
    for name, given in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        _check_channels(x, name, given)
    if training:
        centred, variance = _batch_statistics(x, running_mean, running_var, unwrap(momentum))
    elif running_mean is None or running_var is None:
        raise ArgumentError("batch_norm: outside training running_mean and running_var are needed.")
    else:
        centred, variance = x - _per_channel(running_mean, x), _per_channel(running_var, x)
    result = centred * rsqrt(variance + eps)
    if weight is not None:
        result = result * _per_channel(weight, x)
    if bias is not None:
        result = result + _per_channel(bias, x)
    return Tensor(result)


def _batch_statistics(
    x: Carrier, running_mean: Tensor | None, running_var: Tensor | None, momentum: Any
) -> tuple[Carrier, Carrier]:
    """x minus its mean, and its variance; the running ones are written."""
    axes = tuple(axis for axis in range(len(x.shape)) if axis != 1)
    average = mean(x, axes, True)
    centred = x - average
    variance = mean(square(centred), axes, True)
    number = count(x.shape, axes)
    with state.using(state.gradients_enabled, False):
        if running_mean is not None:
            _move(running_mean, average, momentum)
        if running_var is not None:
            _move(running_var, variance * (number / max(number - 1, 1)), momentum)
    return centred, variance


def _move(running: Tensor, batch: Carrier, momentum: Any) -> None:
    """Moves a running statistic towards that of the batch."""
    moved = running.read() * (1 - momentum) + batch.reshape(running.read().shape) * momentum
    running.write_in_place(moved, "batch_norm")


def _per_channel(tensor: Tensor, x: Carrier) -> Carrier:
    """A tensor of one number per channel, in a shape that broadcasts to x."""
    return tensor.read().reshape((x.shape[1], *(1,) * (len(x.shape) - 2)))


def _check_batch_norm(x: Carrier, training: bool, eps: float) -> None:
    if len(x.shape) < 2:
        raise ShapeError(f"batch_norm: an input (N, C) or (N, C, ...) is needed, not {x.type}.")
    if not x.dtype.is_floating_point:
        raise DTypeError(f"batch_norm: floating numbers are needed, not {x.type}. Convert it: `x.float()`.")
    if eps < 0 or (training and eps == 0):
        raise ArgumentError(f"batch_norm: eps must be positive, not {eps}.")
    if training and x.type.size == x.shape[1]:
        raise ShapeError(
            f"batch_norm: in training more than one value per channel is needed, to have a variance; the input is "
            f"{x.type}. Use a larger batch (drop_last=True in the loader), or `model.eval()`."
        )


def _check_channels(x: Carrier, name: str, given: Tensor | None) -> None:
    if given is not None and given.read().shape != (x.shape[1],):
        raise ShapeError(
            f"batch_norm: the input {x.type} has {x.shape[1]} channels (dimension 1), {name} is {given.read().type}."
            f" Did you mean BatchNorm1d({x.shape[1]})?"
        )


# Lengths and angles ---------------------------------------------------------------------------------------------------


@on_tensors
def normalize(input: Carrier, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Carrier:
    """x / max(||x||_p, eps) along `dim`."""
    axis = normalise_axis(dim, len(input.shape), "normalize")
    return input / clamp(p_norm("normalize", input, p, (axis,), True), eps)


@on_tensors
def cosine_similarity(x1: Carrier, x2: Carrier, dim: int = 1, eps: float = 1e-8) -> Carrier:
    """x1 . x2 / (max(||x1||, eps) max(||x2||, eps)) along `dim`; the shapes broadcast."""
    axis = normalise_axis(dim, max(len(x1.shape), len(x2.shape)), "cosine_similarity")
    first, second = (_unit(x, axis, max(len(x1.shape), len(x2.shape)), eps) for x in (x1, x2))
    return sum_(first * second, (axis,))


def _unit(x: Carrier, axis: int, dimensions: int, eps: float) -> Carrier:
    own = axis - (dimensions - len(x.shape))
    if own < 0:
        raise ShapeError(f"cosine_similarity: {x.type} has no dimension {axis} of {dimensions}.")
    return x / clamp(p_norm("cosine_similarity", x, 2, (own,), True), eps)
