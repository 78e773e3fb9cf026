"""Cosine annealing that begins again and again."""

from __future__ import annotations

import math
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.optim.lr_scheduler.base import LRScheduler, write_setting
from chainrule.optim.optimizer import Optimizer


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the initial learning rate to `eta_min` along half a cosine, then from the top again (Loshchilov and Hutter,
    SGDR, ICLR 2017):

        lr = eta_min + (initial - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    T_0: epochs until the first restart; T_mult: each period T_i is so many times as long as the one before.
    `step(epoch)` takes fractions of epochs: `schedule.step(epoch + batch / batches)`.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for name, count in (("T_0", T_0), ("T_mult", T_mult)):
            if count.__class__ is not int or count < 1:
                raise ArgumentError(f"CosineAnnealingWarmRestarts: {name} must be an integer from 1 on, not {count!r}.")
        self.T_0 = T_0
        self.T_i: float = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """One epoch on; or to `epoch`, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self._advance()
        else:
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            write_setting(group, "lr", rate)
        self._last_lr = self._current()

    def _advance(self) -> None:
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur %= self.T_i
            self.T_i *= self.T_mult

    def _jump(self, epoch: float) -> None:
        if epoch < 0:
            raise ArgumentError(f"CosineAnnealingWarmRestarts: the epoch must be at least 0, not {epoch}.")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:  # the periods before make a geometric series
            periods = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**periods - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**periods
