"""From rows to a trained module: one call of `train.fit` with the settings of an estimator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.functions.generator import Generator
from chainrule.ir import state
from chainrule.optim import Optimizer
from chainrule.sklearn.rows import Rows
from chainrule.train.fit import fit
from chainrule.train.losses import LOSSES
from chainrule.train.recipes import make_optimizer, make_schedule
from chainrule.train.run import Run

EAGER_STEPS = 8  # so few are done before the first of them would be compiled


@dataclass(frozen=True)
class Job:
    """What is to be trained on what."""

    module: nn.Module
    train: Rows
    held_out: Rows | None
    task: str
    settings: dict[str, Any]
    compiled: bool
    verbose: Any = False


def trained(job: Job) -> Run:
    """Trains the module in place."""
    settings = job.settings
    patience = settings["patience"] if job.held_out is not None else None
    steps = settings["epochs"] * max(1, len(job.train.x) // settings["batch_size"])
    return fit(
        job.module,
        parts_of(job.train),
        None if job.held_out is None else parts_of(job.held_out),
        loss=loss_of(job.task, settings),
        optimizer=optimizer_of(job.module, settings),
        schedule=schedule_of(settings),
        metrics=["accuracy" if job.task == "classification" else "r2"],
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        l1=settings["l1"],
        clip=settings["clip"],
        ema=settings["ema"] or None,
        patience=patience or None,
        time_limit=settings["time_limit"],
        restore_best=job.held_out is not None,
        compile=job.compiled and steps > EAGER_STEPS,
        show=bool(job.verbose),
    )


def parts_of(rows: Rows) -> tuple[Any, ...]:
    """Rows as `fit` takes them: without weights where they weigh the same."""
    return (rows.x, rows.y) if rows.are_even else tuple(rows)


def loss_of(task: str, settings: dict[str, Any]) -> Any:
    """The loss, from its name if it is one."""
    loss = settings["loss"]
    if not isinstance(loss, str):
        return loss
    smoothing = settings.get("label_smoothing", 0.0)
    return LOSSES[task][loss](label_smoothing=smoothing) if smoothing else LOSSES[task][loss]()


def optimizer_of(module: nn.Module, settings: dict[str, Any]) -> Optimizer:
    """The optimiser, from its name if it is one."""
    asked = settings["optimizer"]
    if not isinstance(asked, str):
        made: Optimizer = asked(module.parameters())
        return made
    return make_optimizer(asked, module, settings["lr"], settings["weight_decay"])


def schedule_of(settings: dict[str, Any]) -> Any:
    """A function of (optimizer, steps), or None."""
    asked = settings["schedule"]
    return make_schedule(asked, settings["warmup"]) if isinstance(asked, str) else asked


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws in the block begin at a seed; those outside it go on as if it had not been."""
    with state.using(state.generator, Generator().manual_seed(seed)):
        yield


def seed_from(random_state: Any) -> int:
    """A seed from scikit-learn's `random_state`: None (another each time), an int, or a RandomState, which moves on."""
    from sklearn.utils import check_random_state

    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
