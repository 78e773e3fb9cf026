"""Norms of gradients, weights and updates, taken inside a step, which computes the same bits with or without them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.functions import FUNCTIONS
from chainrule.ir import state
from chainrule.tensor import Tensor
from chainrule.train.events import Watched

FEW = 50_000  # parameters, and
FEW_STEPS = 4_000  # steps: norms at each of them take less time than a second program, for the steps without

stack: Callable[[list[Tensor]], Tensor] = FUNCTIONS["stack"]


class Watch:
    """What is looked at: each parameter that is trained, in a run of so many steps."""

    def __init__(self, model: nn.Module, steps: int) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.names = tuple([name for name, _ in named])
        self.parameters = [p for _, p in named]
        self.always = steps <= FEW_STEPS and sum([p.shape.numel() for p in self.parameters]) <= FEW

    def before(self) -> tuple[list[Tensor], list[Tensor]]:
        """The squared norms of the gradients, and the weights, before an update."""
        with state.using(state.gradients_enabled, False):
            gradients = [zero(p) if p.grad is None else squared(p.grad) for p in self.parameters]
            return gradients, [Tensor(p.read()).detach() for p in self.parameters]

    def after(self, before: tuple[list[Tensor], list[Tensor]]) -> Tensor:
        """After the update: squared norms of gradients, weights and updates, one after another."""
        gradients, weights = before
        with state.using(state.gradients_enabled, False):
            updates = [squared(p.detach() - weight) for p, weight in zip(self.parameters, weights, strict=True)]
            return stack([*gradients, *[squared(weight) for weight in weights], *updates])

    def event(self, squares: npt.NDArray[np.float64], step: int, epoch: int) -> Watched:
        """What listeners are told."""
        gradient, weight, update = np.sqrt(squares).reshape(3, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(weight > 0, update / weight, np.nan)
        return Watched(
            step=step,
            epoch=epoch,
            layers=self.names,
            grad_norm=tuple(gradient.tolist()),
            weight_norm=tuple(weight.tolist()),
            update_ratio=tuple(ratio.tolist()),
        )


def squared(tensor: Tensor) -> Tensor:
    """The squared norm, as float64."""
    found: Tensor = (tensor * tensor).sum().double()
    return found


def zero(tensor: Tensor) -> Tensor:
    """Zero, as a scalar of float64."""
    found: Tensor = tensor.detach().new_full((), 0.0).double()
    return found
