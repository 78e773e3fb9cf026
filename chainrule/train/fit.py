"""`fit`: trains a model on arrays or loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

from chainrule import nn
from chainrule.functions.generator import Generator
from chainrule.optim import Optimizer
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.train.assembling import OptimizerLike, assembled, check_settings, generating
from chainrule.train.display import display_for
from chainrule.train.events import Event
from chainrule.train.feed import feed_of, floats_of
from chainrule.train.keeper import Keeper
from chainrule.train.loop import Loop, Plan
from chainrule.train.objective import ClassWeight, Loss
from chainrule.train.penalties import Which
from chainrule.train.run import Run
from chainrule.train.running import State, carried_out, keeper_of
from chainrule.train.step import Recipe
from chainrule.train.stopping import EarlyStopping, Plateau

ScheduleLike = LRScheduler | Callable[[Optimizer, int], LRScheduler]


def fit(
    model: nn.Module,
    train: Any,
    validation: Any = None,
    *,
    loss: Loss | None = None,
    optimizer: OptimizerLike | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    schedule: ScheduleLike | None = None,
    schedule_each: str = "step",
    metrics: Iterable[Any] | Any = None,
    monitor: str = "loss",
    callbacks: Iterable[Callable[[Event], object]] = (),
    l1: float = 0.0,
    l2: float = 0.0,
    penalise: Which | None = None,
    clip: float | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    class_weight: ClassWeight | None = None,
    sample_weight: Any = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    plateau: int | None = None,
    time_limit: float | None = None,
    restore_best: bool = True,
    seed: int | None = None,
    compile: bool = True,
    watch: bool = False,
    show: bool | None = None,
    checkpoints: str | PathLike[str] | Keeper | None = None,
    resume: bool | State | None = None,
) -> Run:
    """Trains `model` in place, and returns the Run: the model with its best weights, and how it came about.

    train, validation: (inputs, targets) or (inputs, targets, weights), arrays, tensors or DataFrames of as many rows; a
    DataLoader or data set. Arrays come in batches of `batch_size` in a random order, a smaller last one left out.
    loss: a module or function of (outputs, targets); None: cross entropy for whole numbers, else the squared error.
    optimizer: one, or a function of the parameters; None: AdamW. schedule: one, or a function of (optimizer, steps of
    the run); stepped after each "step" or "epoch" (schedule_each). metrics: names, objects, functions.
    monitor: what decides which epoch is best, "loss" or a metric, of the validation part if there is one.
    l1, l2: penalties on weights, see `penalise`. clip: the largest norm of the gradients. accumulate: batches a step.
    ema: the decay of an average of the weights, which is evaluated and kept.
    class_weight: "balanced", a dict or a list by class number. sample_weight: a number for each row of arrays.
    patience: epochs without a gain above `min_delta` before it stops; plateau: the same for the training loss;
    time_limit: in seconds. restore_best=False: the last weights are kept. seed: of order and dropout.
    compile=False: each step runs op by op. watch: norms of gradients and updates once an epoch (`events.Watched`).
    show: rows or a live table of epochs; None: in a terminal or a notebook, if there are no callbacks.
    checkpoints: a folder for what the run needs to go on, written at the end of each epoch, each minute, and when a
    signal stops it; with resume=True it goes on from there, with the same bits.
    Raises ArgumentError for arguments that do not fit, DivergedError for a loss that is not finite.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> x = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)
    >>> run = fit(nn.Linear(3, 1), (x, x.sum(1)), epochs=2, seed=0, compile=False)
    >>> run.stopped
    'all epochs'
    """
    check_settings(epochs=epochs, batch_size=batch_size, accumulate=accumulate)
    generator = None if seed is None else Generator().manual_seed(seed)
    with generating(generator):
        feed, recipe = assembled(
            model, train, loss=loss, optimizer=optimizer, batch_size=batch_size, metrics=metrics, l1=l1, l2=l2,
            penalise=penalise, clip=clip, accumulate=accumulate, ema=ema, class_weight=class_weight,
            sample_weight=sample_weight, watch=watch,
        )  # fmt: skip
        total = epochs * -(-feed.steps // accumulate)
        larger = next((metric.larger_is_better for metric in recipe.metrics if metric.name == monitor), False)
        stepped = (
            schedule if schedule is None or isinstance(schedule, LRScheduler) else schedule(recipe.optimizer, total)
        )
        plan = Plan(
            recipe=recipe,
            train=feed,
            validation=None if validation is None else feed_of(validation, batch_size, "validation", floats_of(model)),
            epochs=epochs,
            schedule=stepped,
            schedule_each=schedule_each,
            monitor=monitor,
            larger_is_better=larger,
            restore_best=restore_best,
            time_limit=time_limit,
            compiled=compile,
            settings=(
                *described(recipe, loss, stepped),
                ("epochs", epochs), ("batch_size", batch_size), ("monitor", monitor), ("patience", patience),
                ("plateau", plateau), ("time_limit", time_limit), ("seed", seed), ("compile", compile),
            ),
        )  # fmt: skip
        listeners = list(callbacks)
        if (display := display_for(show, others=bool(listeners))) is not None:
            listeners.append(display)
        if patience is not None:
            listeners.append(EarlyStopping(patience, min_delta, monitor, larger))
        if plateau is not None:
            listeners.append(Plateau(plateau))
        keeper = keeper_of(checkpoints, resume)
        if keeper is not None:
            listeners.append(keeper)  # the last: what it keeps is what others have made of an event
        loop = Loop(plan, listeners)
        reason = carried_out(loop, keeper, resume)
    return Run(model, loop.history, loop.best, reason, loop.seconds, loop)


def described(recipe: Recipe, loss: Loss | None, schedule: LRScheduler | None) -> tuple[tuple[str, Any], ...]:
    """What a step is made of, as JSON values."""
    average = recipe.average
    return (
        ("loss", "default" if loss is None else getattr(loss, "__name__", type(loss).__name__)),
        ("optimizer", type(recipe.optimizer).__name__),
        ("lr", float(recipe.optimizer.param_groups[0]["lr"])),
        ("schedule", None if schedule is None else type(schedule).__name__),
        ("metrics", [metric.name for metric in recipe.metrics]),
        ("l1", recipe.l1),
        ("l2", recipe.l2),
        ("clip", recipe.clip),
        ("accumulate", recipe.accumulate),
        ("ema", None if average is None else average.decay),
    )
