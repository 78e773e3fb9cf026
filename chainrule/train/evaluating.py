"""The loss and the metrics of a part of the data, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.ir import state
from chainrule.ir.value import Value
from chainrule.tensor import Tensor
from chainrule.train.feed import ArrayFeed, Batch, Feed, LoaderFeed
from chainrule.train.metrics import Metric, Sums
from chainrule.train.objective import Objective

CHUNK = 1024  # rows at a time: the same for every part, so that bits do not depend on its size


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode and without gradients; afterwards each module is in the mode that it was in."""
    modes = [module for module in model.modules() if module.training]
    if modes:
        model.eval()
    try:
        with state.using(state.gradients_enabled, False):
            yield
    finally:
        for module in modes:
            module.training = True


def chunks(feed: Feed) -> Iterator[Batch]:
    """The batches that a part is evaluated in: all rows, in order."""
    if isinstance(feed, LoaderFeed):
        yield from feed.batches()
        return
    rows = feed.rows or 0
    held = [array.read().array for array in feed.arrays]
    for start in range(0, rows, CHUNK):
        yield tuple([Tensor(Value(array[start : start + CHUNK])) for array in held])


def evaluate(model: nn.Module, feed: Feed, objective: Objective, metrics: tuple[Metric, ...]) -> dict[str, float]:
    """The loss, which is the mean over the weights if there are any, and the metrics by name."""
    loss, weight = 0.0, 0.0
    sums: Sums | None = None
    totals: npt.NDArray[np.float64] = np.zeros(0)
    kept: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
    whole = [metric for metric in metrics if metric.whole]
    with evaluation(model):
        for x, y, *weights in chunks(feed):
            outputs = model(x)
            value, share = objective(outputs, y, weights[0] if weights else None)
            loss += float(value.item()) * y.shape[0]
            weight += float(share.item() if isinstance(share, Tensor) else share)
            if sums is None:
                sums = Sums(metrics, outputs, y)
                totals = np.zeros(sums.width)
            for part, where in zip(sums.parts(outputs, y), sums.places, strict=True):
                totals[where] += part.read().array
            if whole:
                kept.append((outputs.read().array, y.read().array))
    found = {"loss": loss / weight if weight else float("nan")}
    found |= sums.values(totals) if sums is not None else {}
    if whole and kept:
        outputs_of, targets_of = [np.concatenate(parts) for parts in zip(*kept, strict=True)]
        found |= {metric.name: metric.of_all(outputs_of, targets_of) for metric in whole}
    return {name: found[name] for name in ("loss", *[metric.name for metric in metrics]) if name in found}


def outputs_of(model: nn.Module, x: Tensor) -> npt.NDArray[Any]:
    """What the model says of each row, in evaluation mode."""
    with evaluation(model):
        return np.concatenate([model(*part).read().array for part in chunks(ArrayFeed((x,), CHUNK))])
