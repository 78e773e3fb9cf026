"""Small runs that tests train: made-up data, a model with all that has a state, and every option that keeps some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.train.events import Event
from chainrule.train.fit import fit
from chainrule.train.run import Run

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def blobs(rows: int = 60, seed: int = 0) -> Arrays:
    """Three classes in four dimensions."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 3, rows)
    x = draw.normal(size=(rows, 4)) + 1.5 * np.eye(4)[y]
    return x.astype(np.float32), y


def line(rows: int = 64, seed: int = 0) -> Arrays:
    """A regression with little noise."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 3)).astype(np.float32)
    return x, (x @ np.array([1.0, -2.0, 0.5]) + 0.3 + 0.05 * draw.normal(size=rows)).astype(np.float32)


def net() -> nn.Module:
    """A model with dropout and batch norm; the same weights each time."""
    cr.manual_seed(7)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


def full_run(
    callbacks: tuple[Callable[[Event], object], ...] = (), model: nn.Module | None = None, **other: Any
) -> Run:
    """A run with dropout, batch norm, AdamW and OneCycle, EMA, early stopping, weights."""
    settings: dict[str, Any] = {
        "optimizer": lambda p: optim.AdamW(p, lr=0.01),
        "schedule": lambda o, total: optim.lr_scheduler.OneCycleLR(o, 0.02, total_steps=total),
        "epochs": 4,
        "batch_size": 16,
        "ema": 0.9,
        "clip": 1.0,
        "patience": 3,
        "class_weight": "balanced",
        "metrics": ["accuracy", "f1"],
        "seed": 3,
    }
    return fit(model or net(), blobs(), blobs(30, 1), callbacks=callbacks, **settings | other)


def weights_of(run: Run) -> dict[str, bytes]:
    """The bits of a model."""
    return {name: value.numpy().tobytes() for name, value in run.model.state_dict().items()}


def losses(run: Run) -> list[Any]:
    """The history without the clock."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.history]
