"""Writes kernels over columns: reductions down the rows of a matrix, many columns side by side.

A block of columns, a few vectors wide, is held in registers while the rows go by. Row r goes to accumulator r % n,
where n is 1 unless the matrix is narrow. After every `BLOCK` rows of each, the accumulators are joined and added to a
total. So a column's order of arithmetic is fixed by the number of rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.backends.native.body import Body, Known, Row, kernel_function, share
from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.folds import State, ended, flat, fold, joined, unflat
from chainrule.backends.native.level import Level as Machine
from chainrule.backends.native.rows import narrowed
from chainrule.backends.native.stages import Stage, staged
from chainrule.backends.native.text import Function, Index, Reg
from chainrule.passes.kernels import Columns, Reduce

BLOCK = 64  # rows; a multiple of every number of accumulators
_ENOUGH_UNITS = 8
_WIDE = 32  # vectors of columns: blocks are wide enough by themselves to keep the processor busy


def emit_columns(name: str, kernel: Columns, machine: Machine, rows: Mapping[str, Row]) -> tuple[list[Function], int]:
    """The kernel's functions, the first of which is to be called, and the bytes of scratch memory that it needs."""
    f = kernel_function(name, machine)
    lanes = narrowed(machine.width, kernel.domain[2])
    body = Body(
        f, kernel.steps, kernel.stores, kernel.operands, rows, lanes=lanes, columns=True, empty=kernel.domain[1] == 0
    )
    body.prepare()
    _Matrix(f, kernel, body, machine).emit()
    f.end()
    return [f], 0


