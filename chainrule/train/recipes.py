"""Optimisers and learning-rate schedules by name: what `--optimizer`, `--schedule` and `--warmup` mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule import nn, optim
from chainrule.ir.errors import ArgumentError
from chainrule.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from chainrule.train.presets import check_known

OPTIMIZERS: dict[str, Callable[[Any, float], optim.Optimizer]] = {
    "adamw": lambda groups, lr: optim.AdamW(groups, lr=lr),
    "adam": lambda groups, lr: optim.Adam(groups, lr=lr),
    "sgd": lambda groups, lr: optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
    "rmsprop": lambda groups, lr: optim.RMSprop(groups, lr=lr),
    "adagrad": lambda groups, lr: optim.Adagrad(groups, lr=lr),
}
SCHEDULES = ("onecycle", "cosine", "linear", "constant")


def make_optimizer(name: str, model: nn.Module, lr: float, weight_decay: float = 0.0) -> optim.Optimizer:
    """The optimiser `name` over a model's parameters.

    Weights (two or more dimensions) decay; biases and the parameters of norms do not: pulling an offset to zero
    makes no model simpler. sgd has Nesterov's momentum of 0.9. ArgumentError for an unknown name.
    """
    check_known("optimizer", name, OPTIMIZERS)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = {"params": [p for p in trained if len(p.shape) >= 2], "weight_decay": weight_decay}
    others = {"params": [p for p in trained if len(p.shape) < 2], "weight_decay": 0.0}
    return OPTIMIZERS[name]([group for group in (decayed, others) if group["params"]], lr)


def make_schedule(name: str, warmup: float | None = None) -> Callable[[optim.Optimizer, int], LRScheduler] | None:
    """The schedule `name` as a function of (optimizer, total steps), stepped once a batch; None for a constant rate.

    onecycle: up to the learning rate for `warmup` of the steps (0.3), down to almost zero, momentum the other way.
    cosine, linear: up in a line for `warmup` of the steps (0.05), then down to zero along a cosine, or a line.
    constant: the same throughout; with a warmup, up to it in a line first. ArgumentError for an unknown name.
    """
    check_known("schedule", name, SCHEDULES)
    if warmup is not None and not 0 <= warmup < 1:
        raise ArgumentError(f"warmup must be a share of the steps in [0, 1), not {warmup!r}.")
    if name == "onecycle":
        return lambda optimizer, steps: one_cycle(optimizer, steps, 0.3 if warmup is None else warmup)
    if name == "constant" and not warmup:
        return None
    share = 0.05 if warmup is None else warmup
    return lambda optimizer, steps: LambdaLR(optimizer, Ramp(name, math.ceil(share * steps), steps))


def one_cycle(optimizer: optim.Optimizer, steps: int, warmup: float) -> LRScheduler:
    """OneCycleLR up to each group's own learning rate; momentum is cycled where there is one."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    cycled = bool({"momentum", "betas"} & optimizer.defaults.keys())
    return OneCycleLR(optimizer, rates, total_steps=max(steps, 1), pct_start=warmup, cycle_momentum=cycled)


@dataclass
class Ramp:
    """The factor of the learning rate at a step: up in a line over the first steps, then down to zero (or not)."""

    shape: str
    up: int
    steps: int

    def __call__(self, step: int) -> float:
        if step < self.up:
            return (step + 1) / (self.up + 1)
        share = min((step - self.up) / max(self.steps - self.up, 1), 1.0)
        if self.shape == "cosine":
            return 0.5 * (1 + math.cos(math.pi * share))
        return 1 - share if self.shape == "linear" else 1.0
