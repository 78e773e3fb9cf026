"""What `fit` and `lr_find` are given, put together: where batches come from, and what a step is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.functions.factories import tensor
from chainrule.functions.generator import Generator
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.value import Value
from chainrule.ops.creation import default_dtype
from chainrule.optim import AdamW, Optimizer
from chainrule.tensor import Tensor
from chainrule.train.average import Average
from chainrule.train.feed import ArrayFeed, Feed, feed_of, floats_of
from chainrule.train.metrics import Metric, default_metrics, metrics_of
from chainrule.train.objective import ClassWeight, Loss, Objective, class_weights
from chainrule.train.penalties import Which, weights_of
from chainrule.train.step import Recipe, probe

OptimizerLike = Optimizer | Callable[[Iterator[Tensor]], Optimizer]


def assembled(
    model: nn.Module,
    train: Any,
    *,
    loss: Loss | None = None,
    optimizer: OptimizerLike | None = None,
    batch_size: int = 32,
    metrics: Iterable[Any] | Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    penalise: Which | None = None,
    clip: float | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    class_weight: ClassWeight | None = None,
    sample_weight: Any = None,
    watch: bool = False,
) -> tuple[Feed, Recipe]:
    """The feed and the recipe of a step, from arguments of `fit`."""
    check_settings(batch_size=batch_size, accumulate=accumulate)
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"fit: the model must be an nn.Module, not {type(model).__name__}.")
    for name, amount in {"l1": l1, "l2": l2, "clip": clip or 0.0}.items():
        if not amount >= 0:
            raise ArgumentError(f"fit: {name} must not be negative, it is {amount}.")
    feed, weighting = weighted_feed(train, batch_size, sample_weight, class_weight, model)
    return feed, Recipe(
        model=model,
        objective=Objective(loss, *weighting),
        optimizer=AdamW(model.parameters()) if optimizer is None else made(optimizer, model),
        metrics=kinds_of(feed, metrics),
        penalised=tuple(weights_of(model, penalise)) if l1 or l2 else (),
        l1=l1,
        l2=l2,
        clip=clip,
        accumulate=accumulate,
        average=None if ema is None else Average(model, ema),
        watched=watch,
    )


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
    feed = feed_of(train, batch_size, dtype=floats_of(model))
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
    scaled = (weights / weights.mean()).astype((floats_of(model) or default_dtype()).numpy)
    return ArrayFeed((x, y, Tensor(Value(scaled))), feed.batch_size), (True, None)
