"""What `fit` returns: the trained model, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from chainrule import nn
from chainrule.train.evaluating import evaluate
from chainrule.train.feed import feed_of, floats_of
from chainrule.train.history import Row
from chainrule.train.loop import Loop
from chainrule.train.page import page_of
from chainrule.train.predictor import Predictor
from chainrule.train.table import duration


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

    @cached_property
    def predictor(self) -> Predictor:
        """The model with what predicting and saving need."""
        example = self.loop.plan.train.example()[:1]
        return Predictor.of_model(self.model, example, task="classification" if self.is_classifier else "regression")

    def outputs(self, x: Any) -> npt.NDArray[Any]:
        """What the model says of each row, as an array."""
        return self.predictor.outputs(x)

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """The class of each row, int64 (n,); of a regression the outputs, (n,) for one target."""
        return self.predictor.predict(x)

    def predict_proba(self, x: Any) -> npt.NDArray[Any]:
        """The probability of each class, (n, classes)."""
        return self.predictor.predict_proba(x)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        best = "" if self.best_epoch is None else f"; the best epoch was {self.best_epoch}"
        return page_of(self.history, self.loop.plan.epochs, [f"{self.stopped}, {duration(self.seconds)}{best}"])

    def evaluate(self, data: Any) -> dict[str, float]:
        """The loss and the metrics on other data, given as `fit` takes validation data."""
        recipe = self.loop.plan.recipe
        return evaluate(
            self.model, feed_of(data, 256, "validation", floats_of(self.model)), recipe.objective, recipe.metrics
        )
