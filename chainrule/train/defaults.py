"""What `chainrule train` and the estimators choose where nothing is asked for: one rule for all tables.

Chosen on other splits than benchmarks/tables.py reports, and never on a test part (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Defaults:
    """The settings of a run. `why` has a reason, one line, for each that depends on the data, and for most others."""

    model: str = "wide"  # presets.PRESETS
    hidden: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    norm: str = "none"
    dropout: float = 0.1
    init: str = "default"
    optimizer: str = "adamw"  # recipes.OPTIMIZERS
    lr: float = 0.003  # the highest of the schedule
    weight_decay: float = 0.01
    schedule: str = "onecycle"  # recipes.SCHEDULES
    warmup: float = 0.3
    label_smoothing: float = 0.0
    l1: float = 0.0
    clip: float | None = None
    ema: float | None = None
    epochs: int = 60
    batch_size: int = 32
    patience: int = 20  # epochs
    valid: float = 0.1  # shares of the rows
    test: float = 0.2
    why: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON values, without the reasons."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._plain()}

    def _plain(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__dataclass_fields__ if name != "why"]


def defaults_for(rows: int, columns: int, task: str) -> Defaults:
    """The settings for a table of `rows` training rows with `columns` features, as encoded.

    task: "classification" or "regression".

    >>> defaults_for(240, 9, "classification").batch_size
    32
    """
    batch_size = batch_for(rows)
    return Defaults(
        batch_size=batch_size,
        why=MappingProxyType(
            {
                "batch_size": f"{-(-rows // batch_size)} steps an epoch of {rows:,} rows",
            }
        ),
    )


def batch_for(rows: int) -> int:
    """A power of two from 16 to 256 that grows with the root of the rows.

    Small tables need the steps (and their noise helps); for large ones bigger batches are faster and no worse.
    """
    size = 16
    while size < 256 and size * size * 2 <= rows:
        size *= 2
    return size
