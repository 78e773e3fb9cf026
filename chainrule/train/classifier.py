"""A multilayer perceptron trained to tell classes apart, epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn, optim
from chainrule.compiler import compile
from chainrule.data import DataLoader, TensorDataset
from chainrule.functions.factories import tensor
from chainrule.gradients import no_grad
from chainrule.ir.errors import ArgumentError
from chainrule.tensor import Tensor

Arrays = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # inputs (n, features) float32, labels (n,) int64


@dataclass(frozen=True)
class Settings:
    """What a run was asked for. The defaults were chosen on the validation part of digits, never on its test part."""

    hidden: tuple[int, ...] = (256, 128)
    dropout: float = 0.4
    epochs: int = 60
    batch_size: int = 64
    lr: float = 0.005  # the peak of the one-cycle schedule
    weight_decay: float = 0.05
    seed: int = 0
    compiled: bool = True

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be {rule}, not {getattr(self, name)!r}"
            for name, rule, holds in (
                ("hidden", "at least one width of at least 1", bool(self.hidden) and min(self.hidden, default=0) >= 1),
                ("dropout", "in [0, 1)", 0 <= self.dropout < 1),
                ("epochs", "at least 1", self.epochs >= 1),
                ("batch_size", "at least 2", self.batch_size >= 2),
                ("lr", "above 0", 0 < self.lr < float("inf")),
                ("weight_decay", "at least 0", 0 <= self.weight_decay < float("inf")),
            )
            if not holds
        ]
        if wrong:
            raise ArgumentError("; ".join(wrong) + ".")

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Epoch:
    """One row of the table: losses are mean cross entropies, accuracies fractions."""

    number: int
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    lr: float
    seconds: float


def build_mlp(inputs: int, classes: int, settings: Settings) -> nn.Module:
    """Linear, batch norm, ReLU and dropout per hidden width, then a linear layer to the logits."""
    layers: list[nn.Module] = []
    width = inputs
    for hidden in settings.hidden:
        layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(settings.dropout)]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, classes))


def train_classifier(model: nn.Module, train: Arrays, valid: Arrays, settings: Settings) -> Iterator[Epoch]:
    """Trains `model` in place by AdamW under a one-cycle schedule; yields a row after each epoch.

    The caller seeds the generator (`chainrule.manual_seed`) before it builds the model: shuffling and dropout draw from
    the same one.
    """
    loader = DataLoader(TensorDataset(*train), batch_size=settings.batch_size, shuffle=True, drop_last=True)
    if len(loader) == 0:
        raise ArgumentError(f"a batch of {settings.batch_size} is larger than the {len(train[0])} training rows.")
    optimizer = optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    total = settings.epochs * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=total)

    def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, (logits.argmax(1) == y).sum()

    run_step = compile(step) if settings.compiled else step
    begun = time.perf_counter()
    for number in range(1, settings.epochs + 1):
        model.train()
        losses, right, rows = [], 0, 0
        lr = optimizer.param_groups[0]["lr"]
        for x, y in loader:
            loss, correct = run_step(x, y)
            schedule.step()
            losses.append(loss.item())
            right, rows = right + correct.item(), rows + len(x)
        valid_loss, valid_accuracy = evaluate(model, valid)
        elapsed = time.perf_counter() - begun
        yield Epoch(number, float(np.mean(losses)), right / rows, valid_loss, valid_accuracy, lr, elapsed)


def evaluate(model: nn.Module, part: Arrays) -> tuple[float, float]:
    """The mean cross entropy and the accuracy on a part, with dropout off and stored statistics."""
    model.eval()
    with no_grad():
        y = tensor(part[1])
        logits = model(tensor(part[0]))
        loss = nn.functional.cross_entropy(logits, y)
        return loss.item(), (logits.argmax(1) == y).float().mean().item()


def accuracy(model: nn.Module, part: Arrays) -> tuple[int, int]:
    """How many rows of a part the model gets right, and how many there are."""
    model.eval()
    with no_grad():
        predicted = model(tensor(part[0])).argmax(1).numpy()
    return int((predicted == part[1]).sum()), len(part[1])
