"""The base of all schedules: counts steps, and writes each group's learning rate.

Schedules are chainable, as in PyTorch: `get_lr` computes the next learning rate from the one that the group has now, so
that several schedules of one optimiser multiply. A schedule lives outside compiled functions: what it writes are
cells, which a compiled step reads anew.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, StateDictError, TracedValueError
from chainrule.optim.groups import ParamGroup
from chainrule.optim.optimizer import Optimizer
from chainrule.tensor import Tensor

_trace = state.trace.get  # asked at every look at an attribute: a schedule must not take as long as a small step
MAY_BE_MISSING = {"_is_initial", "_get_lr_called_within_step"}  # of state dicts of older versions of PyTorch
MAY_BE_EXTRA = {"verbose", "_is_initial", "_get_lr_called_within_step"}


class LRScheduler:
    """Base of all schedules. See torch.optim.lr_scheduler.LRScheduler.

    An author writes `get_lr`, the learning rates of all groups for `self.last_epoch`, and may write
    `_get_closed_form_lr`, the same from `self.base_lrs` alone.
    last_epoch: -1 to begin; else the groups must hold 'initial_lr' (it is in an optimiser's state dict).
    """

    _never_traced_ = True
    _is_initial = False
    _get_lr_called_within_step = False  # custom schedules written for PyTorch ask it

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"{type(self).__name__}: last_epoch={last_epoch} continues a schedule, but group {number} of the "
                    "optimiser has no 'initial_lr'. Load the optimiser's state dict first, or leave last_epoch out."
                )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def __getattribute__(self, name: str) -> Any:
        if _trace() is not None and not name.startswith("__"):
            raise TracedValueError(
                f"{object.__getattribute__(self, '__class__').__name__}.{name}: a schedule cannot be used inside a "
                "compiled function, where it would run once, at the trace. Call it after the compiled step."
            )
        return object.__getattribute__(self, name)

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The learning rate of each group for `self.last_epoch`; called by `step` only. See `get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr")

    def get_last_lr(self) -> list[Any]:
        """The learning rate that each group was given last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """One step of the schedule, after the optimiser's. epoch: jumps there (PyTorch's old form, it warns)."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first learning rate is skipped. "
                "Call optimizer.step() first.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed_form = getattr(self, "_get_closed_form_lr", None)
            rates = self.get_lr() if epoch is None or closed_form is None else closed_form()
        finally:
            self._get_lr_called_within_step = False
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            write_setting(group, "lr", rate)
        self._last_lr = self._current()

    def _current(self) -> list[Any]:
        """The learning rates that the groups have now."""
        return [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[Any]:
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, under PyTorch's names."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the state of this or PyTorch's schedule of the same name. The learning rates come with the
        optimiser's state dict. Raises StateDictError, before any write, if entries are missing or unknown."""
        vars(self).update(self._checked(state_dict, self.state_dict().keys()))

    def _checked(self, given: dict[str, Any], expected: Any) -> dict[str, Any]:
        missing = expected - given.keys() - MAY_BE_MISSING
        unknown = given.keys() - expected - MAY_BE_EXTRA
        if missing or unknown:
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: missing are {sorted(missing)}, unknown are {sorted(unknown)}. "
                "Is it the state of another schedule?"
            )
        return {name: value for name, value in given.items() if name in expected or name in MAY_BE_MISSING}


def check_optimizer(schedule: Any, optimizer: Any) -> Optimizer:
    """The optimiser, if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(f"{type(schedule).__name__}: an Optimizer is needed, not {type(optimizer).__name__}.")
    return optimizer


def warn_of_epoch() -> None:
    """PyTorch's warning about `step(epoch)`."""
    warnings.warn(
        "scheduler.step(epoch) is deprecated; call scheduler.step(). With an epoch the closed form is used where there "
        "is one, not the chainable form.",
        UserWarning,
        stacklevel=4,
    )


def copied(rate: Any) -> Any:
    """A learning rate that does not change with the group's, if that is a tensor."""
    return Tensor(rate.read()) if isinstance(rate, Tensor) else rate


def write_setting(group: ParamGroup, name: str, value: Any) -> None:
    """Writes a setting; one that is a tensor stays that tensor."""
    held = group[name]
    if isinstance(held, Tensor):
        with state.using(state.gradients_enabled, False):
            held.fill_(value if not isinstance(value, Tensor) else value.item())
    else:
        group[name] = value


def per_group(what: str, name: str, optimizer: Optimizer, value: float | Sequence[float]) -> list[Any]:
    """One value for each group, from a list of them or a single one."""
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ArgumentError(f"{what}: {name} has {len(value)} values, but the optimiser has {count} groups.")
    return list(value)
