"""The loss and the metrics of a part of the data, in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.compiler import compile
from chainrule.functions import FUNCTIONS
from chainrule.ir import state
from chainrule.ir.errors import LeakedTensorError, TracedValueError
from chainrule.ir.value import Value
from chainrule.tensor import Tensor
from chainrule.train.feed import ArrayFeed, Batch, Feed, LoaderFeed
from chainrule.train.metrics import Metric, Sums
from chainrule.train.objective import Objective

CHUNK = 1024  # rows at a time: the same for every part, so that bits do not depend on its size
WORTH_COMPILING = 32  # calls: fewer take less time than compiling one

cat: Callable[[list[Tensor]], Tensor] = FUNCTIONS["cat"]


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
        yield from feed.batches(0)
        return
    held = [array.read().array for array in feed.arrays]
    for start in range(0, feed.rows or 0, CHUNK):
        yield tuple([Tensor(Value(array[start : start + CHUNK])) for array in held])


class Evaluation:
    """A part of the data, to be evaluated `times` times. Compiled where that is worth it; the answer depends on the
    sizes alone, so that runs of the same settings have the same bits."""

    def __init__(
        self,
        model: nn.Module,
        feed: Feed,
        objective: Objective,
        metrics: tuple[Metric, ...],
        times: int = 1,
        compiled: bool = False,
    ) -> None:
        self.model = model
        self.feed = feed
        self.metrics = metrics
        self.whole = [metric for metric in metrics if metric.whole]
        calls = times * (feed.steps if isinstance(feed, LoaderFeed) else -(-(feed.rows or 0) // CHUNK))
        self.sums: Sums | None = None
        self.eager = self._summing(objective)
        self.run: Callable[..., Any] = compile(self.eager) if compiled and calls >= WORTH_COMPILING else self.eager

    def _summing(self, objective: Objective) -> Callable[..., Any]:
        """A function of a batch: loss times rows, weight, and the metrics' sums; and the outputs if they are needed."""
        model, sums_of, keep = self.model, self._sums_of, bool(self.whole)

        def summed(x: Tensor, y: Tensor, weights: Tensor | None = None) -> Any:
            outputs = model(x)
            loss, weight = objective(outputs, y, weights)
            sums = sums_of(outputs, y)
            share = weight.double() if isinstance(weight, Tensor) else loss.new_full((), float(weight)).double()
            head = [(loss.double() * float(y.shape[0])).reshape(1), share.reshape(1)]
            found = cat([*head, *sums])
            return (found, outputs) if keep else found

        return summed

    def _sums_of(self, outputs: Tensor, y: Tensor) -> list[Tensor]:
        return [metric.update(outputs, y) for metric in self.metrics if not metric.whole]

    def results(self) -> dict[str, float]:
        """The loss, which is the mean over the weights if there are any, and the metrics by name."""
        total: npt.NDArray[np.float64] | None = None
        kept: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        with evaluation(self.model):
            for batch in chunks(self.feed):
                found = self._called(batch)
                if self.whole:
                    found, outputs = found
                    kept.append((outputs.read().array, batch[1].read().array))
                if self.sums is None:
                    self.sums = Sums(self.metrics, *self._example(batch))
                total = found.read().array.copy() if total is None else total + found.read().array
        assert total is not None
        assert self.sums is not None
        values = {"loss": float(total[0] / total[1]) if total[1] else float("nan")} | self.sums.values(total[2:])
        if self.whole:
            outputs, targets = [np.concatenate(parts) for parts in zip(*kept, strict=True)]
            values |= {metric.name: metric.of_all(outputs, targets) for metric in self.whole}
        return {name: values[name] for name in ("loss", *[metric.name for metric in self.metrics])}

    def _called(self, batch: Batch) -> Any:
        if self.run is self.eager:
            return self.run(*batch)
        try:
            return self.run(*batch)
        except (TracedValueError, LeakedTensorError):
            self.run = self.eager
            return self.run(*batch)

    def _example(self, batch: Batch) -> tuple[Any, Any]:
        x, y = [Tensor(Value(part.read().array[:1])) for part in batch[:2]]
        return self.model(x), y


def evaluate(model: nn.Module, feed: Feed, objective: Objective, metrics: tuple[Metric, ...]) -> dict[str, float]:
    """The loss and the metrics, once."""
    return Evaluation(model, feed, objective, metrics).results()


def outputs_of(model: nn.Module, x: Tensor) -> npt.NDArray[Any]:
    """What the model says of each row, in evaluation mode."""
    with evaluation(model):
        return np.concatenate([model(*part).read().array for part in chunks(ArrayFeed((x,), CHUNK))])
