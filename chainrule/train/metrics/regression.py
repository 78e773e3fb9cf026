"""How far a regression's outputs are from the targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tensor import Tensor
from chainrule.train.metrics.base import Metric, Numbers, ratio, stack


def residuals(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs minus targets, and the targets, as float64 of the targets' shape."""
    goal = targets.double()
    return outputs.double().reshape(goal.shape) - goal, goal


def count_of(tensor: Tensor) -> Any:
    """The number of elements, as a scalar tensor beside it."""
    return tensor.new_full((), float(tensor.shape.numel()))


class MSE(Metric):
    """The mean squared error."""

    name = "mse"
    larger_is_better = False

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors, _ = residuals(outputs, targets)
        return stack([(errors * errors).sum(), count_of(errors)])

    def compute(self, sums: Numbers) -> float:
        return ratio(sums[0], sums[1])


class RMSE(MSE):
    """The root of the mean squared error, in the units of the targets."""

    name = "rmse"

    def compute(self, sums: Numbers) -> float:
        return float(np.sqrt(super().compute(sums)))


class MAE(Metric):
    """The mean absolute error."""

    name = "mae"
    larger_is_better = False

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors, _ = residuals(outputs, targets)
        return stack([errors.abs().sum(), count_of(errors)])

    def compute(self, sums: Numbers) -> float:
        return ratio(sums[0], sums[1])


class R2(Metric):
    """1 - sum of squared errors / sum of squared distances to the targets' mean; NaN where all targets are equal."""

    name = "r2"

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors, goal = residuals(outputs, targets)
        return stack([(errors * errors).sum(), goal.sum(), (goal * goal).sum(), count_of(goal)])

    def compute(self, sums: Numbers) -> float:
        errors, total, squares, count = sums
        if count == 0:
            return float("nan")
        spread = squares - total * total / count
        return float(1 - errors / spread) if spread > 1e-12 * squares else float("nan")
