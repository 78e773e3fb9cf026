"""Writes kernels over rows: elementwise loops, and reductions along the last dimension with what stands around them.

Without reductions the points are shared out among the parts, with them the rows. A reduction's order of arithmetic is
fixed by its operation, element type and row length: vectors go to accumulators in turn, accumulators are joined by a
fixed tree at the end of a block of vectors, blocks are added in order, lanes are halved at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from chainrule.backends.native.body import Body, Row, kernel_function, share, unravel, unrolling
from chainrule.backends.native.domains import is_free, rows_of, simplified
from chainrule.backends.native.level import Level as Machine
from chainrule.backends.native.row_reductions import Reductions
from chainrule.backends.native.text import Function, Index
from chainrule.backends.native.tiles import Tiles, crossing
from chainrule.passes.kernels import Rows

_PIECE = 2048  # elements of a row that are shared out by themselves where rows are few
_FEW_ROWS = 16


def emit_rows(name: str, kernel: Rows, machine: Machine, rows: Mapping[str, Row]) -> tuple[list[Function], int]:
    """The kernel's functions, the first of which is to be called, and the bytes of scratch memory that it needs."""
    f = kernel_function(name, machine)
    simple = simplified(kernel, machine.width)
    lanes = narrowed(machine.width, simple.domain[-1])
    body = Body(f, simple.steps, simple.stores, simple.operands, rows, lanes=lanes, empty=simple.domain[-1] == 0)
    body.prepare()
    scratch = 0
    if is_free(simple):
        across = crossing(simple, lanes)
        if across:
            Tiles(f, simple, body, across).emit()
        elif 0 not in simple.domain:
            _Loops(f, simple, body).emit()
    elif rows_of(simple):
        scratch = Reductions(f, simple, body, machine).emit()
    f.end()
    return [f], scratch


def narrowed(width: int, length: int) -> int:
    """The lanes for a short row: no more than it takes."""
    return min(width, 1 << max(0, length - 1).bit_length())


class _Loops:
    """Loops without reductions."""

    def __init__(self, f: Function, kernel: Rows, body: Body) -> None:
        self.f, self.body = f, body
        self.outer, self.length = kernel.domain[:-1], kernel.domain[-1]
        self.unroll = unrolling(kernel.steps)
        self.group = body.lanes * self.unroll
        self.main = self.length // self.group * self.group  # what whole groups of vectors cover

    def emit(self) -> None:
        """Rows in their turn; of few rows, pieces; of one, groups of vectors."""
        f, rows = self.f, math.prod(self.outer)
        if rows == 1:
            self.body.row((0,) * len(self.outer))
            units = -(-self.length // self.group)
            first, end = share(f, units)
            self._loop(f.mul(first, self.group), f.minimum(f.mul(end, self.group), self.main))
            if self.main < self.length:
                mine = f.op("and", f.below(first, end), f.compare("icmp eq", end, f.index(units)))
                f.when(mine, self._rest)
            return
        size = -(-_PIECE // self.group) * self.group
        pieces = max(1, -(-self.length // size)) if rows < _FEW_ROWS else 1
        first, end = share(f, rows * pieces)
        f.range(first, end, 1, lambda unit: self._piece(unit, pieces, size))

    def _piece(self, unit: Index, pieces: int, size: int) -> None:
        f = self.f
        row, piece = f.divmod(unit, pieces)
        self.body.row(unravel(f, row, self.outer))
        if pieces == 1:
            self._loop(0, self.main)
            self._rest()
            return
        start = f.mul(piece, size)
        self._loop(start, f.minimum(f.add(start, size), self.main))
        if self.main < self.length:
            f.when(f.compare("icmp eq", f.index(piece), f.index(pieces - 1)), self._rest)

    def _loop(self, start: Index, stop: Index) -> None:
        lanes = self.body.lanes
        if self.main:
            self.f.range(start, stop, self.group, lambda i: self._group(i, lanes))

    def _group(self, start: Index, lanes: int) -> None:
        for k in range(self.unroll):
            self._vector(self.f.add(start, k * lanes))

    def _rest(self) -> None:
        for start in range(self.main, self.length, self.body.lanes):
            self._vector(start, min(self.body.lanes, self.length - start))

    def _vector(self, start: Index, count: int = 0) -> None:
        count = count or self.body.lanes
        self.body.store_elements(self.body.element(start, count), start, count)
