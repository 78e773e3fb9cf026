"""Adagrad."""

from __future__ import annotations

from typing import Any

from chainrule.ops.creation import default_dtype, full
from chainrule.optim.checks import not_negative
from chainrule.optim.groups import ParamGroup
from chainrule.optim.optimizer import Optimizer, Parameters
from chainrule.optim.slots import Slots
from chainrule.tensor import Tensor


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, JMLR 2011).

        g <- grad + weight_decay p
        s <- s + g^2
        p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

    params: see Optimizer. lr, lr_decay, weight_decay, eps, initial_accumulator_value (s at first): numbers >= 0; lr may
    be a tensor. maximize: ascend instead. foreach and fused choose a speed in PyTorch, and have no effect here.
    Raises ArgumentError for a setting out of its range.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        start = initial_accumulator_value
        not_negative(
            "Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=start, eps=eps
        )
        defaults: dict[str, Any] = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": start,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self._slots(p, group)  # PyTorch's state dict has them before the first step

    def init(self, p: Tensor, group: ParamGroup) -> dict[str, Tensor]:
        start = self.defaults["initial_accumulator_value"]
        return {"step": Tensor(full((), 0, default_dtype())), "sum": Tensor(full(p.shape, start, p.dtype))}

    def update(self, p: Tensor, grad: Tensor, state: Slots, group: ParamGroup) -> None:
        t = state["step"].add_(1).double()
        if not group.is_zero("weight_decay"):
            grad = grad + p * group["weight_decay"]
        step_size = group["lr"]
        if not group.is_zero("lr_decay"):
            step_size = (step_size / (1 + (t - 1) * group["lr_decay"])).to(p.dtype)
        total = state["sum"].add_(grad * grad)
        p.sub_(grad * step_size / (total.sqrt() + group["eps"]))
