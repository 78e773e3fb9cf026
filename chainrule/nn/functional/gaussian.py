"""The loss of normal distributions: predictions that say how sure they are."""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.table import on_tensors
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.value import Carrier, Value
from chainrule.nn.functional.reduction import check_options, check_same_shape, reduced
from chainrule.ops import creation
from chainrule.ops.control import detach
from chainrule.ops.elementwise import clamp, log, lt, square, where
from chainrule.ops.promotion import floating


@on_tensors
def gaussian_nll_loss(
    input: Carrier,
    target: Carrier,
    var: Carrier | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Carrier:
    """(log(var) + (input - target)^2 / var) / 2, of predictions and targets of one shape and the predicted variance.

    var: of the input's shape, that shape with one dimension of length 1 or without its last, or a number. It counts as
    at least `eps`, with the gradient of what it is. full: with the constant log(2 pi) / 2.
    Raises ArgumentError for a negative variance; inside a compiled function the loss is then NaN.
    Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138.
    """
    check_options("gaussian_nll_loss", reduction, None, None)
    check_same_shape("gaussian_nll_loss", input, target)
    variance = _at_least(_variance(var, input), eps)
    losses = (log(variance) + square(input - target) / variance) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


def _variance(var: Any, input: Carrier) -> Carrier:
    """The variance in a shape that broadcasts to the input's."""
    if creation.number_dtype(var) is not None or var.weak:
        return _not_negative(creation.full(input.shape, 1, floating(input).dtype) * var)
    var = _not_negative(floating(var))
    if var.shape == input.shape:
        return var
    if var.shape == input.shape[:-1]:
        return var.reshape((*var.shape, 1))
    other = [n for n, wanted in zip(var.shape, input.shape, strict=False) if n != wanted]
    if len(var.shape) == len(input.shape) and other == [1]:
        return var
    raise ShapeError(
        f"gaussian_nll_loss: var {var.type} must have the shape of the input, {list(input.shape)}, or that with one "
        "dimension of length 1, or without its last."
    )


def _not_negative(var: Carrier) -> Carrier:
    if var.__class__ is Value:
        if (var.array < 0).any():
            raise ArgumentError(
                "gaussian_nll_loss: var has negative elements. Predict its logarithm, and give exp(it)."
            )
        return var
    return where(lt(var, 0.0), float("nan"), var)


def _at_least(var: Carrier, eps: float) -> Carrier:
    """max(var, eps), of derivative 1 everywhere: a variance that was too small can grow again."""
    return where(lt(var, eps), detach(clamp(var, eps)) + (var - detach(var)), var)
