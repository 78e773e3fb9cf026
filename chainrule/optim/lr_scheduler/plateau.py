"""A schedule that listens to a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

from chainrule.ir.errors import ArgumentError
from chainrule.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group, warn_of_epoch, write_setting
from chainrule.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by `factor`, below 1, when a metric has not improved for over `patience` epochs.

    mode: whether the metric is to become smaller ('min') or larger ('max'). It has improved if it is better than the
    best so far by `threshold`: a share of the best ('rel') or an amount ('abs', threshold_mode). cooldown: epochs after
    a reduction that do not count. min_lr: a bound, or one for each group. eps: smaller reductions are not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be below 1, not {factor}.")
        self.factor = factor
        self.optimizer = check_optimizer(self, optimizer)
        self.min_lrs = per_group("ReduceLROnPlateau", "min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._current()
        check_mode("mode", mode, ("min", "max"))
        check_mode("threshold_mode", threshold_mode, ("rel", "abs"))
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self._reset()

    def _reset(self) -> None:
        """Forgets the metric."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """One epoch with this value of the metric: a number, or a tensor of one."""
        current = float(metrics)
        if epoch is None:
            epoch = self.last_epoch + 1
        else:
            warn_of_epoch()
        self.last_epoch = epoch
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise ArgumentError(
                    f"ReduceLROnPlateau: the optimiser has {len(groups)} groups by now, but min_lr was given for "
                    f"{len(self.min_lrs)}. Add the new groups' bounds to `scheduler.min_lrs`."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                write_setting(group, "lr", new)

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs do not count because the learning rate was reduced just now."""
        return self.cooldown_counter > 0

    def _is_better(self, a: float, best: float) -> bool:
        sign = -1.0 if self.mode == "min" else 1.0
        bar = best * (1.0 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return a < bar if self.mode == "min" else a > bar

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See LRScheduler."""
        checked = self._checked(state_dict, self.state_dict().keys())
        check_mode("mode", checked["mode"], ("min", "max"))
        check_mode("threshold_mode", checked["threshold_mode"], ("rel", "abs"))
        vars(self).update(checked)


def check_mode(name: str, mode: str, allowed: tuple[str, str]) -> None:
    """Raises ArgumentError unless the mode is one of two."""
    if mode not in allowed:
        raise ArgumentError(f"ReduceLROnPlateau: {name} must be {allowed[0]!r} or {allowed[1]!r}, not {mode!r}.")
