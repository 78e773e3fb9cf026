"""The one-cycle policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.optim.groups import ParamGroup
from chainrule.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group
from chainrule.optim.optimizer import Optimizer

Phase = dict[str, Any]


class OneCycleLR(LRScheduler):
    """Up to `max_lr`, then down to far below where it began; the momentum goes the other way (Smith and Topin, 2018).

    One step per batch, `total_steps` of them (or epochs * steps_per_epoch). It begins at max_lr / div_factor, rises for
    `pct_start` of the steps, and ends at that beginning / final_div_factor. three_phase: falls as long as it rose, back
    to the beginning, and then to the end. anneal_strategy: 'cos' or 'linear'.
    cycle_momentum: between max_momentum and base_momentum; `momentum`, or for Adam the first of `betas`.
    max_lr, max_momentum, base_momentum: a number, or one for each group. last_epoch: see LRScheduler.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        check_share(pct_start)
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}.")
        self.total_steps = number_of_steps(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        rates = per_group("OneCycleLR", "max_lr", optimizer, max_lr)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if not {"momentum", "betas"} & optimizer.defaults.keys():
                raise ArgumentError(
                    f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas to cycle; "
                    "pass cycle_momentum=False."
                )
            self.use_beta1 = "betas" in optimizer.defaults
            highest = per_group("OneCycleLR", "max_momentum", optimizer, max_momentum)
            lowest = per_group("OneCycleLR", "base_momentum", optimizer, base_momentum)
        if last_epoch == -1:
            for number, group in enumerate(optimizer.param_groups):
                group["initial_lr"] = rates[number] / div_factor
                group["max_lr"] = rates[number]
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    self._write_momentum(group, highest[number])
                    group["max_momentum"] = highest[number]
                    group["base_momentum"] = lowest[number]
        super().__init__(optimizer, last_epoch)

    def _write_momentum(self, group: ParamGroup, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def get_lr(self) -> list[Any]:
        if self.last_epoch > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: this is step {self.last_epoch} of a schedule of {self.total_steps}. Make total_steps the "
                "number of batches in the whole run (epochs * len(loader)), and step once per batch."
            )
        phase, share = self._place()
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._annealed(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._write_momentum(group, self._annealed(start, end, share))
        return rates

    def _place(self) -> tuple[Phase, float]:
        """The phase of this step, and the share of it that has passed."""
        begin = 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if self.last_epoch <= end or phase is self._schedule_phases[-1]:
                break
            begin = end
        if end == begin:  # a phase without length is over at once (PyTorch divides by zero here)
            return phase, 1.0
        return phase, (self.last_epoch - begin) / (end - begin)

    def _annealed(self, start: float, end: float, share: float) -> float:
        """The value after a share of the way from start to end."""
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)
        return (end - start) * share + start


def check_share(pct_start: Any) -> None:
    """Raises ArgumentError unless it is a float between 0 and 1 (an int would be a percentage)."""
    if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
        raise ArgumentError(f"OneCycleLR: pct_start must be a float between 0 and 1, not {pct_start!r}.")


def number_of_steps(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    """The length of the schedule, from either way of giving it."""
    given = [("total_steps", total_steps)]
    if total_steps is None:
        given = [("epochs", epochs), ("steps_per_epoch", steps_per_epoch)]
    steps = 1
    for name, count in given:
        if count is None:
            raise ArgumentError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch.")
        if not isinstance(count, int) or count <= 0:
            raise ArgumentError(f"OneCycleLR: {name} must be an int above 0, not {count!r}.")
        steps *= count
    return steps


def phases(total_steps: int, pct_start: float, three_phase: bool) -> list[Phase]:
    """What goes from where to where, and up to which step."""
    peak = float(pct_start * total_steps) - 1
    if not three_phase:
        ways = [(peak, "initial_lr", "max_lr"), (total_steps - 1, "max_lr", "min_lr")]
    else:
        back = float(2 * pct_start * total_steps) - 2
        ways = [
            (peak, "initial_lr", "max_lr"),
            (back, "max_lr", "initial_lr"),
            (total_steps - 1, "initial_lr", "min_lr"),
        ]
    momentum = {"initial_lr": "max_momentum", "max_lr": "base_momentum", "min_lr": "max_momentum"}
    return [
        {
            "end_step": end_step,
            "start_lr": start,
            "end_lr": end,
            "start_momentum": momentum[start],
            "end_momentum": momentum[end],
        }
        for end_step, start, end in ways
    ]
