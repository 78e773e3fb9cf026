"""Penalties on the size of weights: L1, L2, or both (elastic net)."""

from __future__ import annotations

from collections.abc import Callable

from chainrule import nn
from chainrule.tensor import Tensor

Which = Callable[[str, Tensor], bool]


def weights_of(model: nn.Module, which: Which | None = None) -> list[Tensor]:
    """The parameters that a penalty counts: those of two or more dimensions, so no bias and nothing of a norm.

    which: says it for (name, parameter) in place of that.
    """
    chosen = which or (lambda name, parameter: len(parameter.shape) >= 2)
    return [
        parameter for name, parameter in model.named_parameters() if parameter.requires_grad and chosen(name, parameter)
    ]


def penalty(weights: list[Tensor], l1: float, l2: float) -> Tensor | None:
    """l1 sum |w| + l2 sum w^2 over all of them; None for nothing. Added to the loss, not to the loss that is shown."""
    parts = []
    for weight in weights:
        if l1:
            parts.append(weight.abs().sum() * l1)
        if l2:
            parts.append((weight * weight).sum() * l2)
    total: Tensor | None = None
    for part in parts:
        total = part if total is None else total + part
    return total
