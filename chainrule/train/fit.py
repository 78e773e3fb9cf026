"""`fit`: trains a model on arrays or loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.functions.factories import tensor
from chainrule.functions.generator import Generator
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.value import Value
from chainrule.optim import AdamW, Optimizer
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.tensor import Tensor
from chainrule.train.average import Average
from chainrule.train.events import Event
from chainrule.train.feed import ArrayFeed, Feed, feed_of
from chainrule.train.keeper import Keeper
from chainrule.train.loop import Loop, Plan
from chainrule.train.metrics import Metric, default_metrics, metrics_of
from chainrule.train.objective import ClassWeight, Loss, Objective, class_weights
from chainrule.train.penalties import Which, weights_of
from chainrule.train.run import Run
from chainrule.train.running import State, carried_out, keeper_of
from chainrule.train.step import Recipe, probe
from chainrule.train.stopping import EarlyStopping, Plateau

OptimizerLike = Optimizer | Callable[[Iterator[Tensor]], Optimizer]
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
    checkpoints: str | PathLike[str] | Keeper | None = None,
    resume: bool | State | None = None,
) -> Run:
    """Trains `model` in place, by batches of `train`; returns the Run.

    checkpoints: a folder for what the run needs to go on, written at the end of each epoch, each minute, and when a
    signal stops it; with resume=True it goes on from there, with the same bits.
    """
    check_settings(epochs=epochs, batch_size=batch_size, accumulate=accumulate)
    generator = None if seed is None else Generator().manual_seed(seed)
    with generating(generator):
        feed, weighting = weighted_feed(train, batch_size, sample_weight, class_weight, model)
        chosen = AdamW(model.parameters()) if optimizer is None else made(optimizer, model)
        kinds = kinds_of(feed, metrics)
        recipe = Recipe(
            model=model,
            objective=Objective(loss, *weighting),
            optimizer=chosen,
            metrics=kinds,
            penalised=tuple(weights_of(model, penalise)) if l1 or l2 else (),
            l1=l1,
            l2=l2,
            clip=clip,
            accumulate=accumulate,
            average=None if ema is None else Average(model, ema),
            watched=watch,
        )
        total = epochs * -(-feed.steps // accumulate)
        larger = next((metric.larger_is_better for metric in kinds if metric.name == monitor), False)
        plan = Plan(
            recipe=recipe,
            train=feed,
            validation=None if validation is None else feed_of(validation, batch_size, "validation"),
            epochs=epochs,
            schedule=schedule if schedule is None or isinstance(schedule, LRScheduler) else schedule(chosen, total),
            schedule_each=schedule_each,
            monitor=monitor,
            larger_is_better=larger,
            restore_best=restore_best,
            time_limit=time_limit,
            compiled=compile,
        )
        listeners = list(callbacks)
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


def check_settings(**counts: Any) -> None:
    """Raises ArgumentError unless all are ints above 0."""
    for name, count in counts.items():
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise ArgumentError(f"fit: {name} must be an int above 0, not {count!r}.")


@contextmanager
def generating(generator: Generator | None) -> Iterator[None]:
    """Draws from a generator of its own for the length of a block; None: from the one in use."""
    if generator is None:
        yield
        return
    with state.using(state.generator, generator):
        yield


def made(optimizer: OptimizerLike, model: nn.Module) -> Optimizer:
    """The optimiser, from a function of the parameters if it is one."""
    found = optimizer if isinstance(optimizer, Optimizer) else optimizer(model.parameters())
    if not isinstance(found, Optimizer):
        raise ArgumentError(
            f"fit: optimizer must be an Optimizer or a function of the parameters that makes one, "
            f"not {type(found).__name__}."
        )
    return found


def kinds_of(feed: Feed, metrics: Any) -> tuple[Metric, ...]:
    """The metrics that were asked for, or those that fit the targets."""
    if metrics is not None:
        return metrics_of(metrics)
    return default_metrics(not feed.example()[1].dtype.is_floating_point)


def weighted_feed(
    train: Any, batch_size: int, sample_weight: Any, class_weight: ClassWeight | None, model: nn.Module
) -> tuple[Feed, tuple[bool, Tensor | None]]:
    """The feed, whether its batches carry weights, and the weights of classes that they do not carry."""
    if sample_weight is not None:
        if not isinstance(train, tuple | list) or len(train) != 2:
            raise ArgumentError("fit: sample_weight goes with train=(inputs, targets); a loader gives a third part.")
        train = (*train, sample_weight)
    feed = feed_of(train, batch_size)
    if isinstance(feed, ArrayFeed):
        return with_weights(feed, class_weight, model)
    classes = None
    if class_weight is not None:
        outputs, _ = probe(model, feed.example())
        classes = tensor(class_weights(class_weight, None, outputs.shape[-1])).float()
    return feed, (len(feed.example()) == 3, classes)


def with_weights(
    feed: ArrayFeed, class_weight: ClassWeight | None, model: nn.Module
) -> tuple[ArrayFeed, tuple[bool, None]]:
    """Arrays with the weight of each row, of mean 1, if there are any."""
    if len(feed.arrays) == 2 and class_weight is None:
        return feed, (False, None)
    x, y = feed.arrays[:2]
    targets = y.read().array
    weights = np.ones(len(targets)) if len(feed.arrays) == 2 else feed.arrays[2].read().array.astype(np.float64)
    if weights.shape != targets.shape[:1]:
        raise ArgumentError(f"fit: sample_weight must hold {len(targets)} numbers, one a row; it is {weights.shape}.")
    if not np.all(np.isfinite(weights)) or weights.min() < 0 or weights.sum() == 0:
        raise ArgumentError("fit: sample_weight must be finite, not negative, and not all zero.")
    if class_weight is not None:
        if targets.dtype.kind not in "iub" or targets.ndim != 1:
            raise ArgumentError("fit: class_weight needs targets that are class numbers, one for each row.")
        outputs, _ = probe(model, feed.example())
        classes = max(2, outputs.shape[-1] if len(outputs.shape) == 2 else 2)
        weights = weights * class_weights(class_weight, targets.astype(np.int64), classes)[targets.astype(np.int64)]
    scaled = (weights / weights.mean()).astype(np.float32)
    return ArrayFeed((x, y, Tensor(Value(scaled))), feed.batch_size), (True, None)
