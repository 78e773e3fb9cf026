"""The loop: epochs of steps, evaluation, events. What it does depends on its state alone, so that a run that was
stopped anywhere goes on with the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.functions.factories import tensor
from chainrule.functions.generator import current
from chainrule.ir.errors import (
    ArgumentError,
    ChainruleError,
    DivergedError,
    LeakedTensorError,
    StateDictError,
    TracedValueError,
)
from chainrule.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from chainrule.train.diverging import because, located
from chainrule.train.evaluating import Evaluation
from chainrule.train.events import (
    Diverged,
    EpochEnded,
    Event,
    Improved,
    Note,
    RunBegan,
    Stateful,
    Stopped,
)
from chainrule.train.feed import ArrayFeed, Batch, Feed
from chainrule.train.history import History, Row
from chainrule.train.snapshot import (
    Arrays,
    bits,
    load_optimizer,
    model_cells,
    optimizer_state,
    plain,
    put_back,
    restored,
    taken,
)
from chainrule.train.step import Recipe, Step, finite

FORMAT = 1  # of `state`
REPEATED = 256  # steps at most that are repeated to find where a loss became infinite, if epochs are no longer
TIME_LIMIT = "time limit"


@dataclass(frozen=True)
class Plan:
    """What a run is to do."""

    recipe: Recipe
    train: Feed
    validation: Feed | None
    epochs: int
    schedule: LRScheduler | None = None
    schedule_each: str = "step"
    monitor: str = "loss"
    larger_is_better: bool = False
    restore_best: bool = True
    time_limit: float | None = None  # seconds
    compiled: bool = True
    settings: tuple[tuple[str, Any], ...] = ()  # what listeners are told of the rest


@dataclass(frozen=True)
class Good:
    """A state in which all was well, before `step` + 1. until: the step in which it was no longer."""

    step: int
    arrays: Arrays
    meta: dict[str, Any]
    until: int = 0


class Loop:
    """A run of a plan. `listeners` are called with each event, in order."""

    def __init__(self, plan: Plan, listeners: Sequence[Callable[[Event], object]] = ()) -> None:
        self.plan = plan
        self.model = plan.recipe.model
        self.optimizer = plan.recipe.optimizer
        by_step = plan.schedule_each == "step" and not isinstance(plan.schedule, ReduceLROnPlateau)
        self.schedule = plan.schedule if by_step else None  # what is stepped with each update
        self.listeners: tuple[Any, ...] = tuple(listeners)
        self.steppers = [listener.stepped for listener in listeners if hasattr(listener, "stepped")]
        self.step = Step(plan.recipe, plan.train.example(), plan.compiled, plan.epochs * plan.train.steps)
        self.generator = current()
        plan.train.begin()
        self.validation = self._evaluation()
        self.epoch = 0  # finished
        self.position = 0  # batches of the running epoch that are done
        self.steps = 0  # batches since the run began
        self.seconds_before = 0.0  # of the run that this one continues
        self.records = History()
        self.best: Row | None = None
        self.best_weights: Arrays = {}
        self.stopping: str | None = None
        self.torn = False  # an interrupt came in the middle of a step: nothing can go on from here
        self.order_states = self.generator_states()  # at the beginning of the running epoch
        self.good: Good | None = None
        self.begun = time.perf_counter()

    # What others ask --------------------------------------------------------------------------------------------------

    @property
    def history(self) -> list[Row]:
        """The rows of all epochs."""
        return self.records.rows

    def stop(self, reason: str) -> None:
        """Ends the run after the step that is going on. The first reason counts."""
        self.stopping = self.stopping or reason

    def tell(self, event: Event) -> None:
        """Tells all listeners of an event."""
        event = replace(event, loop=self)
        for listener in self.listeners:
            listener(event)

    @property
    def seconds(self) -> float:
        """Since the run began, without the time between a stop and a resume."""
        return self.seconds_before + time.perf_counter() - self.begun

    @property
    def lr(self) -> float:
        """The learning rate of the first group."""
        return float(self.optimizer.param_groups[0]["lr"])

    # The run ----------------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Runs to the end; returns why it stopped. Raises DivergedError for a loss that is not finite."""
        self.begun = time.perf_counter()
        plan = self.plan
        parameters = sum(int(np.prod(p.shape)) for p in self.model.parameters())
        self.tell(
            RunBegan(
                settings=dict(plan.settings),
                model=str(self.model),
                parameters=parameters,
                epochs=plan.epochs,
                steps=plan.train.steps,
                rows=plan.train.rows,
                epoch=self.epoch,
                step=self.steps,
            )
        )
        try:
            while self.epoch < plan.epochs and not self.stopping:
                self.run_epoch()
        except KeyboardInterrupt:
            self.torn = True
            self.stop("interrupted")
        reason = self.stopping or "all epochs"
        best_epoch = None if self.best is None else self.best["epoch"]
        self.tell(
            Stopped(reason=reason, epoch=self.epoch, step=self.steps, best_epoch=best_epoch, seconds=self.seconds)
        )
        self.restore_best()
        return reason

    def restore_best(self) -> None:
        """Gives the model its best weights, if there are any and they are wanted."""
        if self.plan.restore_best and self.best_weights:
            put_back(model_cells(self.model), self.best_weights)
        elif self.plan.recipe.average is not None and self.steps:
            self.plan.recipe.average.take_over()
        self.model.eval()

    def run_epoch(self) -> None:
        """What is left of the running epoch, and its evaluation, unless something stops it."""
        for batch in self.begin_epoch():
            self._run_batch(batch)
            if self.stopping and self.position < self.plan.train.steps:
                if self.stopping == TIME_LIMIT:
                    break  # what was trained is evaluated
                return
        self.end_epoch()

    def begin_epoch(self) -> Iterator[Batch]:
        """The batches that are left of the epoch."""
        if not self.model.training:
            self.model.train()
        if not self.position:
            self.order_states = self.generator_states()
            if self.good is None or self.steps - self.good.step >= REPEATED:
                self.good = self._good()
            return self.plan.train.batches(self.epoch)
        now = self.generator_states()
        self.put_generators(self.order_states)
        batches = self.plan.train.batches(self.epoch, self.position)
        first = next(batches, None)  # a loader draws its order only now
        self.put_generators(now)
        return iter([]) if first is None else chained(first, batches)

    def _good(self) -> Good | None:
        """The state now; None if it cannot be told, as of a schedule of the user's that keeps more than numbers."""
        try:
            return Good(self.steps, *self.state())
        except StateDictError:
            return None

    def one_step(self, batch: Batch) -> Any:
        """A step, and that of the schedule; its loss. Nobody is told."""
        done, accumulate = self.position + 1, self.plan.recipe.accumulate
        update = accumulate == 1 or done == self.plan.train.steps or done % accumulate == 0
        self.step.begin(self.position == 0)
        watch = self.step.watch
        if watch is None:
            loss, norms = self._call(update, False, batch), None
        else:
            shown = update and done <= accumulate
            loss, norms = self._watched(update, shown, batch)
        self.position += 1
        self.steps += 1
        if update and self.schedule is not None:
            self.schedule.step()
        if norms is not None and watch is not None and finite(loss):
            self.tell(watch.event(norms, self.steps, self.epoch + 1))
        return loss

    def _run_batch(self, batch: Batch) -> None:
        if not finite(self.one_step(batch)):
            self._diverged()
        for stepped in self.steppers:
            stepped(self)
        if self.plan.time_limit is not None and self.seconds >= self.plan.time_limit:
            self.stop(TIME_LIMIT)

    def _watched(self, update: bool, shown: bool, batch: Batch) -> tuple[Any, Any]:
        """One step; its loss, and norms if they are to be shown."""
        watch = self.step.watch
        assert watch is not None
        result = self._call(update, update and (shown or watch.always), batch)
        if not isinstance(result, tuple):
            return result, None
        return result[0], result[1].read().array if shown else None

    def _call(self, update: bool, watch: bool, batch: Batch) -> Any:
        """One step; one that cannot be traced runs eagerly from now on."""
        step = self.step
        if step.run is step.eager or step.was_traced:
            return step.run(update, watch, *batch)
        try:
            result = step.run(update, watch, *batch)
        except (TracedValueError, LeakedTensorError) as error:
            step.run = step.eager
            self.tell(Note(text=not_compiled(error)))
            return step.run(update, watch, *batch)
        step.was_traced = True
        return result

    def end_epoch(self) -> None:
        """The row of an epoch whose steps are done; whether it is the best; the schedule by epochs."""
        plan = self.plan
        train = self.step.results()
        validation = {} if self.validation is None else self.validation.results()
        self.epoch += 1
        self.position = 0
        values = validation or train
        improved = self._note_best(values, train, validation)
        lr = self.lr
        if isinstance(plan.schedule, ReduceLROnPlateau):
            plan.schedule.step(values[plan.monitor])
        elif plan.schedule is not None and self.schedule is None:
            plan.schedule.step()
        row = self._row(train, validation, lr)
        self.records.append(row)
        if improved:
            self.best = row
            self.tell(Improved(epoch=self.epoch, step=self.steps, monitor=plan.monitor, value=values[plan.monitor]))
        self.tell(EpochEnded(**row, remaining_seconds=self._remaining(), improved=improved))

    def _evaluation(self) -> Evaluation | None:
        plan, average = self.plan, self.plan.recipe.average
        if plan.validation is None:
            return None
        model = self.model if average is None else average.model
        recipe = plan.recipe
        return Evaluation(model, plan.validation, recipe.objective, recipe.metrics, plan.epochs, plan.compiled)

    def _row(self, train: dict[str, float], validation: dict[str, float], lr: float) -> Row:
        return {
            "epoch": self.epoch, "step": self.steps, "train": train, "validation": validation, "lr": lr,
            "seconds": self.seconds,
        }  # fmt: skip

    def _note_best(self, values: dict[str, float], train: dict[str, float], validation: dict[str, float]) -> bool:
        """Whether the monitored value is the best so far; its weights are kept."""
        plan = self.plan
        if plan.monitor not in values:
            raise ArgumentError(f"fit: there is no {plan.monitor!r} to monitor; there are {', '.join(values)}.")
        value = values[plan.monitor]
        if self.best is not None:
            before = (self.best["validation"] or self.best["train"])[plan.monitor]
            better = value > before if plan.larger_is_better else value < before
            if not better and before == before:  # NaN is worse than any number
                return False
        self.best_weights = self.weights()
        return True

    def weights(self) -> Arrays:
        """The model's weights as they are evaluated: the average, if there is one."""
        average = self.plan.recipe.average
        found = taken(model_cells(self.model))
        return found if average is None else found | taken(average.averages)

    def _remaining(self) -> float | None:
        """An estimate of the seconds that are left."""
        left = (self.plan.epochs - self.epoch) * self.plan.train.steps
        guess = left * (self.seconds / max(1, self.steps))
        return guess if self.plan.time_limit is None else min(guess, max(0.0, self.plan.time_limit - self.seconds))

    def _diverged(self) -> None:
        """The loss of the last step is not finite: says where that began, and puts the last good weights back."""
        step, epoch, best, listeners = self.steps, self.epoch + 1, self.best_weights, self.listeners
        records, best_row, seconds = self.records, self.best, self.seconds
        began = None
        if self.good is not None:
            good = self.good = replace(self.good, until=step)
            self.listeners = ()
            try:
                self.restore(good.arrays, good.meta)
                began = located(self)
            finally:
                self.restore(good.arrays, good.meta)
                self.listeners, self.best_weights, self.best, self.records = listeners, best, best_row, records
                self.seconds_before += max(0.0, seconds - self.seconds)
        self.restore_best()
        error = DivergedError(
            because(step, epoch, began), step=step, epoch=epoch, layer=None if began is None else began.layer
        )
        what = "it did not happen again when the step was repeated" if began is None else began.what
        self.tell(Diverged(step=step, epoch=epoch, layer=error.layer, what=what))
        raise error

    # State ------------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """All that the run needs to go on from here: arrays by name, and JSON values."""
        slots, optimizer = optimizer_state(self.optimizer)
        arrays = taken(model_cells(self.model), "model/") | taken(self.step.cells(), "step/") | slots
        arrays |= {f"best/{name}": array for name, array in self.best_weights.items()}
        arrays |= {f"order/{name}": array for name, array in self.order_states.items()}
        if isinstance(self.plan.train, ArrayFeed):
            arrays["seed"] = np.array([self.plan.train.seed])
        arrays["history"] = self.records.numbers()
        arrays |= {f"generator/{name}": array for name, array in self.generator_states().items()}
        meta = {
            "format": FORMAT,
            "epoch": self.epoch,
            "position": self.position,
            "step": self.steps,
            "seconds": self.seconds,
            "columns": self.records.columns,
            "best": None if self.best is None else self.best["epoch"],
            "optimizer": optimizer,
            "schedule": None if self.plan.schedule is None else plain(self.plan.schedule.state_dict()),
            "listeners": {name: plain(listener.state_dict()) for name, listener in self._stateful()},
        }
        return arrays, meta

    def restore(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Goes on from what `state` gave, in this process or another."""
        if meta.get("format") != FORMAT:
            raise StateDictError(f"this state has format {meta.get('format')!r}; this version reads {FORMAT}.")
        if (meta["schedule"] is None) != (self.plan.schedule is None):
            raise StateDictError("this state and this run do not both have a schedule.")
        put_back(model_cells(self.model), arrays, "model/")
        put_back(self.step.cells(), arrays, "step/")
        load_optimizer(self.optimizer, arrays, meta["optimizer"])
        if self.plan.schedule is not None:
            self.plan.schedule.load_state_dict(restored(meta["schedule"]))
        kept = meta["listeners"]
        for name, listener in self._stateful():
            if name in kept:
                listener.load_state_dict(restored(kept[name]))
        self.best_weights = part_of(arrays, "best/")
        self.order_states = part_of(arrays, "order/")
        self.put_generators(part_of(arrays, "generator/"))
        if isinstance(self.plan.train, ArrayFeed):
            self.plan.train.seed = int(arrays["seed"][0])
        self.epoch, self.position, self.steps = meta["epoch"], meta["position"], meta["step"]
        self.records = History.of(arrays["history"], meta["columns"])
        self.best = None if meta["best"] is None else self.history[meta["best"] - 1]
        self.seconds_before, self.begun = meta["seconds"], time.perf_counter()
        self.stopping = None
        if self.good is None:
            self.good = Good(self.steps, arrays, meta)

    def _stateful(self) -> list[tuple[str, Stateful]]:
        """The listeners that are part of the state, by class and number among those of the class."""
        found: list[tuple[str, Stateful]] = []
        for listener in self.listeners:
            if isinstance(listener, Stateful):
                kind = type(listener).__name__
                found.append((f"{kind} {sum(name.startswith(kind + ' ') for name, _ in found)}", listener))
        return found

    def _generators(self) -> dict[str, Any]:
        return {"main": self.generator} | self.plan.train.generators()

    def generator_states(self) -> Arrays:
        return {name: bits(generator.state) for name, generator in self._generators().items()}

    def put_generators(self, states: Arrays) -> None:
        for name, generator in self._generators().items():
            generator.set_state(tensor(states[name]))


def not_compiled(error: ChainruleError) -> str:
    """One line that says why a step is not compiled, and where that stands."""
    place = str(error).removeprefix(error.message).removeprefix("\n  at ")
    why = error.message.partition(". ")[0]
    return f"the step runs without being compiled, which is slower: {why} (at {place or 'an unknown line'})"


def part_of(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays under a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def chained(first: Batch, rest: Iterator[Batch]) -> Iterator[Batch]:
    """The first batch and the others."""
    yield first
    yield from rest
