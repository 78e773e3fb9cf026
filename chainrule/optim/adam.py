"""Adam, with decoupled weight decay as an option (then it is AdamW)."""

from __future__ import annotations

from typing import Any

from chainrule.ops.creation import default_dtype, full, zeros_like
from chainrule.optim.average import move_towards
from chainrule.optim.checks import decay_rates, not_negative
from chainrule.optim.groups import ParamGroup
from chainrule.optim.optimizer import Optimizer, Parameters
from chainrule.optim.slots import Slots
from chainrule.tensor import Tensor

Betas = tuple[float | Tensor, float | Tensor]


class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015); amsgrad: Reddi, Kale and Kumar, ICLR 2018.

        g <- grad + weight_decay p                (decoupled: p <- p - lr weight_decay p instead)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2            (amsgrad: from here on the largest v so far)
        p <- p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    params: see Optimizer. lr, eps, weight_decay: numbers >= 0; betas: two numbers in [0, 1); lr and betas may be
    tensors. maximize: ascend instead. foreach, fused and capturable choose a speed in PyTorch, and have no effect here.
    Raises ArgumentError for a setting out of its range.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        what = type(self).__name__
        not_negative(what, lr=lr, eps=eps, weight_decay=weight_decay)
        decay_rates(what, betas)
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> dict[str, Tensor]:
        names = ["exp_avg", "exp_avg_sq"]
        if group["amsgrad"]:
            names.append("max_exp_avg_sq")
        return {"step": Tensor(full((), 0, default_dtype()))} | {name: Tensor(zeros_like(p.read())) for name in names}

    def update(self, p: Tensor, grad: Tensor, state: Slots, group: ParamGroup) -> None:
        beta1, beta2 = group["betas"]
        t = state["step"].add_(1).double()
        decayed = p
        if not group.is_zero("weight_decay"):
            if group["decoupled_weight_decay"]:
                decayed = p * (1 - group["lr"] * group["weight_decay"])
            else:
                grad = grad + p * group["weight_decay"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        move_towards(mean, grad, beta1, group.is_above_half("betas", 0))
        square.copy_(square * beta2 + grad * (1 - beta2) * grad)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"].copy_(state["max_exp_avg_sq"].maximum(square))
        # Scalars of t are float64 and rounded once: a tensor without dimensions would else widen p.
        # A product with the reciprocal: a division takes a vector unit five times as long, and one per element is left.
        scale = (1 - beta2**t).rsqrt().to(p.dtype)
        step_size = (group["lr"] / (1 - beta1**t)).to(p.dtype)
        p.copy_(decayed - mean * step_size / (square.sqrt() * scale + group["eps"]))
