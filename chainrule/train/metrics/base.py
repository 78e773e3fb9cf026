"""What a metric is: sums that are taken inside the compiled step, and the value that they make once an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.functions import FUNCTIONS
from chainrule.ir.errors import ArgumentError
from chainrule.tensor import Tensor

Numbers = npt.NDArray[np.float64]
stack: Callable[[list[Tensor]], Tensor] = FUNCTIONS["stack"]


class Metric:
    """Base of all metrics. An author writes `update` and `compute`.

    name: what it is called in tables. larger_is_better: which way early stopping goes by it.
    whole: it is no function of sums (the area under a curve); then `of_all` is called, for validation data only.
    Metrics count every row once, whatever the weights of the loss.
    """

    name = "metric"
    larger_is_better = True
    whole = False

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sums of a batch, float64[k]; traced, so without Python branches on values."""
        raise NotImplementedError(f"{type(self).__name__} does not define update.")

    def compute(self, sums: Numbers) -> float:
        """The value, from the sums of all batches; NaN where there is none."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute.")

    def of_all(self, outputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
        """The value, from all outputs and targets; of metrics that are `whole`."""
        raise NotImplementedError(f"{type(self).__name__} does not define of_all.")


class Mean(Metric):
    """The mean over rows of what a function of (outputs, targets) gives for a batch: one number, or one a row."""

    def __init__(
        self, function: Callable[[Tensor, Tensor], Tensor], name: str = "", larger_is_better: bool = True
    ) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.larger_is_better = larger_is_better

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        value = self.function(outputs, targets)
        if not isinstance(value, Tensor):
            raise ArgumentError(
                f"metric {self.name}: a function of tensors that returns a tensor is needed; it returned a "
                f"{type(value).__name__}. Wrap a function of NumPy arrays: `chainrule.train.metrics.Whole(function)`."
            )
        rows = float(targets.shape[0])
        value = value.double()
        total = value.sum() if value.shape else value * rows
        return stack([total, total.new_full((), rows)])

    def compute(self, sums: Numbers) -> float:
        return ratio(sums[0], sums[1])


class Whole(Metric):
    """A function of all NumPy (outputs, targets) of the validation part, such as one of scikit-learn's."""

    whole = True

    def __init__(self, function: Callable[[Any, Any], float], name: str = "", larger_is_better: bool = True) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.larger_is_better = larger_is_better

    def of_all(self, outputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
        return float(self.function(outputs, targets))


class Perplexity(Metric):
    """exp of the mean cross entropy, over all positions. Outputs: logits, classes last; targets: their numbers."""

    name = "perplexity"
    larger_is_better = False

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits, labels = classes_last(outputs, targets)
        flat = labels.reshape(-1)
        total = FUNCTIONS["log_softmax"](logits.reshape(-1, logits.shape[-1]), -1).gather(1, flat.reshape(-1, 1)).sum()
        return stack([-total.double(), total.new_full((), float(flat.shape[0])).double()])

    def compute(self, sums: Numbers) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(ratio(sums[0], sums[1])))


class Sums:
    """The sums of several metrics as one vector. outputs, targets: of one row, which tell the sizes."""

    def __init__(self, metrics: Sequence[Metric], outputs: Any, targets: Any) -> None:
        self.metrics = tuple(metric for metric in metrics if not metric.whole)
        self.widths = tuple([metric.update(outputs, targets).shape[0] for metric in self.metrics])
        self.width = sum(self.widths)
        ends = [sum(self.widths[: k + 1]) for k in range(len(self.widths))]
        self.places = [slice(end - width, end) for width, end in zip(self.widths, ends, strict=True)]

    def parts(self, outputs: Tensor, targets: Tensor) -> list[Tensor]:
        """The sums of a batch, one tensor for each metric."""
        return [metric.update(outputs, targets) for metric in self.metrics]

    def values(self, sums: Numbers) -> dict[str, float]:
        """The value of each metric."""
        return {
            metric.name: metric.compute(sums[place]) for metric, place in zip(self.metrics, self.places, strict=True)
        }


def classes_last(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits with the classes along the last dimension, from PyTorch's (n, classes, ...) too; and the targets."""
    if len(outputs.shape) != len(targets.shape) + 1:
        raise ArgumentError(
            f"metric: outputs with one dimension more than the targets are needed, the classes; outputs are "
            f"{tuple(outputs.shape)}, targets {tuple(targets.shape)}."
        )
    if len(outputs.shape) > 2 and outputs.shape[:-1] != targets.shape:
        outputs = outputs.moveaxis(1, -1)
    return outputs, targets


def ratio(total: float, count: float) -> float:
    """total / count; NaN for nothing."""
    return float(total / count) if count else float("nan")
