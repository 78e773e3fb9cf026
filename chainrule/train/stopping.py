"""When to stop before the last epoch: nothing is gained any more."""

from __future__ import annotations

import math
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.train.events import EpochEnded, Event


class EarlyStopping:
    """Stops when a value has not become better by more than `min_delta` for `patience` epochs.

    part: "validation", or "train"; without a validation part it is always "train". monitor: the loss, or a metric.
    The loop itself keeps the best weights, and puts them back at the end.
    """

    reason = "no better for {patience} epochs"

    def __init__(
        self,
        patience: int,
        min_delta: float = 0.0,
        monitor: str = "loss",
        larger_is_better: bool = False,
        part: str = "validation",
    ) -> None:
        if patience < 1:
            raise ArgumentError(f"{type(self).__name__}: patience must be at least 1 epoch, not {patience}.")
        if min_delta < 0:
            raise ArgumentError(f"{type(self).__name__}: min_delta must not be negative, it is {min_delta}.")
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.larger_is_better = larger_is_better
        self.part = part
        self.best: float | None = None
        self.waited = 0

    def __call__(self, event: Event) -> None:
        """Counts an epoch."""
        if not isinstance(event, EpochEnded):
            return
        values = event.validation if self.part == "validation" and event.validation else event.train
        if self.monitor not in values:
            raise ArgumentError(f"{type(self).__name__}: there is no {self.monitor!r}; there are {', '.join(values)}.")
        value = values[self.monitor]
        if self.best is None or self._is_better(value):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience and event.loop is not None:
            event.loop.stop(self.reason.format(patience=self.patience))

    def _is_better(self, value: float) -> bool:
        assert self.best is not None
        gained = value - self.best if self.larger_is_better else self.best - value
        return gained > self.margin() or math.isnan(self.best)

    def margin(self) -> float:
        """By how much a value must be better to count."""
        return self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """What it remembers."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there."""
        self.best, self.waited = state["best"], state["waited"]


class Plateau(EarlyStopping):
    """Stops when the training loss has not fallen by more than a share `threshold` of itself for `patience` epochs."""

    reason = "plateau: the training loss stands still for {patience} epochs"

    def __init__(self, patience: int, threshold: float = 1e-4) -> None:
        super().__init__(patience, threshold, part="train")

    def margin(self) -> float:
        return self.min_delta * abs(self.best or 0.0)
