"""RMSprop."""

from __future__ import annotations

from typing import Any

from chainrule.ops.creation import default_dtype, full, zeros_like
from chainrule.optim.average import move_towards
from chainrule.optim.checks import not_negative
from chainrule.optim.groups import ParamGroup
from chainrule.optim.optimizer import Optimizer, Parameters
from chainrule.optim.slots import Slots
from chainrule.tensor import Tensor


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, lecture 6.5, 2012); centered: Graves, arXiv:1308.0850.

        g <- grad + weight_decay p
        v <- alpha v + (1 - alpha) g^2
        d <- sqrt(v) + eps                        (centered: sqrt(v - a^2) + eps, with a <- alpha a + (1 - alpha) g)
        p <- p - lr g / d                         (momentum: p - lr b, with b <- momentum b + g / d)

    params: see Optimizer. lr, alpha, eps, weight_decay, momentum: numbers >= 0; lr may be a tensor. maximize: ascend.
    foreach and capturable choose a speed in PyTorch, and have no effect here.
    Raises ArgumentError for a setting out of its range.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        not_negative("RMSprop", lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> dict[str, Tensor]:
        names = ["square_avg"]
        if not group.is_zero("momentum"):
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return {"step": Tensor(full((), 0, default_dtype()))} | {name: Tensor(zeros_like(p.read())) for name in names}

    def update(self, p: Tensor, grad: Tensor, state: Slots, group: ParamGroup) -> None:
        lr, alpha = group["lr"], group["alpha"]
        state["step"].add_(1)
        if not group.is_zero("weight_decay"):
            grad = grad + p * group["weight_decay"]
        square = state["square_avg"]
        square.copy_(square * alpha + grad * (1 - alpha) * grad)
        spread = square
        if group["centered"]:
            mean = state["grad_avg"]
            move_towards(mean, grad, alpha, group.is_above_half("alpha"))
            spread = square - mean * mean
        scaled = grad / (spread.sqrt() + group["eps"])
        if not group.is_zero("momentum"):
            buffer = state["momentum_buffer"]
            scaled = buffer.copy_(buffer * group["momentum"] + scaled)
        p.sub_(scaled * lr)
