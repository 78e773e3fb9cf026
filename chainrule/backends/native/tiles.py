"""Elementwise kernels that read across memory what they write along it: transposed in tiles, through registers.

A tile is as high as it is wide: vectors are loaded along memory, transposed, and then taken row by row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.backends.native.body import Body, share, unravel
from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.text import Function, Index, Reg, size_of, vector
from chainrule.passes.kernels import Level, Load, Rows

_LINE = 64  # bytes of a cache line: tiles that read the same one stand together
_MOST_STEPS = 24  # that are worth writing out for each row of a tile
_MOST_LOADS = 2


@dataclass(frozen=True)
class Crossing:
    """The loads that run along another dimension than the stores do."""

    dimension: int
    loads: tuple[int, ...]


def crossing(kernel: Rows, lanes: int) -> Crossing | None:
    """The loads to transpose, if it is worth it: all across, along one dimension, as long as a tile at least."""
    written = {store.access.operand for store in kernel.stores}
    found = [
        (k, step)
        for k, step in enumerate(kernel.steps)
        if isinstance(step, Load) and step.level is Level.ELEMENT and step.access.strides[-1] not in (-1, 0, 1)
    ]
    dimensions = range(len(kernel.domain) - 1)
    along = [d for d in dimensions if all(step.access.strides[d] == 1 for _, step in found)]
    fit = all(
        step.index is None and step.access.operand not in written and size_of(ELEMENTS[step.dtype.name]) >= 4
        for _, step in found
    )
    stored = all(s.access.strides[-1] == 1 for s in kernel.stores if s.level is Level.ELEMENT)
    short = sum(step.level is Level.ELEMENT for step in kernel.steps) <= _MOST_STEPS and len(found) <= _MOST_LOADS
    if not found or not along or not fit or not stored or not short or lanes == 1:
        return None
    if kernel.domain[along[0]] < lanes or kernel.domain[-1] < lanes:
        return None
    return Crossing(along[0], tuple(k for k, _ in found))


class Tiles:
    """Strips of tiles, shared out among the parts."""

    def __init__(self, f: Function, kernel: Rows, body: Body, crossing: Crossing) -> None:
        self.f, self.kernel, self.body, self.lanes = f, kernel, body, body.lanes
        self.dimension, self.loads = crossing.dimension, crossing.loads
        self.others = tuple(n for d, n in enumerate(kernel.domain[:-1]) if d != self.dimension)
        self.rows, self.length = kernel.domain[self.dimension], kernel.domain[-1]
        self.main = self.length // self.lanes * self.lanes
        size = min(size_of(ELEMENTS[kernel.steps[k].dtype.name]) for k in self.loads)
        self.height = self.lanes * max(1, min(self.rows // self.lanes, _LINE // size // self.lanes))

    def emit(self) -> None:
        """All strips of this part."""
        f, whole = self.f, self.rows // self.height
        strips = -(-self.rows // self.height)
        first, end = share(f, math.prod(self.others) * strips)

        def strip(unit: Index) -> None:
            index, number = f.divmod(unit, strips)
            others = unravel(f, index, self.others)
            start = f.mul(number, self.height)
            if whole == strips:
                self._strip(others, start)
                return
            f.when(f.below(number, whole), lambda: self._strip(others, start))
            f.when(
                f.compare("icmp eq", f.index(number), f.index(whole)),
                lambda: f.range(whole * self.height, self.rows, 1, lambda row: self._row(others, row, 0)),
            )

        f.range(first, end, 1, strip)

    def _outer(self, others: Sequence[Index], row: Index) -> tuple[Index, ...]:
        return (*others[: self.dimension], row, *others[self.dimension :])

    def _strip(self, others: Sequence[Index], start: Index) -> None:
        def tiles(column: Index) -> None:
            for row in range(0, self.height, self.lanes):
                self._tile(others, self.f.add(start, row), column)

        self.f.range(0, self.main, self.lanes, tiles)
        if self.main < self.length:
            stop = self.f.add(start, self.height)
            self.f.range(start, stop, 1, lambda row: self._row(others, row, self.main))

    def _tile(self, others: Sequence[Index], row: Index, column: Index) -> None:
        outer = self._outer(others, row)
        turned = {k: self._transposed(k, outer, column) for k in self.loads}
        for r in range(self.lanes):
            self.body.row(self._outer(others, self.f.add(row, r)))
            known = self.body.element(column, self.lanes, given={k: rows[r] for k, rows in turned.items()})
            self.body.store_elements(known, column, self.lanes)

    def _transposed(self, k: int, outer: Sequence[Index], column: Index) -> list[Reg]:
        f, step = self.f, self.kernel.steps[k]
        assert isinstance(step, Load)
        element = ELEMENTS[step.dtype.name]
        stride = step.access.strides[-1]
        base = f.pointer(self.body.place(step.access, outer), f.mul(column, stride), element)
        places = [f.pointer(base, i * stride, element) for i in range(self.lanes)]
        return transposed(f, [f.load(place, vector(self.lanes, element)) for place in places])

    def _row(self, others: Sequence[Index], row: Index, start: int) -> None:
        """What tiles do not cover of a row, from a column on."""
        self.body.row(self._outer(others, row))
        if start < self.main:
            self.f.range(start, self.main, self.lanes, lambda column: self._vector(column, self.lanes))
        if self.main < self.length:
            self._vector(self.main, self.length - self.main)

    def _vector(self, column: Index, count: int) -> None:
        self.body.store_elements(self.body.element(column, count), column, count)


def transposed(f: Function, rows: Sequence[Reg]) -> list[Reg]:
    """As many vectors as each has lanes, as a matrix, transposed: blocks of lanes change places, ever smaller ones."""
    rows = list(rows)
    lanes = len(rows)
    distance = lanes // 2
    while distance:
        upper = [j if not j & distance else lanes + j - distance for j in range(lanes)]
        lower = [j + distance if not j & distance else lanes + j for j in range(lanes)]
        for i in range(lanes):
            if not i & distance:
                a, b = rows[i], rows[i + distance]
                rows[i], rows[i + distance] = f.shuffle(a, b, upper), f.shuffle(a, b, lower)
        distance //= 2
    return rows
