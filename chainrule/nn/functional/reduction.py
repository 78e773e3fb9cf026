"""What all losses share: the reduction, and what they refuse."""

from __future__ import annotations

from typing import Any

from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.value import Carrier
from chainrule.ops.reduction import mean, sum_

REDUCTIONS = ("none", "mean", "sum")


def check_options(name: str, reduction: str, size_average: Any, reduce: Any, *more: str) -> None:
    """Raises ArgumentError for an unknown reduction, and for PyTorch's two deprecated arguments."""
    if size_average is not None or reduce is not None:
        raise ArgumentError(
            f"{name}: size_average and reduce are deprecated; write reduction='mean', 'sum' or 'none' instead."
        )
    if reduction not in REDUCTIONS and reduction not in more:
        raise ArgumentError(f"{name}: the reduction is one of {', '.join((*REDUCTIONS, *more))}, not {reduction!r}.")


def check_same_shape(name: str, input: Carrier, target: Carrier, other: str = "target") -> None:
    """Raises ShapeError unless both have one shape. Losses never broadcast: that would be silently wrong."""
    if input.shape == target.shape:
        return
    raise ShapeError(
        f"{name}: input {input.type} and {other} {target.type} must have one shape; a loss never broadcasts."
        f"{_repair(input.shape, target.shape, other)}"
    )


def _repair(shape: tuple[int, ...], other_shape: tuple[int, ...], other: str) -> str:
    if shape == (*other_shape, 1):
        axis = len(other_shape)
        return f" Write `input.squeeze(-1)`, or `{other}.unsqueeze({axis})`."
    if other_shape == (*shape, 1):
        axis = len(shape)
        return f" Write `{other}.squeeze(-1)`, or `input.unsqueeze({axis})`."
    return ""


def reduced(losses: Carrier, reduction: str) -> Carrier:
    """The losses as they are, their mean or their sum."""
    if reduction == "none":
        return losses
    axes = tuple(range(len(losses.shape)))
    return mean(losses, axes) if reduction == "mean" else sum_(losses, axes)
