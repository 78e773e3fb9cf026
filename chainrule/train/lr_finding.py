"""`lr_find`: the loss at ever larger learning rates, and the rate at which it falls fastest (Smith, 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.functions.generator import Generator, current
from chainrule.ir.errors import ArgumentError
from chainrule.optim.lr_scheduler.base import write_setting
from chainrule.train.assembling import assembled, check_settings, generating
from chainrule.train.feed import Batch, Feed
from chainrule.train.loop import Loop, Plan
from chainrule.train.snapshot import load_optimizer, model_cells, optimizer_state, put_back, taken

WORSE = 4.0  # times the best loss: then it stops
WINDOW = 9  # points that the curve is smoothed over
LEAST_FALL = 0.02  # of the loss at the beginning: less is noise


@dataclass(frozen=True)
class Curve:
    """What `lr_find` found. suggestion: None if the loss never fell. smoothed: the losses as they were judged."""

    suggestion: float | None
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]


def lr_find(
    model: nn.Module,
    train: Any,
    *,
    steps: int = 100,
    lowest: float = 1e-8,
    highest: float = 1.0,
    seed: int | None = None,
    compile: bool = True,
    **arguments: Any,
) -> Curve:
    """Trains for `steps` batches while the learning rate grows from `lowest` to `highest`, by the same factor each.

    It stops where the loss is four times its best, or not finite. The suggestion is the rate at which the smoothed loss
    falls fastest. Model, optimiser and generator are left as they were. Other arguments: as `fit` takes them (loss,
    optimizer, batch_size, class_weight, sample_weight, l1, l2, penalise, clip).
    Raises ArgumentError for arguments that do not fit.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> x = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)
    >>> found = lr_find(nn.Linear(3, 1), (x, x.sum(1)), seed=0, compile=False)
    >>> found.suggestion > 1e-4
    True
    """
    check_settings(steps=steps)
    if not 0 < lowest < highest:
        raise ArgumentError(f"lr_find: 0 < lowest < highest is needed, not {lowest} and {highest}.")
    generator = None if seed is None else Generator().manual_seed(seed)
    with generating(generator):
        main = current().get_state()
        feed, recipe = assembled(model, train, **arguments, metrics=())
        before, modes = taken(model_cells(model)), [module for module in model.modules() if not module.training]
        slots, settings = optimizer_state(recipe.optimizer)
        loop = Loop(Plan(recipe, feed, None, epochs=1, compiled=compile))
        generators = loop.generator_states()
        model.train()
        rates = np.geomspace(lowest, highest, steps)
        try:
            losses = walked(loop, feed, rates)
        finally:
            put_back(model_cells(model), before)
            load_optimizer(recipe.optimizer, slots, settings)
            loop.put_generators(generators)
            current().set_state(main)
            for module in modes:
                module.training = False
    smooth = smoothed(losses)
    return Curve(suggested(rates, smooth), tuple(rates[: len(losses)].tolist()), tuple(losses), tuple(smooth.tolist()))


def walked(loop: Loop, feed: Feed, rates: npt.NDArray[np.float64]) -> list[float]:
    """The loss before the step with each rate, as far as it went."""
    groups = loop.optimizer.param_groups
    first = float(groups[0]["lr"]) or 1.0
    shares = [float(group["lr"]) / first or 1.0 for group in groups]
    losses: list[float] = []
    batches, passes = feed.batches(0), 0
    for rate in rates:
        for group, share in zip(groups, shares, strict=True):
            write_setting(group, "lr", float(rate) * share)
        batch: Batch | None = next(batches, None)
        if batch is None:
            passes += 1
            batches = feed.batches(passes)
            batch = next(batches)
        loss = float(loop.one_step(batch).item())
        if not np.isfinite(loss) or (losses and loss > WORSE * min(losses) > 0):
            break
        losses.append(loss)
    return losses


def smoothed(losses: list[float]) -> npt.NDArray[np.float64]:
    """The mean over the points around each, as many on either side."""
    values = np.asarray(losses, np.float64)
    reach = [min(WINDOW // 2, k, len(values) - 1 - k) for k in range(len(values))]
    return np.array([values[k - r : k + r + 1].mean() for k, r in enumerate(reach)])


def suggested(rates: npt.NDArray[np.float64], losses: npt.NDArray[np.float64]) -> float | None:
    """The rate before the least loss at which it falls fastest, over the logarithm of the rate."""
    if len(losses) < WINDOW:
        return None
    lowest = int(np.argmin(losses))
    begun = losses[: max(WINDOW, len(losses) // 4)].mean()
    if lowest < WINDOW or losses[lowest] > begun - LEAST_FALL * abs(begun):
        return None
    half = WINDOW // 2
    places = np.arange(half, max(lowest - half, half + 1))
    slopes = [np.polyfit(np.arange(WINDOW), losses[k - half : k + half + 1], 1)[0] for k in places]
    return float(rates[places[int(np.argmin(slopes))]])
