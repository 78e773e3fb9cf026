"""The loops around the register tile: shares, blocks of the caches, packing.

for each batch of the share
    for each group of bands and panels whose sums fit a buffer      (one, if k is done at once)
        for each block of k
            for each group of bands whose A fits the second-level cache: pack A
                for each panel: pack B, unless done for the bands above
                    for each band: the register tile
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from chainrule.backends.native.gemm_blocking import Blocking, ceil_div
from chainrule.backends.native.gemm_epilogue import Epilogue, operand
from chainrule.backends.native.gemm_packing import AT_ONCE, Packing, call_packing, emit_packing
from chainrule.backends.native.gemm_tile import Ahead, TileShape, batch_indices, emit_tile
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Index, Reg, vector
from chainrule.passes.kernels import Matrix, Product

KERNEL = (("ptr", "table"), ("ptr", "slots"), ("ptr", "scratch"), ("i64", "part"), ("i64", "parts"))


def largest(f: Function, a: Index, b: Index) -> Index:
    """The larger of two indices."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return f.intrinsic("smax", f.index(a), f.index(b))


def shares(f: Function, units: int, batch: int, body: Callable[[Index, Index, Index], None]) -> None:
    """body(flat batch index, first unit, end) for this part's units of each batch it has a share in."""
    part, parts = f.parameters["part"], f.parameters["parts"]

    def bound(share: Index) -> Reg:
        return f.value(f"udiv i64 {f.index(f.mul(share, units * batch)).name}, {parts.name}", "i64")

    first, end = bound(part), bound(f.add(part, 1))
    if batch == 1:
        body(0, first, end)
        return
    last = f.divmod(f.add(end, units - 1), units)[0]

    def one(index: Reg) -> None:
        before = f.mul(index, units)
        low = largest(f, f.op("sub", first, f.index(before)), 0)
        body(index, low, f.minimum(f.op("sub", end, f.index(before)), units))

    f.loop(f.divmod(first, units)[0], last, 1, lambda index, _: one(index))


def matrix_place(f: Function, base: Reg, matrix: Matrix, indices: tuple[Index, ...], element: str) -> Reg:
    """The address of a batch's matrix."""
    place: Index = 0
    for index, stride in zip(indices, matrix.batch, strict=True):
        place = f.add(place, f.mul(index, stride))
    return f.pointer(base, place, element)


class Driver:
    """Emits the functions of one product."""

    def __init__(self, name: str, product: Product, cut: Blocking, level: Level, epilogue: Epilogue) -> None:
        self.name, self.product, self.cut, self.level, self.epilogue = name, product, cut, level, epilogue
        self.functions: dict[str, Function] = {}

    def emit(self) -> list[Function]:
        """What the kernel calls, and the kernel."""
        f, cut, product = Function(self.name, KERNEL, self.level), self.cut, self.product
        a = operand(f, product.a.operand, product.a.offset, cut.element)
        b = operand(f, product.b.operand, product.b.offset, cut.element)

        def batch(flat: Index, first: Index, end: Index) -> None:
            indices = batch_indices(f, flat, product.batch)
            here_a = matrix_place(f, a, product.a, indices, cut.element)
            here_b = matrix_place(f, b, product.b, indices, cut.element)
            bands, panels = ((first, end), (0, cut.panels)) if cut.by_rows else ((0, cut.bands.count), (first, end))
            _Share(self, f, here_a, here_b, flat).emit(bands, panels)

        shares(f, cut.bands.count if cut.by_rows else cut.panels, math.prod(product.batch), batch)
        f.end()
        return [*self.functions.values(), f]

    def packing(self, of_a: bool, width: int, columns: int) -> Packing:
        """How some columns of B or rows of A are packed; its function is emitted if there is none yet."""
        cut, a, b = self.cut, self.product.a, self.product.b
        strides = (a.row, a.column) if of_a else (b.column, b.row)
        rest = bool(cut.kc % AT_ONCE or cut.last_kc % AT_ONCE)
        packing = Packing(self.name, cut.element, width, columns, *strides, rest)
        if packing.name not in self.functions:
            self.functions[packing.name] = emit_packing(packing, self.level)
        return packing

    def tile(self, rows: int, columns: int, last: bool) -> str:
        """The name of a function that computes tiles."""
        name = f"{self.name}_{rows}x{columns}{'' if last else '_sums'}"
        if name not in self.functions:
            shape = self._tile_shape(rows, columns, last)
            self.functions[name] = emit_tile(name, shape, self.product.batch, self.level, self.epilogue)
        return name

    def _tile_shape(self, rows: int, columns: int, last: bool) -> TileShape:
        cut, a, b = self.cut, self.product.a, self.product.b
        kc, high = cut.last_kc if last else cut.kc, cut.packed_height
        return TileShape(
            element=cut.element,
            rows=rows,
            columns=columns,
            lanes=cut.lanes,
            kc=kc,
            a_tile=kc * high if cut.pack_a else rows * a.row,
            a_row=1 if cut.pack_a else a.row,
            a_k=high if cut.pack_a else a.column,
            b_k=cut.padded(columns) if cut.pack_b else b.row,
            b_padded=cut.pack_b,
            sums_row=cut.width,
            first=cut.blocks == 1,
            last=last,
            ahead=Ahead.of(cut.width, b.column, b.row, cut.tiles_at_once, cut.bytes) if cut.pack_b else None,
        )


