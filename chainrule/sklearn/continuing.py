"""Training that goes on from call to call, for `partial_fit`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chainrule import nn
from chainrule.functions.generator import Generator
from chainrule.ir import state
from chainrule.sklearn.rows import Rows
from chainrule.sklearn.training import loss_of, optimizer_of
from chainrule.train.feed import ArrayFeed, as_arrays
from chainrule.train.loop import Loop, Plan
from chainrule.train.objective import Objective
from chainrule.train.penalties import weights_of
from chainrule.train.snapshot import load_optimizer, optimizer_state
from chainrule.train.step import Recipe


class Continuing:
    """A loop that is given its rows a call at a time. The optimiser keeps what it remembers, the step its program.

    Pickled, it is the module, the optimiser's memory as arrays, and where random numbers stand.
    """

    def __init__(self, module: nn.Module, task: str, settings: dict[str, Any], compiled: bool, seed: int) -> None:
        self.module = module
        self.task = task
        self.settings = settings
        self.compiled = compiled
        self.generator = Generator().manual_seed(seed)
        self.passes = 0
        self.order: int | None = None  # the seed of the order of rows
        self.memory: Any = None  # the optimiser's, of before this was pickled
        self._loop: Loop | None = None

    def step(self, rows: Rows) -> dict[str, Any]:
        """One pass over rows in batches; the row of its history. Weights count as they are, unlike those of `fit`."""
        feed = ArrayFeed(as_arrays(rows, "X"), self.settings["batch_size"])
        with state.using(state.generator, self.generator):
            if self._loop is None:
                self._loop = self._begun(feed)
            assert self.order is not None
            loop, feed.seed = self._loop, self.order
            loop.epoch = self.passes
            loop.plan = replace(loop.plan, train=feed, epochs=self.passes + 1)
            loop.run()
        self.passes += 1
        return loop.history.pop()

    def _begun(self, feed: ArrayFeed) -> Loop:
        settings = self.settings
        optimizer = optimizer_of(self.module, settings)
        if self.memory is not None:
            load_optimizer(optimizer, *self.memory)
            self.memory = None
        recipe = Recipe(
            model=self.module,
            objective=Objective(loss_of(self.task, settings), weighted=True),
            optimizer=optimizer,
            penalised=tuple(weights_of(self.module)) if settings["l1"] else (),
            l1=settings["l1"],
            clip=settings["clip"],
        )
        before = self.generator.get_state()
        loop = Loop(Plan(recipe, feed, None, epochs=1, restore_best=False, compiled=self.compiled))
        if self.order is None:
            self.order = feed.seed
        else:  # a loop that begins draws one; this one goes on
            self.generator.set_state(before)
        return loop

    def __getstate__(self) -> dict[str, Any]:
        memory = self.memory if self._loop is None else optimizer_state(self._loop.optimizer)
        return self.__dict__ | {"_loop": None, "memory": memory}
