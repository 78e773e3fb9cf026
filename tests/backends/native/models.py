"""Small models of every kind and steps that train them: eagerly, or as one program."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.bench.steps_chainrule import Gpt, Mlp
from chainrule.bench.workloads import Workload
from chainrule.ir.types import Array
from chainrule.nn import functional as F

Batch = tuple[Array, Array]


@dataclass
class Training:
    """A model with its step and a batch for every call."""

    model: nn.Module
    optimizer: Any
    step: Callable[[Any, Any], Any]
    batch: Callable[[int], Batch]

    def run(self, steps: int) -> list[float]:
        """The losses."""
        return [self.step(*map(cr.tensor, self.batch(k))).item() for k in range(steps)]

    def weights(self) -> Array:
        """All that training changes, in one array."""
        held = [*self.model.state_dict().values()]
        for state in self.optimizer.state_dict()["state"].values():
            held += [value for value in state.values() if isinstance(value, cr.Tensor)]
        return np.concatenate([np.asarray(tensor.detach().numpy(), np.float64).reshape(-1) for tensor in held])

    def digest(self) -> str:
        """A hash of their bits."""
        return hashlib.sha256(self.weights().tobytes()).hexdigest()


def training(
    model: nn.Module,
    make: Callable[[Any], Any],
    loss: Callable[[Any, Any], Any],
    batch: Callable[[int], Batch],
    *,
    clip: float = 0.0,
    compiled: bool = True,
) -> Training:
    """The step of a model."""
    optimizer = make(model.parameters())

    def step(x: Any, y: Any) -> Any:
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return value

    return Training(model, optimizer, cr.compile(step) if compiled else step, batch)


# Batches --------------------------------------------------------------------------------------------------------------


def numbers(count: int, width: int, outputs: int = 1) -> Callable[[int], Batch]:
    def batch(k: int) -> Batch:
        rng = np.random.default_rng(k)
        x = rng.standard_normal((count, width), dtype=np.float32)
        return x, np.tanh(x[:, :outputs] - x[:, -outputs:])

    return batch


def labelled(count: int, width: int, classes: int) -> Callable[[int], Batch]:
    def batch(k: int) -> Batch:
        rng = np.random.default_rng(k)
        return rng.standard_normal((count, width), dtype=np.float32), rng.integers(0, classes, count)

    return batch


def text(count: int, length: int, vocabulary: int) -> Callable[[int], Batch]:
    def batch(k: int) -> Batch:
        tokens = np.random.default_rng(k).integers(0, vocabulary, (count, length + 1)).astype(np.int32)
        return tokens[:, :-1].copy(), tokens[:, 1:].copy()

    return batch


def of_classes(z: Any, y: Any) -> Any:
    """The cross entropy of logits in any number of dimensions."""
    return F.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1))


# Trainings ------------------------------------------------------------------------------------------------------------


def mlp(make: Callable[[Any], Any], compiled: bool) -> Training:
    return training(Mlp([9, 16, 13, 1]), make, F.mse_loss, numbers(11, 9), compiled=compiled)


def classifier(compiled: bool) -> Training:
    model = nn.Sequential(nn.Linear(20, 33), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(33), nn.Linear(33, 7))
    return training(model, lambda p: optim.AdamW(p, 1e-2), F.cross_entropy, labelled(24, 20, 7), compiled=compiled)


def normalised(compiled: bool) -> Training:
    model = nn.Sequential(nn.Linear(10, 24), nn.BatchNorm1d(24), nn.Tanh(), nn.Linear(24, 3))
    make = lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True)
    return training(model, make, F.cross_entropy, labelled(16, 10, 3), compiled=compiled)


def gpt(compiled: bool) -> Training:
    model = Gpt(Workload("gpt", "gpt", 3, "adamw", vocabulary=11, layers=2, heads=2, width=16, block=8))
    return training(model, lambda p: optim.AdamW(p, 1e-3), of_classes, text(3, 8, 11), clip=1.0, compiled=compiled)


class Bag(nn.Module):
    """The mean of embeddings, classified."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(50, 12, padding_idx=0), nn.Linear(12, 4)

    def forward(self, x: Any) -> Any:
        return self.out(self.table(x).mean(1))


def embedding(compiled: bool) -> Training:
    def batch(k: int) -> Batch:
        rng = np.random.default_rng(k)
        return rng.integers(0, 50, (9, 5)), rng.integers(0, 4, 9)

    return training(Bag(), lambda p: optim.Adam(p, 1e-2), F.cross_entropy, batch, compiled=compiled)


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, 0.05),
    "momentum": lambda p: optim.SGD(p, 0.02, momentum=0.9, weight_decay=1e-3, dampening=0.1),
    "nesterov": lambda p: optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, 1e-2, weight_decay=1e-3),
    "amsgrad": lambda p: optim.Adam(p, 1e-2, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, 1e-2),
    "rmsprop": lambda p: optim.RMSprop(p, 1e-3, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, 1e-2),
}
TRAININGS: dict[str, Callable[[bool], Training]] = {
    **{f"mlp {name}": lambda compiled, make=make: mlp(make, compiled) for name, make in OPTIMIZERS.items()},  # type: ignore[misc]
    "classifier": classifier,
    "batch norm": normalised,
    "gpt": gpt,
    "embedding": embedding,
}


def begun(name: str, compiled: bool = True) -> Training:
    """A training from its seed."""
    cr.manual_seed(7)
    return TRAININGS[name](compiled)
