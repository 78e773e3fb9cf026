"""Schedules by a function of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from chainrule.ir.errors import ArgumentError, StateDictError
from chainrule.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group
from chainrule.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class ByFunction(LRScheduler):
    """What LambdaLR and MultiplicativeLR share: a function for each group.

    A plain function is code and is not saved; of a callable object the attributes are.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        self.lr_lambdas: list[Factor] = per_group(type(self).__name__, "lr_lambda", optimizer, lr_lambda)  # type: ignore[arg-type]
        for function in self.lr_lambdas:
            if not callable(function):
                raise ArgumentError(
                    f"{type(self).__name__}: lr_lambda must be a function of the epoch, not {type(function).__name__}."
                )
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """See LRScheduler. `lr_lambdas` has the attributes of callable objects, None for functions."""
        kept = [None if isinstance(f, FunctionType) else dict(vars(f)) for f in self.lr_lambdas]
        return super().state_dict() | {"lr_lambdas": kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See LRScheduler."""
        checked = self._checked(state_dict, self.state_dict().keys())
        kept = checked.pop("lr_lambdas")
        if len(kept) != len(self.lr_lambdas):
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: it has {len(kept)} functions, "
                f"this schedule {len(self.lr_lambdas)}."
            )
        vars(self).update(checked)
        for function, attributes in zip(self.lr_lambdas, kept, strict=True):
            if attributes is not None:
                vars(function).update(attributes)


class LambdaLR(ByFunction):
    """The initial learning rate times lr_lambda(epoch). lr_lambda: one function, or a list with one for each group."""

    def get_lr(self) -> list[Any]:
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(ByFunction):
    """Multiplies the learning rate by lr_lambda(epoch) every epoch. lr_lambda: as for LambdaLR."""

    def get_lr(self) -> list[Any]:
        if self._is_initial:
            return self._current()
        pairs = zip(self.optimizer.param_groups, self.lr_lambdas, strict=True)
        return [group["lr"] * factor(self.last_epoch) for group, factor in pairs]
