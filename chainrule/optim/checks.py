"""Checks of an optimiser's settings at its constructor."""

from __future__ import annotations

from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.tensor import Tensor


def number_of(what: str, name: str, setting: Any) -> float:
    """The number of a setting that may be a tensor."""
    if isinstance(setting, Tensor):
        if setting.shape.numel() != 1:
            raise ArgumentError(f"{what}: {name} must be one number, not a tensor {setting.read().type}.")
        return float(setting.read_outside().array.item())
    try:
        return float(setting)
    except (TypeError, ValueError):
        raise ArgumentError(f"{what}: {name} must be a number, not {setting!r}.") from None


def not_negative(what: str, **settings: Any) -> None:
    """Raises ArgumentError for a setting below 0 (or NaN)."""
    for name, setting in settings.items():
        number = number_of(what, name, setting)
        if not number >= 0:
            raise ArgumentError(f"{what}: {name} must be at least 0, not {number}.")


def decay_rates(what: str, betas: Any) -> None:
    """Raises ArgumentError unless `betas` are two numbers in [0, 1)."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ArgumentError(f"{what}: betas must be two numbers, e.g. (0.9, 0.999), not {betas!r}.")
    for index, beta in enumerate(betas):
        number = number_of(what, f"betas[{index}]", beta)
        if not 0 <= number < 1:
            raise ArgumentError(f"{what}: betas[{index}] must be in [0, 1), not {number}.")
