"""The loss of a batch, with weights of classes and samples."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.nn import functional as F
from chainrule.tensor import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


class Objective:
    """What is made small: a loss of (outputs, targets), weighted if there are weights.

    loss: a module or function that gives the mean over the batch. None: cross entropy for whole numbers, over the last
    dimension of the outputs, else the mean squared error.
    With weights it must give one value for each sample with reduction="none", as all of `nn`'s losses do. The loss is
    then sum(weight * value) / rows, as in Keras; `fit` scales the weights of arrays to a mean of 1, so that only their
    ratios count, as in scikit-learn.
    """

    def __init__(self, loss: Loss | None, weighted: bool, classes: Tensor | None = None) -> None:
        self.loss = loss
        self.each = each_of(loss) if weighted or classes is not None else None
        self.classes = classes  # a weight for each class, for batches that come without weights

    def __call__(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> tuple[Tensor, Any]:
        """The loss, and the weight of the batch in a mean over batches."""
        outputs, targets = fitted(self.loss, outputs, targets)
        rows = targets.shape[0] if targets.shape else 1
        if self.each is None:
            return checked(self.loss_of(self.loss, outputs, targets)), rows
        if self.classes is not None:
            ours = self.classes[targets]
            weights = ours if weights is None else weights * ours
        values = self.loss_of(self.each, outputs, targets)
        if weights is None:
            return values.mean(), rows
        if values.shape[:1] != weights.shape[:1]:
            raise ArgumentError(
                f"fit: weights need one loss for each sample; with reduction='none' it gave {tuple(values.shape)} for "
                f"{rows} samples."
            )
        while len(values.shape) > len(weights.shape):  # one loss for each of several outputs
            values = values.mean(-1)
        return (values * weights).sum() / rows, weights.sum()

    @staticmethod
    def loss_of(loss: Loss | None, outputs: Tensor, targets: Tensor) -> Tensor:
        """The value of a loss."""
        return default_loss(outputs, targets) if loss is None else loss(outputs, targets)


def default_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy for whole numbers, else the mean squared error."""
    if targets.dtype.is_floating_point:
        return F.mse_loss(outputs, targets)
    return F.cross_entropy(outputs, targets)


def default_each(outputs: Tensor, targets: Tensor) -> Tensor:
    """The same for each sample."""
    if targets.dtype.is_floating_point:
        return F.mse_loss(outputs, targets, reduction="none")
    return F.cross_entropy(outputs, targets, reduction="none")


def each_of(loss: Loss | None) -> Loss:
    """A loss as one that gives a value for each sample."""
    if loss is None:
        return default_each
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        single = copy.copy(loss)
        single.__dict__ = dict(loss.__dict__)
        single.reduction = "none"
        return single
    if not isinstance(loss, nn.Module) and "reduction" in inspect.signature(loss).parameters:
        return lambda outputs, targets: loss(outputs, targets, reduction="none")  # type: ignore[call-arg]
    name = getattr(loss, "__name__", type(loss).__name__)
    raise ArgumentError(
        f"fit: weights need the loss of each sample, and {name} cannot give it: it takes no `reduction`. "
        "Write it as loss(outputs, targets, reduction='mean')."
    )


def fitted(loss: Loss | None, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets as losses take them, where there is no doubt what is meant.

    (n, 1) outputs for (n,) targets lose that dimension; 0 and 1 as whole numbers become floats for a loss of two
    floats; the default cross entropy gets classes along its second dimension.
    """
    same_but_one = tuple(outputs.shape[:-1]) == tuple(targets.shape) and outputs.shape[-1:] == (1,)
    floats = targets.dtype.is_floating_point
    if same_but_one and (floats or isinstance(loss, nn.BCEWithLogitsLoss | nn.BCELoss)):
        outputs = outputs.squeeze(-1)
    if not floats and isinstance(loss, nn.BCEWithLogitsLoss | nn.BCELoss | nn.MSELoss):
        targets = targets.to(outputs.dtype)
    elif not floats and loss is None and len(outputs.shape) > 2 and outputs.shape[:-1] == targets.shape:
        outputs, targets = outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)
    return outputs, targets


def checked(value: Tensor) -> Tensor:
    """The loss, if it is one number."""
    if not isinstance(value, Tensor):
        raise ArgumentError(f"fit: the loss must be a tensor of one number, not a {type(value).__name__}.")
    if value.shape:
        raise ArgumentError(
            f"fit: the loss must be one number, it is {tuple(value.shape)}; take its mean (reduction='mean')."
        )
    return value


# Weights --------------------------------------------------------------------------------------------------------------

ClassWeight = str | Mapping[Any, float] | npt.ArrayLike


def class_weights(asked: ClassWeight, targets: npt.NDArray[Any] | None, classes: int) -> npt.NDArray[np.float64]:
    """The weight of each class. "balanced": rows / (classes that occur * rows of the class), as in scikit-learn."""
    if isinstance(asked, str):
        if asked != "balanced":
            raise ArgumentError(f"fit: class_weight must be 'balanced', a dict or an array, not {asked!r}.")
        if targets is None:
            raise ArgumentError("fit: class_weight='balanced' counts the classes of arrays; for a loader give a dict.")
        counts = np.bincount(targets.reshape(-1), minlength=classes)
        return np.where(counts > 0, targets.size / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)
    weights = np.ones(classes)
    if isinstance(asked, Mapping):
        unknown = [name for name in asked if not isinstance(name, int | np.integer) or not 0 <= name < classes]
        if unknown:
            raise ArgumentError(f"fit: class_weight names class {unknown[0]!r}; the classes are 0 to {classes - 1}.")
        for name, weight in asked.items():
            weights[name] = weight
    else:
        given = np.asarray(asked, np.float64)
        if given.shape != (classes,):
            raise ArgumentError(f"fit: class_weight must hold {classes} weights, one a class; it is {given.shape}.")
        weights = given
    if not np.all(np.isfinite(weights)) or weights.min() < 0 or weights.max() == 0:
        raise ArgumentError("fit: class_weight must be finite, not negative, and not all zero.")
    return weights
