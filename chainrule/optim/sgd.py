"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import bool_
from chainrule.ops.creation import full, zeros_like
from chainrule.ops.elementwise import where
from chainrule.optim.checks import not_negative, number_of
from chainrule.optim.groups import ParamGroup
from chainrule.optim.optimizer import Optimizer, Parameters
from chainrule.optim.slots import Slots
from chainrule.tensor import Tensor

FIRST = "_first"  # whether the momentum buffer is still to take its first gradient


class SGD(Optimizer):
    """Gradient descent, with momentum (Sutskever et al., ICML 2013, as PyTorch writes it).

        g <- grad + weight_decay p
        b <- momentum b + (1 - dampening) g       (the first time: b <- g)
        p <- p - lr b                             (nesterov: p - lr (g + momentum b); momentum 0: p - lr g)

    params: see Optimizer. lr, momentum, dampening, weight_decay: numbers >= 0; lr may be a tensor.
    nesterov needs a momentum and no dampening. maximize: ascend instead.
    foreach and fused choose a speed in PyTorch, and have no effect here.
    Raises ArgumentError for a setting out of its range.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        not_negative("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or number_of("SGD", "dampening", dampening) != 0):
            raise ArgumentError(
                f"SGD: nesterov needs a momentum above 0 and no dampening, not {momentum} and {dampening}."
            )
        defaults: dict[str, Any] = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def init(self, p: Tensor, group: ParamGroup) -> dict[str, Tensor]:
        if group.is_zero("momentum"):
            return {}
        slots = {"momentum_buffer": Tensor(zeros_like(p.read()))}
        if not group.is_zero("dampening"):
            fresh = "momentum_buffer" not in self.state.get(p, ())
            slots[FIRST] = Tensor(full((), fresh, bool_))
        return slots

    def update(self, p: Tensor, grad: Tensor, state: Slots, group: ParamGroup) -> None:
        if not group.is_zero("weight_decay"):
            grad = grad + p * group["weight_decay"]
        if not group.is_zero("momentum"):
            momentum = group["momentum"]
            buffer = state["momentum_buffer"]
            buffer.copy_(self._moved(buffer, grad, state, group))
            grad = grad + buffer * momentum if group["nesterov"] else buffer
        p.sub_(grad * group["lr"])

    @staticmethod
    def _moved(buffer: Tensor, grad: Tensor, state: Slots, group: ParamGroup) -> Tensor:
        """The next momentum buffer. Without dampening a buffer of zeros takes the first gradient as it is."""
        if group.is_zero("dampening"):
            return buffer * group["momentum"] + grad  # type: ignore[no-any-return]
        moved = buffer * group["momentum"] + grad * (1 - group["dampening"])
        taken = where(state[FIRST].read(), grad.read(), moved.read())
        state[FIRST].write(full((), False, bool_))
        return Tensor(taken)

    def complete(self, slots: Slots) -> None:
        if "momentum_buffer" in slots:
            slots[FIRST] = Tensor(full((), False, bool_))
