"""What `fit` returns: the trained model, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.train.evaluating import evaluate, outputs_of
from chainrule.train.feed import as_rows, feed_of
from chainrule.train.loop import Loop, Row


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    model: in evaluation mode, with the best weights (unless restore_best=False). history: a row for each epoch, a dict
    of epoch, step, train, validation (the loss and the metrics by name), lr, seconds. best: the row of the best epoch;
    None if no epoch was finished. stopped: why it ended. seconds: how long it took. folder: where it is recorded.
    """

    model: nn.Module
    history: list[Row]
    best: Row | None
    stopped: str
    seconds: float
    loop: Loop = field(repr=False)
    folder: Path | None = None

    @property
    def best_epoch(self) -> int | None:
        """The number of the best epoch, from 1."""
        return None if self.best is None else int(self.best["epoch"])

    @property
    def is_classifier(self) -> bool:
        """Whether the targets are classes."""
        return not self.loop.step.target_dtype.is_floating_point

    def outputs(self, x: Any) -> npt.NDArray[Any]:
        """What the model says of each row, as an array."""
        return outputs_of(self.model, as_rows(x, "x"))

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """The class of each row, int64 (n,); of a regression the outputs, (n,) for one target."""
        outputs = self.outputs(x)
        if not self.is_classifier:
            return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
        if outputs.ndim == 1 or outputs.shape[1] == 1:
            return np.asarray(outputs.reshape(len(outputs)) > 0, np.int64)
        return np.asarray(outputs.argmax(1))

    def predict_proba(self, x: Any) -> npt.NDArray[Any]:
        """The probability of each class, (n, classes)."""
        if not self.is_classifier:
            raise ArgumentError("predict_proba: the targets of this run are numbers, not classes; call predict.")
        outputs = self.outputs(x)
        if outputs.ndim == 1 or outputs.shape[1] == 1:
            of_one = 1 / (1 + np.exp(-outputs.reshape(len(outputs))))
            return np.stack([1 - of_one, of_one], 1)
        powers = np.exp(outputs - outputs.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def evaluate(self, data: Any) -> dict[str, float]:
        """The loss and the metrics on other data, given as `fit` takes validation data."""
        recipe = self.loop.plan.recipe
        return evaluate(self.model, feed_of(data, 256, "validation"), recipe.objective, recipe.metrics)
