"""Rows with reductions: as many passes over each row as its reductions need, with everything around them.

A reduction's order of arithmetic is fixed by its operation, element type and row length: vectors go to accumulators in
turn, accumulators are joined by a fixed tree at the end of a block of vectors, blocks are added in order, lanes are
halved at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.backends.native.body import Body, Known, share, unravel, unrolling
from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.folds import Fold, State, across, ended, flat, fold, joined, unflat
from chainrule.backends.native.level import Level as Machine
from chainrule.backends.native.stages import Stage, staged
from chainrule.backends.native.text import Function, Index, Reg, size_of, vector
from chainrule.ir.types import DType
from chainrule.passes.kernels import Load, Reduce, Rows, Step

ACCUMULATORS = 4
BLOCK = 64  # vectors that one accumulator takes before it is joined with the others
MOST_SCRATCH = 128 * 1024  # bytes of kept elements of a row; longer rows compute them again
# Two rows of up to so many vectors go pass by pass side by side: what the one waits for, folding its last vectors, the
# other fills. There must be pairs enough to share out. Where nothing is dear enough to be kept, memory is the limit.
PAIRED, ENOUGH_PAIRS = 64, 32


class Reductions:
    """Rows with reductions: as many passes over each as the reductions need."""

    def __init__(self, f: Function, kernel: Rows, body: Body, machine: Machine) -> None:
        self.f, self.body, self.kernel = f, body, kernel
        self.outer, self.length = kernel.domain[:-1], kernel.domain[-1]
        self.lanes = body.lanes
        self.chunks = -(-self.length // self.lanes)
        # A short row stays in registers: each of its elements is computed once.
        self.short = self.chunks <= machine.registers // 4
        steps = kernel.steps
        unit = frozenset(k for k, s in enumerate(steps) if isinstance(s, Load) and s.access.strides[-1] in (0, 1))
        self.stages, self.last_rows = staged(steps, kernel.stores, unit, keep=False)
        if not self.short:
            stages, _ = staged(steps, kernel.stores, unit, keep=True)
            self.places, self.scratch = _kept_places(stages, steps, self.chunks * self.lanes)
            if self.scratch <= MOST_SCRATCH:
                self.stages = stages
            else:
                self.places, self.scratch = {}, 0
        else:
            self.places, self.scratch = {}, 0
        self.kept_at = 0  # where in the scratch memory the kept elements of the row at hand are
        self.folds = {
            k: fold_of(f, step, steps[step.operand].dtype, self.lanes, self.length)
            for k, step in enumerate(steps)
            if isinstance(step, Reduce)
        }

    def emit(self) -> int:
        """All rows of this part; returns the bytes of scratch that they need."""
        count, dear = math.prod(self.outer), self.short or self.scratch > 0
        together = 2 if dear and self.chunks <= PAIRED and count % 2 == 0 and count >= 2 * ENOUGH_PAIRS else 1
        first, end = share(self.f, count // together)
        self.f.range(
            first, end, 1, lambda unit: self._rows([self.f.add(self.f.mul(unit, together), k) for k in range(together)])
        )
        return self.scratch * together

    def _rows(self, rows: Sequence[Index]) -> None:
        """All passes over some rows."""
        body, places = self.body, [unravel(self.f, row, self.outer) for row in rows]
        scopes = []
        for outer in places:
            body.row(outer, ())
            scopes.append(body.leave())
        known: list[list[Known]] = [[{} for _ in range(self.chunks)] if self.short else [] for _ in rows]
        for stage in self.stages:
            for k, outer in enumerate(places):
                body.enter(scopes[k])
                body.row_steps(stage.rows, outer)
                self.kept_at = k * self.scratch
                states = self._short_pass(stage, known[k]) if self.short else self._long_pass(stage)
                for reduce in stage.reduces:
                    body.reduced(reduce, across(self.folds[reduce], states[reduce]))
                scopes[k] = body.leave()
        for scope, outer in zip(scopes, places, strict=True):
            body.enter(scope)
            body.row_steps(self.last_rows, outer)
            body.store_rows(outer)

    # One vector

    def _vector(self, stage: Stage, start: Index, count: int, known: Known) -> Known:
        f, scratch = self.f, self.f.parameters["scratch"]

        def place(k: int) -> Reg:
            element = ELEMENTS[self.kernel.steps[k].dtype.name]
            base = f.pointer(scratch, self.kept_at + self.places[k], "i8")
            return f.pointer(base, start, element)

        for k in stage.recalled:
            known[k] = f.load(place(k), vector(self.lanes, ELEMENTS[self.kernel.steps[k].dtype.name]))
        known = self.body.element(start, count, stage.elements, known)
        for k in stage.kept:
            f.store(known[k], place(k))
        return known

    def _folded(self, stage: Stage, states: dict[int, State], start: Index, count: int, known: Known) -> None:
        """Adds a vector to accumulators."""
        for k in stage.reduces:
            one, step = self.folds[k], self.kernel.steps[k]
            assert isinstance(step, Reduce)
            value = self.body.operand(step.operand, known, self.lanes)
            states[k] = one.step(states[k], value, start, count)

    # One pass

    def _short_pass(self, stage: Stage, known: list[Known]) -> dict[int, State]:
        states = [self._started(stage, a) for a in range(max(1, min(ACCUMULATORS, self.chunks)))]
        for c in range(self.chunks):
            count = min(self.lanes, self.length - c * self.lanes)
            known[c] = self._whole(stage, states[c % ACCUMULATORS], c * self.lanes, count, known[c])
        return self._joined(stage, states)

    def _started(self, stage: Stage, accumulator: int) -> dict[int, State]:
        first = [accumulator * self.lanes + lane for lane in range(self.lanes)]
        return {k: self.folds[k].start(first) for k in stage.reduces}

    def _joined(self, stage: Stage, states: Sequence[dict[int, State]]) -> dict[int, State]:
        return {k: joined(self.folds[k], [state[k] for state in states]) for k in stage.reduces}

    def _long_pass(self, stage: Stage) -> dict[int, State]:
        if not stage.reduces:
            self._sweep(stage)
            return {}
        group = ACCUMULATORS * self.lanes
        main = self.length // group * group
        block = group * BLOCK
        states = [self._started(stage, a) for a in range(ACCUMULATORS)]
        totals: dict[int, State] = {}
        if main <= block:
            states = self._groups(stage, states, 0, main)
        else:
            states, totals = self._blocks(stage, states, main, block)
        for a, start in enumerate(range(main, self.length, self.lanes)):
            self._whole(stage, states[a], start, min(self.lanes, self.length - start))
        result = self._joined(stage, states)
        return {k: ended(self.folds[k], totals.get(k), result[k]) for k in stage.reduces}

    def _whole(
        self, stage: Stage, states: dict[int, State], start: Index, count: int, known: Known | None = None
    ) -> Known:
        known = self._vector(stage, start, count, known or {})
        self._folded(stage, states, start, count, known)
        if stage.stores:
            self.body.store_elements(known, start, count)
        return known

    def _groups(
        self, stage: Stage, states: Sequence[dict[int, State]], start: Index, stop: Index, nonempty: bool = False
    ) -> list[dict[int, State]]:
        """From `start` to `stop`, a vector for each accumulator at a time."""

        def round_(i: Reg, carried: list[Reg]) -> list[Reg]:
            now = unflat(carried, states)
            for a, state in enumerate(now):
                self._whole(stage, state, self.f.add(i, a * self.lanes), self.lanes)
            return flat(now)

        group = ACCUMULATORS * self.lanes
        after = self.f.loop(start, stop, group, round_, flat(states), at_least_once=nonempty)
        return unflat(after, states)

    def _blocks(
        self, stage: Stage, states: list[dict[int, State]], main: int, block: int
    ) -> tuple[list[dict[int, State]], dict[int, State]]:
        """Whole groups, block by block. What is ordered starts anew with each, and is added to a total."""
        fresh = [{k: s for k, s in state.items() if self.folds[k].ordered} for state in states]
        running = [{k: s for k, s in state.items() if not self.folds[k].ordered} for state in states]
        totals = [{k: self.folds[k].opened() for k in fresh[0]}]

        def round_(i: Reg, carried: list[Reg]) -> list[Reg]:
            now = unflat(carried, [*running, *totals])
            begun = [{**one, **other} for one, other in zip(fresh, now[:-1], strict=True)]
            begun = self._groups(stage, begun, i, self.f.minimum(self.f.add(i, block), main), nonempty=True)
            total = {
                k: self.folds[k].added(now[-1][k], joined(self.folds[k], [state[k] for state in begun]))
                for k in fresh[0]
            }
            return flat([*({k: state[k] for k in running[0]} for state in begun), total])

        after = unflat(self.f.loop(0, main, block, round_, flat([*running, *totals])), [*running, *totals])
        return [{**one, **other} for one, other in zip(fresh, after[:-1], strict=True)], after[-1]

    def _sweep(self, stage: Stage) -> None:
        """A pass that only stores."""
        unroll = unrolling([self.kernel.steps[k] for k in stage.elements])
        group = unroll * self.lanes
        main = self.length // group * group

        def round_(start: Index) -> None:
            for a in range(unroll):
                self._whole(stage, {}, self.f.add(start, a * self.lanes), self.lanes)

        if main:
            self.f.range(0, main, group, round_)
        for start in range(main, self.length, self.lanes):
            self._whole(stage, {}, start, min(self.lanes, self.length - start))


def fold_of(f: Function, step: Reduce, dtype: DType, lanes: int, length: int) -> Fold:
    """The fold of a `Reduce` of values of an element type."""
    return fold(f, step.operation, dtype, ELEMENTS[dtype.name], lanes, length)


def _kept_places(stages: Sequence[Stage], steps: Sequence[Step], elements: int) -> tuple[dict[int, int], int]:
    """Where in the scratch memory kept elements stand, and how large it is."""
    places: dict[int, int] = {}
    end = 0
    for stage in stages:
        for k in stage.kept:
            places[k] = end
            end += -(-elements * size_of(ELEMENTS[steps[k].dtype.name]) // 64) * 64
    return places, end
