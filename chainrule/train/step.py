"""One training step: forward, loss, backward, clipping, update, and the sums behind an epoch's loss and metrics.

All of it is one compiled program. What an epoch's row needs is summed in a buffer that is read once an epoch; the loss
is also returned at each step, so that one that is not finite is seen at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.clipping import clip_grad_norm_
from chainrule.compiler import compile
from chainrule.functions import FUNCTIONS
from chainrule.ir import state
from chainrule.ir.types import Array
from chainrule.ir.value import Value
from chainrule.optim import Optimizer
from chainrule.tensor import Buffer, ScalarCell, Tensor
from chainrule.train.average import Average
from chainrule.train.evaluating import evaluation
from chainrule.train.feed import Batch
from chainrule.train.metrics import Metric, Sums
from chainrule.train.objective import Objective
from chainrule.train.penalties import penalty
from chainrule.train.snapshot import bits
from chainrule.train.watching import Watch

cat: Callable[[list[Tensor]], Tensor] = FUNCTIONS["cat"]
where: Callable[..., Tensor] = FUNCTIONS["where"]
HEAD = 2  # totals begin with the loss times the rows, and the weight


@dataclass(frozen=True)
class Recipe:
    """What a step is made of."""

    model: nn.Module
    objective: Objective
    optimizer: Optimizer
    metrics: tuple[Metric, ...] = ()
    penalised: tuple[Tensor, ...] = ()
    l1: float = 0.0
    l2: float = 0.0
    clip: float | None = None
    accumulate: int = 1
    average: Average | None = None
    watched: bool = False  # norms are wanted at the first step of each epoch


class Step:
    """A step of a recipe, and its totals since the epoch began. steps: how many a run makes."""

    def __init__(self, recipe: Recipe, example: Batch, compiled: bool, steps: int) -> None:
        self.recipe = recipe
        outputs, target = probe(recipe.model, example)
        self.target_dtype = target.dtype
        self.sums = Sums(recipe.metrics, outputs, target)
        self.totals = Buffer(Tensor(Value(np.zeros(HEAD + self.sums.width))))
        self.first, self.fresh = (
            True,
            ScalarCell(1.0),
        )  # 1 at the first step of an epoch, whose totals replace those of the one before
        trained = [p for p in recipe.model.parameters() if p.requires_grad]
        self.trained = trained
        self.gathered = Gathered(trained) if recipe.accumulate > 1 else None
        self.watch = Watch(recipe.model, steps) if recipe.watched else None
        self.was_traced = False
        self.eager = stepper(self)
        self.run: Callable[..., Any] = compile(self.eager) if compiled else self.eager

    def begin(self, first: bool) -> None:
        """Before a step: whether it is the first of an epoch."""
        if first is not self.first:
            self.first = first
            self.fresh.write(Value(np.asarray(float(first))))

    def results(self) -> dict[str, float]:
        """The loss and the metrics of all batches of this epoch."""
        totals = bits(self.totals)
        return {"loss": float(totals[0] / totals[1])} | self.sums.values(totals[HEAD:])

    def cells(self) -> dict[str, Tensor]:
        """What a step keeps besides the model and the optimiser."""
        found: dict[str, Tensor] = {"totals": self.totals}
        if self.gathered is not None:
            found |= {f"gathered/{k}": cell for k, cell in enumerate(self.gathered.totals)}
            found["gathered/rows"] = self.gathered.rows
        if self.recipe.average is not None:
            found |= self.recipe.average.kept()
        return found


def probe(model: nn.Module, example: Batch) -> tuple[Any, Any]:
    """The outputs of a model for one row, and its target: it tells their shapes, and that the two fit together."""
    with evaluation(model):
        return model(example[0]), example[1]


def stepper(step: Step) -> Callable[..., Any]:
    """The function that is compiled. update: whether the weights change, or the gradients are only gathered. watch:
    whether norms are returned too."""
    recipe, totals, fresh, sums = step.recipe, step.totals, step.fresh, step.sums
    model, objective, optimizer, average = recipe.model, recipe.objective, recipe.optimizer, recipe.average
    gathered, trained, penalised = step.gathered, step.trained, list(recipe.penalised)
    l1, l2, clip, watched = recipe.l1, recipe.l2, recipe.clip, step.watch

    def train_step(update: bool, watch: bool, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Any:
        outputs = model(x)
        loss, weight = objective(outputs, y, weights)
        extra = penalty(penalised, l1, l2)
        optimizer.zero_grad()
        (loss if extra is None else loss + extra).backward()
        if gathered is not None:
            gathered.take(y.shape[0], update)
        before = watched.before() if watched is not None and watch and update else None
        if update:
            if clip is not None:
                clip_grad_norm_(trained, clip)
            optimizer.step()
            if average is not None:
                average.update()
        add_up(totals, fresh, sums, loss, weight, outputs, y)
        return loss if watched is None or before is None else (loss, watched.after(before))

    return train_step


class Gathered:
    """Gradients of the batches that make one step together: their mean over all rows, as one big batch gives it."""

    def __init__(self, trained: Sequence[Tensor]) -> None:
        self.trained = trained
        self.totals = [Buffer(Tensor(Value(np.zeros_like(p.read().array)))) for p in trained]
        self.rows = Buffer(Tensor(Value(np.zeros(()))))

    def take(self, rows: int, update: bool) -> None:
        """Adds this batch's gradients to those before it; at an update they are given to the parameters."""
        with state.using(state.gradients_enabled, False):
            self.rows.add_(rows)
            for p, total in zip(self.trained, self.totals, strict=True):
                if p.grad is not None:
                    total.add_(p.grad * rows)
                if update:
                    p.grad = total / self.rows.to(total.dtype)
                    total.zero_()
            if update:
                self.rows.zero_()


def add_up(totals: Buffer, fresh: Tensor, sums: Sums, loss: Tensor, weight: Any, outputs: Tensor, y: Tensor) -> None:
    """Adds a batch to the totals."""
    with state.using(state.gradients_enabled, False):
        share = weight.detach().double() if isinstance(weight, Tensor) else totals.new_full((), float(weight))
        rows = float(y.shape[0])
        head = [(loss.detach().double() * rows).reshape(1), share.reshape(1)]
        parts = cat([*head, *sums.parts(outputs.detach(), y)])
        totals.copy_(where(fresh > 0, parts, totals + parts))  # whatever they were, NaN too


def finite(loss: Tensor) -> bool:
    """Whether a loss that a step returned is a finite number."""
    value: Array = loss.read().array
    return bool(abs(value) < np.inf)
