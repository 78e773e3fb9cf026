"""Losses by name, by task: what `--loss` means. The first of each is the default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule import nn

LOSSES: dict[str, dict[str, Callable[..., Any]]] = {
    "classification": {"cross_entropy": nn.CrossEntropyLoss},
    "regression": {"mse": nn.MSELoss, "mae": nn.L1Loss, "huber": nn.HuberLoss},
}
