"""How often a classifier is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.functions import FUNCTIONS
from chainrule.ir.errors import ArgumentError
from chainrule.tensor import Tensor
from chainrule.train.metrics.base import Metric, Numbers, classes_last, ratio, stack

arange: Callable[[int], Tensor] = FUNCTIONS["arange"]
cat: Callable[[list[Tensor]], Tensor] = FUNCTIONS["cat"]


class Accuracy(Metric):
    """The share of rows whose largest output is the right class; a single output counts as one class if above 0."""

    name = "accuracy"

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        predicted, labels = predictions(outputs, targets)
        right = predicted.eq(labels).double()
        return stack([right.sum(), right.new_full((), float(labels.shape.numel()))])

    def compute(self, sums: Numbers) -> float:
        return ratio(sums[0], sums[1])


class TopK(Metric):
    """The share of rows whose right class has one of the k largest outputs; of equal ones, all count as larger."""

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise ArgumentError(f"TopK: k must be at least 1, not {k}.")
        self.k = k
        self.name = f"top{k}"

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits, labels = classes_last(outputs, targets)
        index = labels.unsqueeze(-1)
        own = logits.gather(-1, index)
        above = (logits >= own).sum(-1)  # itself among them
        right = (above <= self.k).double()
        return stack([right.sum(), right.new_full((), float(labels.shape.numel()))])

    def compute(self, sums: Numbers) -> float:
        return ratio(sums[0], sums[1])


class F1(Metric):
    """2 right / (2 right + false alarms + misses) of a class; 0 for a class that never occurs and is never predicted.

    average: "macro", the mean over the classes that occur or are predicted, as in scikit-learn; "binary", that of class
    1 of two; "micro", over all classes together.
    """

    def __init__(self, average: str = "macro") -> None:
        if average not in ("macro", "binary", "micro"):
            raise ArgumentError(f"F1: average must be 'macro', 'binary' or 'micro', not {average!r}.")
        self.average = average
        self.name = "f1" if average == "macro" else f"f1_{average}"

    def update(self, outputs: Tensor, targets: Tensor) -> Tensor:
        predicted, labels = predictions(outputs, targets)
        classes = outputs.shape[-1] if len(outputs.shape) == len(targets.shape) + 1 else 2
        if self.average == "binary" and classes > 2:
            raise ArgumentError(f"F1('binary') is for two classes; there are {classes} outputs. Use 'macro'.")
        return counted(predicted.reshape(-1), labels.reshape(-1), max(classes, 2))

    def compute(self, sums: Numbers) -> float:
        right, predicted, there = sums.reshape(3, -1)
        if self.average == "micro":
            return ratio(2 * right.sum(), predicted.sum() + there.sum())
        if self.average == "binary":
            return ratio(2 * right[1], predicted[1] + there[1]) if predicted[1] + there[1] else 0.0
        seen = predicted + there > 0
        return float(np.mean(2 * right[seen] / (predicted + there)[seen])) if seen.any() else float("nan")


def predictions(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The predicted and the right class of each row, as int64."""
    single = outputs.shape == targets.shape or (outputs.shape[-1:] == (1,) and outputs.shape[:-1] == targets.shape)
    if single:
        return (outputs.reshape(targets.shape) > 0).long(), targets.long()
    logits, labels = classes_last(outputs, targets)
    return logits.argmax(-1), labels.long()


def counted(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """How often each class is rightly predicted, predicted, and there: float64[3 classes]."""
    names = arange(classes).reshape(1, classes)
    here = labels.reshape(-1, 1) == names  # (rows, classes)
    said = predicted.reshape(-1, 1) == names
    return cat([part.double().sum(0) for part in (here & said, said, here)])
