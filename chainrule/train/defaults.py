"""What `chainrule train` and the estimators choose where nothing is asked for: one rule for all tables.

The rules were chosen with benchmarks/tables.py's tables on splits of their own, by rows of the training parts alone;
docs/tables.md has what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

STEPS = 4000  # tables of 20,000 to 30,000 rows were not tried with clearly fewer or more at these settings
EPOCHS = (15, 60)  # but at least, and at most
PENALTY = 5.0  # what the squares of the weights cost, of the summed loss of all rows
LARGEST_PENALTY = 0.05  # of the mean loss, for tables of a few rows


@dataclass(frozen=True)
class Defaults:
    """The settings of a run, and in `why` the reason for each that has one, in a line."""

    model: str = "wide"  # presets.PRESETS
    hidden: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    norm: str = "none"
    dropout: float = 0.1
    init: str = "default"
    optimizer: str = "adam"  # recipes.OPTIMIZERS
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
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "why"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def defaults_for(rows: int, columns: int, task: str) -> Defaults:
    """The settings for a table of `rows` training rows with `columns` features, as encoded.

    task: "classification" or "regression".

    >>> chosen = defaults_for(250, 9, "classification")
    >>> chosen.batch_size, chosen.weight_decay, chosen.why["weight_decay"]
    (16, 0.04, 'a penalty of 10 / rows: the fewer rows, the simpler the model')
    """
    batch_size = batch_for(rows)
    epochs = epochs_for(rows, batch_size)
    classes = task == "classification"
    return Defaults(
        batch_size=batch_size,
        epochs=epochs,
        patience=epochs // 3,
        weight_decay=decay_for(rows),
        label_smoothing=0.05 if classes else 0.0,
        why=MappingProxyType(REASONS | (REASON_OF_SMOOTHING if classes else {}) | reasons(rows, batch_size, epochs)),
    )


def batch_for(rows: int) -> int:
    """A power of two from 16 to 256, about the root of the rows.

    Small tables need the many steps that small batches give; on large ones bigger batches are faster and no worse.
    """
    size = 16
    while size < 256 and size * size * 2 <= rows:
        size *= 2
    return size


def epochs_for(rows: int, batch_size: int) -> int:
    """Passes that come to STEPS steps, within EPOCHS."""
    steps = max(rows // batch_size, 1)
    return min(max(STEPS // steps, EPOCHS[0]), EPOCHS[1])


def decay_for(rows: int) -> float:
    """The decay that a penalty of PENALTY sum(w^2) on the summed loss is, for the mean loss: what it costs, twice.

    As with ridge regression, or a prior on the weights: rows outweigh it the more there are. It is part of the gradient
    (`adam`); `adamw`'s decay of 0.1 to 1, which the step's size scales, was no better on breast_cancer, one of 3 was on
    diabetes.
    """
    return 2 * min(PENALTY / max(rows, 1), LARGEST_PENALTY)


def reasons(rows: int, batch_size: int, epochs: int) -> dict[str, str]:
    """Why the settings that depend on the rows are what they are."""
    steps = max(rows // batch_size, 1)
    if decay_for(rows) < 2 * LARGEST_PENALTY:
        decay = f"a penalty of {2 * PENALTY:g} / rows: the fewer rows, the simpler the model"
    else:
        decay = "the strongest penalty, for a table of few rows"
    return {
        "batch_size": f"about the root of {rows:,} rows: {steps:,} step{'s' if steps > 1 else ''} an epoch",
        "epochs": f"{steps * epochs:,} steps at most; the epoch with the best validation loss is kept",
        "patience": "a third of the epochs",
        "weight_decay": decay,
    }


# Most of these were compared with their neighbours (twice, half; without); differences were mostly within chance.
REASONS = {
    "model": "a linear model, and a network for what it leaves: small tables are often nearly linear",
    "hidden": "larger ones were no better on tables of up to 30,000 rows",
    "norm": "batch norm was better on images, worse on columns of houses and patients",
    "dropout": "a little: more was no better on most tables",
    "optimizer": "takes the weight decay as a penalty on the loss",
    "lr": "the highest rate, in the middle of the schedule",
    "schedule": "up to the learning rate and down to almost nothing, once",
    "warmup": "the share of the steps on which the rate rises",
}
REASON_OF_SMOOTHING = {"label_smoothing": "keeps the model from being too sure of the training rows"}
