"""One schedule after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from chainrule.ir.errors import ArgumentError, StateDictError
from chainrule.optim.lr_scheduler.base import LRScheduler, write_setting
from chainrule.optim.lr_scheduler.plateau import ReduceLROnPlateau
from chainrule.optim.optimizer import Optimizer


class SequentialLR(LRScheduler):
    """Runs schedules one after another: the next begins at each milestone (an epoch), at its own beginning.

        SequentialLR(optimizer, [LinearLR(optimizer, 0.1), CosineAnnealingLR(optimizer, 95)], milestones=[5])

    schedulers: all of this optimiser, one more than there are milestones; no ReduceLROnPlateau.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        check_schedulers(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: {len(schedulers)} schedules need one milestone less, not {len(milestones)}."
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            write_setting(group, "lr", group["initial_lr"])
        self.recursive_undo()
        self._initial_step()

    def _initial_step(self) -> None:
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: LRScheduler | None = None) -> None:
        """Takes back the step that each schedule made when it was constructed."""
        schedule = self if sched is None else sched
        if isinstance(schedule, SequentialLR):
            for inner in schedule._schedulers:
                self.recursive_undo(inner)
        else:
            schedule.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]
        """One step of the schedule whose turn it is."""
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            schedule._update_lr(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Begins, when this is itself one of several in turn (PyTorch has no answer here)."""
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._update_lr(0)
        self._last_lr = first.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """See LRScheduler; with the states of all schedules."""
        return super().state_dict() | {"_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See LRScheduler."""
        checked = self._checked(state_dict, self.state_dict().keys())
        inner = checked.pop("_schedulers")
        if len(inner) != len(self._schedulers):
            raise StateDictError(
                f"SequentialLR.load_state_dict: it has {len(inner)} schedules, this one has {len(self._schedulers)}."
            )
        for schedule, entries in zip(self._schedulers, inner, strict=True):
            schedule._checked(entries, schedule.state_dict().keys())
        for schedule, entries in zip(self._schedulers, inner, strict=True):
            schedule.load_state_dict(entries)
        vars(self).update(checked)


def check_schedulers(optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
    """Raises ArgumentError unless these are schedules of this optimiser that can take turns."""
    if not schedulers:
        raise ArgumentError("SequentialLR: at least one schedule is needed.")
    for position, schedule in enumerate(schedulers):
        if not isinstance(schedule, LRScheduler):
            raise ArgumentError(f"SequentialLR: entry {position} is a {type(schedule).__name__}, not a schedule.")
        if isinstance(schedule, ReduceLROnPlateau):
            raise ArgumentError(f"SequentialLR: entry {position} is ReduceLROnPlateau, whose step needs a metric.")
        if schedule.optimizer is not optimizer:
            raise ArgumentError(f"SequentialLR: the {type(schedule).__name__} at {position} is of another optimiser.")
