"""The moving average of a model's weights (EMA), which is often better than the weights of the last step."""

from __future__ import annotations

import copy

from chainrule import nn
from chainrule.functions.factories import tensor
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.value import Value
from chainrule.tensor import Buffer, Tensor


class Average:
    """average <- d average + (1 - d) weights after each step, with d = min(decay, (1 + t) / (10 + t)) at step t.

    So the first steps, which are far from the end, are soon forgotten. It keeps parameters and floating buffers, for
    the running statistics of a batch norm belong to the weights that they were seen with.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ArgumentError(f"fit: ema must be a decay between 0 and 1, such as 0.999, not {decay}.")
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)  # the averages are its weights
        self.cells, self.averages = floating_cells(model), floating_cells(self.model)
        self.steps = Buffer(tensor(0.0).double())

    def update(self) -> None:
        """After a step; part of the compiled one."""
        with state.using(state.gradients_enabled, False):
            t = self.steps.add_(1)
            keep = ((t + 1) / (t + 10)).clamp(None, self.decay)
            for name, cell in self.cells.items():
                average = self.averages[name]
                average.add_((cell.detach() - average) * (1 - keep).to(average.dtype))

    def kept(self) -> dict[str, Tensor]:
        """What checkpoints hold of it."""
        return {f"average/{name}": average for name, average in self.averages.items()} | {"average steps": self.steps}

    def take_over(self) -> None:
        """Makes the averages the model's weights."""
        for name, cell in self.cells.items():
            cell.write(Value(self.averages[name].read().array.copy()))


def floating_cells(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of floating numbers, by name."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: cell for name, cell in named if cell.dtype.is_floating_point}