Span = tuple[Index, Index]
_Rows = tuple[Reg, Reg]  # of memory, to ask for: where the first begins, and how far they are apart; 0: there are none


@dataclass(frozen=True)
class _Piece:
    """Some bands times some panels, at one block of k."""

    bands: Span
    panels: Span
    top: Index  # the first band, and
    left: Index  # the first panel, of those whose packed panels and sums are kept
    k: Index = 0
    kc: int = 0
    last: bool = True


class _Share:
    """The code for a rectangle of bands and panels of one batch."""

    def __init__(self, driver: Driver, f: Function, a: Reg, b: Reg, batch: Index) -> None:
        self.driver, self.f, self.a, self.b, self.batch = driver, f, a, b, batch
        self.cut, self.packed_a = driver.cut, f.parameters["scratch"]
        self.packed_b = f.pointer(self.packed_a, self.cut.place_of_b, self.cut.element)
        self.sums = f.pointer(self.packed_a, self.cut.place_of_sums, self.cut.element)

    def emit(self, bands: Span, panels: Span) -> None:
        """The rectangle, in pieces whose sums can be kept."""
        cut = self.cut
        tall = cut.bands_of_sums if cut.blocks > 1 else cut.bands.count
        wide = cut.panels_at_once if cut.keeps_panels else cut.panels

        def column(some: Span) -> None:
            self._cut(bands, tall, cut.bands.count, lambda few: self._blocks(_Piece(few, some, few[0], some[0])))

        self._cut(panels, wide, cut.panels, column)

    def _cut(self, span: Span, step: int, most: int, body: Callable[[Span], None]) -> None:
        """A span in steps; in one if it is never longer."""
        if step >= most:
            body(span)
        else:
            f = self.f
            f.loop(*span, step, lambda start, _: body((start, f.minimum(f.add(start, step), span[1]))))

    def _blocks(self, piece: _Piece) -> None:
        """All of k."""
        f, cut = self.f, self.cut
        before = cut.blocks - 1
        if before:
            self._clear(piece)
            f.range(0, before, 1, lambda b: self._block(replace(piece, k=f.mul(b, cut.kc), kc=cut.kc, last=False)))
        self._block(replace(piece, k=before * cut.kc, kc=cut.last_kc))

    def _block(self, piece: _Piece) -> None:
        """Some bands after the others, and for each of them every panel."""
        cut, f = self.cut, self.f

        def bands(some: Span) -> None:
            few = replace(piece, bands=some)
            if cut.pack_a:
                self._pack_a(few)
            more = f.below(some[1], piece.bands[1])
            stop = f.minimum(piece.panels[1], cut.full)
            f.loop(piece.panels[0], stop, 1, lambda at, _: self._panel(few, at, cut.width, more))
            if cut.full < cut.panels:
                edge = cut.columns(cut.full)
                f.when(f.below(cut.full, piece.panels[1]), lambda: self._panel(few, cut.full, edge, more))

        self._cut(piece.bands, cut.bands_at_once, cut.bands.count, bands)

    def _panel(self, piece: _Piece, panel: Index, columns: int, more: Reg) -> None:
        """All tiles of one panel. `more`: bands follow those of the piece."""
        f, cut, b = self.f, self.cut, self.driver.product.b
        inner = f.op("sub", f.index(panel), f.index(piece.left))
        place = f.add(f.mul(panel, cut.width * b.column), f.mul(piece.k, b.row))
        source = f.pointer(self.b, place, cut.element)
        ahead = source, f.index(0)
        if cut.pack_b:
            ahead = self._ahead(piece, panel, source, more)
            kept = f.mul(inner, cut.width * piece.kc) if cut.keeps_panels else 0
            target = f.pointer(self.packed_b, kept, cut.element)
            self._pack_b(piece, columns, source, target)
            source = target
        for height, span in self._kinds(piece.bands):
            f.when(f.below(*span), lambda: self._tiles(piece, height, span, panel, columns, source, inner, *ahead))  # noqa: B023

    def _ahead(self, piece: _Piece, panel: Index, source: Reg, more: Reg) -> _Rows:
        """What tiles ask for: the next panel, or behind the last one the first again, if bands follow.

        It is where it will be packed from, or where it is packed already.
        """
        f, cut, b = self.f, self.cut, self.driver.product.b
        across = b.column == 1
        next = f.index(f.add(panel, 1))
        some = f.below(next, piece.panels[1])
        place = f.pointer(source, cut.width * b.column, cut.element)
        found = self._rows(some, (place, f.index(b.row if across else b.column)))
        if not cut.keeps_panels:
            return found
        inner = f.select(some, f.op("sub", next, f.index(piece.left)), f.index(0))
        place = f.pointer(self.packed_b, f.mul(inner, cut.width * piece.kc), cut.element)
        kept = self._rows(f.op("or", some, more), (place, f.index(cut.width if across else piece.kc)))
        first = f.compare("icmp eq", f.index(piece.bands[0]), f.index(piece.top))
        found = self._rows(f.op("and", first, some), found, kept)
        return self._ahead_of_a(piece, panel, more, found) if cut.pack_a else found

    def _ahead_of_a(self, piece: _Piece, panel: Index, more: Reg, otherwise: _Rows) -> _Rows:
        """In the last panels the next bands of A, a panel's width in each, if it stands in memory as B does."""
        f, cut, a = self.f, self.cut, self.driver.product.a
        if a.row != 1 or self.driver.product.b.column != 1:
            return otherwise
        panels = ceil_div(cut.bands_at_once * cut.highest, cut.width) + 1  # they need not begin with a line
        number = f.op("sub", f.index(f.add(panel, panels)), f.index(piece.panels[1]))
        place = f.pointer(self._a(self._row(piece.bands[1]), piece.k), f.mul(number, cut.width), cut.element)
        asks = f.op("and", more, f.compare("icmp sge", number, f.index(0)))
        return self._rows(asks, (place, f.index(a.column)), otherwise)

    def _rows(self, condition: Reg, one: _Rows, other: _Rows | None = None) -> _Rows:
        """One or the other, or nothing."""
        f = self.f
        place, apart = other or (one[0], f.index(0))
        return f.select(condition, one[0], place), f.select(condition, one[1], apart)

    def _tiles(
        self, piece: _Piece, height: int, bands: Span, panel: Index, columns: int, b: Reg, inner: Index, *ahead: Reg
    ) -> None:
        """The bands of one height."""
        f, cut = self.f, self.cut
        row, end = self._row(bands[0]), self._row(bands[1])
        a, sums = self._a(row, piece.k), self.sums
        if cut.pack_a:
            place = f.mul(f.op("sub", f.index(bands[0]), f.index(piece.bands[0])), piece.kc * cut.packed_height)
            a = f.pointer(self.packed_a, place, cut.element)
        if cut.blocks > 1:
            down = f.mul(f.op("sub", f.index(row), f.index(self._row(piece.top))), cut.width)
            sums = f.pointer(sums, f.add(down, f.mul(inner, cut.panel_of_sums)), cut.element)
        numbers = (f.index(number) for number in (row, end, f.mul(panel, cut.width), self.batch))
        words = (f.parameters[word] for word in ("table", "slots", "part"))
        f.call(self.driver.tile(height, columns, piece.last), *words, a, b, sums, *numbers, *ahead, declared=True)

    def _pack_a(self, piece: _Piece) -> None:
        """The piece's bands, from the head of scratch."""
        f, cut = self.f, self.cut
        for height, (start, stop) in self._kinds(piece.bands):
            packing = self.driver.packing(True, cut.packed_height, height)
            place = f.mul(f.op("sub", f.index(start), f.index(piece.bands[0])), piece.kc * cut.packed_height)
            target = f.pointer(self.packed_a, place, cut.element)
            count = f.op("sub", f.index(stop), f.index(start))
            call_packing(f, packing, self._a(self._row(start), piece.k), target, piece.kc, count)

    def _pack_b(self, piece: _Piece, columns: int, source: Reg, target: Reg) -> None:
        """A panel, unless the bands above have left it there."""
        f, packing = self.f, self.driver.packing(False, self.cut.padded(columns), columns)

        def pack() -> None:
            call_packing(f, packing, source, target, piece.kc, 1)

        if self.cut.keeps_panels:
            f.when(f.compare("icmp eq", f.index(piece.bands[0]), f.index(piece.top)), pack)
        else:
            pack()

    def _clear(self, piece: _Piece) -> None:
        """The sums begin at 0."""
        f, cut = self.f, self.cut
        zero = f.const(0, vector(cut.lanes, cut.element))
        rows, panels = (
            f.op("sub", f.index(end), f.index(start))
            for start, end in ((self._row(piece.top), self._row(piece.bands[1])), piece.panels)
        )

        def panel(at: Index) -> None:
            place = f.pointer(self.sums, f.mul(at, cut.panel_of_sums), cut.element)
            f.loop(0, f.mul(rows, cut.width), cut.lanes, lambda i, _: f.store(zero, f.pointer(place, i, cut.element)))

        f.loop(0, panels, 1, lambda at, _: panel(at))

    def _a(self, row: Index, k: Index) -> Reg:
        """The place of A[row, k]."""
        f, a = self.f, self.driver.product.a
        return f.pointer(self.a, f.add(f.mul(row, a.row), f.mul(k, a.column)), self.cut.element)

    def _row(self, band: Index) -> Index:
        """The first row of a band."""
        f, bands = self.f, self.cut.bands
        return f.add(f.mul(band, bands.height), f.minimum(band, bands.longer))

    def _kinds(self, bands: Span) -> list[tuple[int, Span]]:
        """The bands of each height; none has its end before its start."""
        f, kinds = self.f, self.cut.bands.kinds()
        if len(kinds) == 1:
            return [(kinds[0][0], bands)]

        def within(band: Index, low: int, high: int) -> Index:
            return largest(f, f.minimum(band, high), low)

        return [(height, (within(bands[0], low, high), within(bands[1], low, high))) for height, low, high in kinds]
