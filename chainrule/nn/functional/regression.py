"""Losses of numbers against numbers: how far apart they are."""

from __future__ import annotations

from typing import Any

from chainrule.functions.table import needs_tensor, on_tensors, unwrap
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier
from chainrule.nn.functional.reduction import check_options, check_same_shape, reduced
from chainrule.ops.elementwise import abs_, square, where
from chainrule.ops.promotion import floating
from chainrule.ops.reduction import sum_
from chainrule.ops.squared_error import squared_error
from chainrule.tensor import Tensor


def difference(name: str, input: Carrier, target: Carrier) -> Carrier:
    """input - target, of one shape."""
    check_same_shape(name, input, target)
    return floating(input - target)


def weighted(losses: Carrier, weight: Carrier | None, name: str, reduction: str) -> Carrier:
    """The reduction of weighted losses; their mean is by the sum of the weights."""
    if weight is None:
        return reduced(losses, reduction)
    check_same_shape(name, losses, weight, "weight")
    if reduction != "mean":
        return reduced(losses * weight, reduction)
    axes = tuple(range(len(losses.shape)))
    return sum_(losses * weight, axes) / sum_(weight, axes)


def mse_loss(
    input: Tensor | Array,
    target: Tensor | Array,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | Array | None = None,
) -> Tensor:
    """(input - target)^2, of tensors of one shape. With `weight`, of that shape too, the mean is weighted."""
    check_options("mse_loss", reduction, size_average, reduce)
    a, b = needs_tensor("mse_loss", input), needs_tensor("mse_loss", target, "target")
    if weight is None and reduction != "none":
        check_same_shape("mse_loss", a, b)
        return Tensor(squared_error(a, b, reduction))
    return Tensor(weighted(square(difference("mse_loss", a, b)), unwrap(weight), "mse_loss", reduction))


@on_tensors
def l1_loss(
    input: Carrier,
    target: Carrier,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Carrier | None = None,
) -> Carrier:
    """|input - target|, of tensors of one shape. With `weight`, of that shape too, the mean is weighted."""
    check_options("l1_loss", reduction, size_average, reduce)
    return weighted(abs_(difference("l1_loss", input, target)), weight, "l1_loss", reduction)


@on_tensors
def smooth_l1_loss(
    input: Carrier,
    target: Carrier,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Carrier:
    """With d = |input - target|: d^2 / (2 beta) where d < beta, else d - beta / 2.

    Girshick 2015, https://arxiv.org/abs/1504.08083.
    """
    check_options("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: beta must be at least 0, not {beta}.")
    error = difference("smooth_l1_loss", input, target)
    distance = abs_(error)
    if beta == 0:
        return reduced(distance, reduction)
    return reduced(where(distance < beta, square(error) * (0.5 / beta), distance - 0.5 * beta), reduction)


@on_tensors
def huber_loss(
    input: Carrier,
    target: Carrier,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Carrier | None = None,
) -> Carrier:
    """With d = |input - target|: d^2 / 2 where d < delta, else delta (d - delta / 2).

    The mean is over the number of elements, with a `weight` too. Huber 1964, doi:10.1214/aoms/1177703732.
    """
    check_options("huber_loss", reduction, None, None)
    if delta <= 0:
        raise ArgumentError(f"huber_loss: delta must be greater than 0, not {delta}.")
    error = difference("huber_loss", input, target)
    distance = abs_(error)
    losses = where(distance < delta, square(error) * 0.5, (distance - 0.5 * delta) * delta)
    if weight is not None:
        check_same_shape("huber_loss", losses, weight, "weight")
        losses = losses * weight
    return reduced(losses, reduction)