class _Matrix:
    """One matrix after another, block of columns by block of columns."""

    def __init__(self, f: Function, kernel: Columns, body: Body, machine: Machine) -> None:
        self.f, self.kernel, self.body, self.lanes = f, kernel, body, body.lanes
        self.batch, self.rows, self.columns = kernel.domain
        steps = kernel.steps
        self.stages, self.last_rows = staged(steps, kernel.stores, frozenset(), keep=False)
        self.folds = {
            k: fold(
                f, s.operation, steps[s.operand].dtype, ELEMENTS[steps[s.operand].dtype.name], self.lanes, self.rows, 0
            )
            for k, s in enumerate(steps)
            if isinstance(s, Reduce)
        }
        vectors = -(-self.columns // self.lanes)
        self.accumulators = max(1, min(self.rows, 4 if vectors <= 1 else 2 if vectors < _WIDE else 1))
        chains = self.accumulators * max(1, len(self.folds))
        self.width = _width(vectors, self.batch, chains, machine) if vectors else 1

    def emit(self) -> None:
        """The blocks of whole vectors first, then what is left of each matrix."""
        f = self.f
        block = self.width * self.lanes
        whole, rest = divmod(self.columns, block)
        blocks = self.batch * whole
        first, end = share(f, blocks + (self.batch if rest else 0))
        full = [self.lanes] * self.width

        def one(unit: Index) -> None:
            batch, column = f.divmod(unit, whole)
            self._block(batch, f.mul(column, block), full)

        if blocks:
            f.range(first, f.minimum(end, blocks), 1, one)
        if rest:
            counts = [min(self.lanes, rest - start) for start in range(0, rest, self.lanes)]
            first = f.intrinsic("smax", first, f.index(blocks))
            f.range(first, end, 1, lambda unit: self._block(f.add(unit, -blocks), whole * block, counts))

    def _block(self, batch: Index, column: Index, counts: Sequence[int]) -> None:
        """All passes over some vectors of columns; `counts` has the columns in each."""
        chunks = [(self.f.add(column, c * self.lanes), count) for c, count in enumerate(counts)]
        values: list[Known] = [dict(self.body.values) for _ in chunks]
        for stage in self.stages:
            self._row_steps(stage.rows, values, batch, chunks)
            states = self._pass(stage, values, batch, chunks)
            for c, state in enumerate(states):
                values[c].update({k: self.folds[k].value(state[k]) for k in stage.reduces})
        self._row_steps(self.last_rows, values, batch, chunks)
        for known, (start, count) in zip(values, chunks, strict=True):
            self.body.store_row_vectors(known, start, (batch, 0), count)

    def _row_steps(
        self, steps: Sequence[int], values: list[Known], batch: Index, chunks: Sequence[tuple[Index, int]]
    ) -> None:
        for known, (start, count) in zip(values, chunks, strict=True):
            self.body.compute(steps, known, start, (batch, 0), self.lanes, count)

    def _pass(
        self, stage: Stage, values: list[Known], batch: Index, chunks: Sequence[tuple[Index, int]]
    ) -> list[dict[int, State]]:
        """Down the rows: for each vector of columns, the states of the stage's reductions."""
        n = self.accumulators
        start = [{k: self.folds[k].start([a] * self.lanes) for k in stage.reduces} for a in range(n) for _ in chunks]
        fresh, running = self._parted(start)
        main = self.rows // n * n
        block = BLOCK * n

        def row(r: Index, states: list[dict[int, State]]) -> None:
            self.body.forget()
            self.body.anchor((batch, r))
            for state, known, (column, count) in zip(states, values, chunks, strict=True):
                self._point(stage, state, known, r, column, count)

        def rows(first: Index, stop: Index, states: list[dict[int, State]]) -> list[dict[int, State]]:
            def round_(r: Reg, carried: list[Reg]) -> list[Reg]:
                now = unflat(carried, states)
                for a in range(n):
                    row(self.f.add(r, a), now[a * len(chunks) : (a + 1) * len(chunks)])
                return flat(now)

            return unflat(self.f.loop(first, stop, n, round_, flat(states)), states)

        totals: list[dict[int, State]] = [{} for _ in chunks]
        if main <= block or not any(fresh):
            start = rows(0, main, start)
        else:
            totals = [{k: self.folds[k].opened() for k in state} for state in fresh[: len(chunks)]]

            def blocks(r: Reg, carried: list[Reg]) -> list[Reg]:
                now = unflat(carried, [*running, *totals])
                begun = [{**x, **y} for x, y in zip(fresh, now, strict=False)]
                begun = rows(r, self.f.minimum(self.f.add(r, block), main), begun)
                block_ends, after = self._parted(begun)
                sums = self._joined(block_ends, len(chunks))
                return flat([*after, *self._added(now[len(running) :], sums)])

            found = unflat(self.f.loop(0, main, block, blocks, flat([*running, *totals])), [*running, *totals])
            start = [{**x, **y} for x, y in zip(fresh, found, strict=False)]
            totals = found[len(running) :]
        for a, r in enumerate(range(main, self.rows)):
            row(r, start[a * len(chunks) : (a + 1) * len(chunks)])
        last = self._joined(start, len(chunks))
        return [
            {k: ended(self.folds[k], total.get(k), state) for k, state in one.items()}
            for total, one in zip(totals, last, strict=True)
        ]

    def _parted(self, states: list[dict[int, State]]) -> tuple[list[dict[int, State]], list[dict[int, State]]]:
        """The states of the reductions whose order matters, and those of the others."""
        return (
            [{k: s for k, s in state.items() if self.folds[k].ordered} for state in states],
            [{k: s for k, s in state.items() if not self.folds[k].ordered} for state in states],
        )

    def _joined(self, states: list[dict[int, State]], chunks: int) -> list[dict[int, State]]:
        return [
            {k: joined(self.folds[k], [state[k] for state in states[c::chunks]]) for k in states[c]}
            for c in range(chunks)
        ]

    def _added(self, totals: list[dict[int, State]], more: list[dict[int, State]]) -> list[dict[int, State]]:
        return [
            {k: self.folds[k].added(total[k], state) for k, state in one.items()}
            for total, one in zip(totals, more, strict=True)
        ]

    def _point(
        self, stage: Stage, state: dict[int, State], values: Known, row: Index, column: Index, count: int
    ) -> None:
        known = self.body.element(column, count, stage.elements, values)
        for k in stage.reduces:
            step = self.kernel.steps[k]
            assert isinstance(step, Reduce)
            value = self.body.operand(step.operand, known, self.lanes)
            # Lanes behind the last column hold what nobody stores.
            state[k] = self.folds[k].step(state[k], value, row, self.lanes)
        if stage.stores:
            self.body.store_elements(known, column, count)


def _width(vectors: int, batch: int, chains: int, machine: Machine) -> int:
    """Vectors of columns in a block: many to read along memory, few enough for registers and for all parts."""
    width = max(1, machine.registers // 2 // chains)
    width = 1 << (width.bit_length() - 1)
    while width > 2 and (width > vectors or batch * (vectors // width) < _ENOUGH_UNITS):
        width //= 2
    return min(width, vectors)
