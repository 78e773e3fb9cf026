"""Small dense blocks in a kernel's scratch memory: copied in, transposed, multiplied by the register tile of products.

A `Block` is row-major with rows of whole vectors, so nothing here needs a mask: what is missing at the edges of an
operand is zero.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from chainrule.backends.native.gemm_blocking import Bands, ceil_div, tile_of
from chainrule.backends.native.gemm_tile import TileShape, tile_sums
from chainrule.backends.native.lanes import load_lanes
from chainrule.backends.native.text import Function, Index, Reg, size_of, vector
from chainrule.backends.native.tiles import transposed

_LARGE = 96  # what the shape of the register tile is chosen for
_LINE = 64  # bytes that every block begins at a multiple of


class Part(enum.Enum):
    """Which results, or which terms of their sums, count in a product with a `limit`."""

    ALL = "all"
    FIRST_ROWS = "first_rows"  # results in rows below the limit
    LOWER = "lower"  # results whose column <= row + limit
    FIRST_TERMS = "first_terms"  # the terms below the limit
    LOWER_TERMS = "lower_terms"  # a[row, k] with k <= row + limit; the others are 0
    UPPER_TERMS = "upper_terms"  # a[row, k] with k >= row - limit; the others are 0


@dataclass(frozen=True)
class Block:
    """A matrix in scratch."""

    at: Reg
    rows: int
    width: int  # elements from a row to the next

    def row(self, f: Function, row: Index, element: str) -> Reg:
        """Where a row begins."""
        return f.pointer(self.at, f.mul(row, self.width), element)


@dataclass(frozen=True)
class Matrix:
    """One matrix of an operand in the program's memory: any strides."""

    at: Reg
    row: int
    column: int
    columns: int

    def below(self, f: Function, row: Index, element: str) -> Matrix:
        """The matrix from a row on."""
        return replace(self, at=f.pointer(self.at, f.mul(row, self.row), element))


class Blocks:
    """Hands out a kernel's scratch memory, and writes the code that works on it."""

    def __init__(self, f: Function, element: str) -> None:
        self.f, self.element = f, element
        self.lanes = f.level.width
        self.type = vector(self.lanes, element)
        self.height, self.vectors = tile_of(f.level, size_of(element), _LARGE, _LARGE, _LARGE)
        self.bytes = 0

    def padded(self, columns: int) -> int:
        """Columns in whole vectors."""
        return ceil_div(columns, self.lanes) * self.lanes

    def block(self, rows: int, columns: int) -> Block:
        """New memory."""
        width = self.padded(columns)
        at = self.f.pointer(self.f.parameters["scratch"], self.bytes, "i8")
        self.bytes += ceil_div(rows * width * size_of(self.element), _LINE) * _LINE
        return Block(at, rows, width)

    def vectors_of(self, place: Reg, count: int) -> list[Reg]:
        """Neighbouring vectors."""
        f = self.f
        return [f.load(f.pointer(place, k * self.lanes, self.element), self.type) for k in range(count)]

    def put(self, values: list[Reg], place: Reg) -> None:
        """Neighbouring vectors to memory."""
        for k, value in enumerate(values):
            self.f.store(value, self.f.pointer(place, k * self.lanes, self.element))

    # Copies

    def fill(self, block: Block, value: float) -> None:
        """One number everywhere."""
        f, one = self.f, self.f.const(value, self.type)
        f.range(0, block.rows * block.width, self.lanes, lambda i: f.store(one, f.pointer(block.at, i, self.element)))

    def copy_in(self, block: Block, source: Matrix, rows: Index, scale: float | None = None) -> None:
        """The first rows of a matrix, perhaps scaled; zeros behind them."""
        f = self.f
        zero = f.const(0, self.type)

        def copied(row: Index) -> None:
            start = f.pointer(source.at, f.mul(row, source.row), self.element)
            to = block.row(f, row, self.element)

            def some(j: Index, count: int) -> None:
                place = f.pointer(start, f.mul(j, source.column), self.element)
                found = load_lanes(f, place, self.type, source.column, count)
                if scale is not None:
                    found = f.op("fmul", found, f.const(scale, self.type))
                f.store(found, f.pointer(to, j, self.element))

            self._along(source.columns, some)

        f.loop(0, rows, 1, lambda row, _: copied(row))
        if rows != block.rows:
            rest = f.op("mul", f.index(rows), f.index(block.width))
            size = block.rows * block.width
            f.loop(rest, size, self.lanes, lambda i, _: f.store(zero, f.pointer(block.at, i, self.element)))

    def _along(self, columns: int, body: Callable[[Index, int], None]) -> None:
        """body(first, count) for vectors of columns, the last perhaps not full."""
        full = columns // self.lanes * self.lanes
        self.f.range(0, full, self.lanes, lambda j: body(j, self.lanes))
        if full < columns:
            body(full, columns - full)

    def transpose(self, block: Block, source: Block, columns: int) -> None:
        """block[j, i] = source[i, j], for all rows of the source and its first columns."""
        f, lanes = self.f, self.lanes

        def square(j: Index, i: Index, lines: int) -> None:
            places = [f.pointer(source.row(f, f.add(i, r), self.element), j, self.element) for r in range(lanes)]
            turned = transposed(f, [f.load(place, self.type) for place in places])
            for r in range(lines):
                f.store(turned[r], f.pointer(block.row(f, f.add(j, r), self.element), i, self.element))

        self._along(columns, lambda j, lines: f.range(0, source.rows, lanes, lambda i: square(j, i, lines)))

    def copy_out(self, block: Block, target: Matrix, rows: Index, how: Callable[[Reg, Reg], Reg]) -> None:
        """target[i, j] = how(block[i, j], target[i, j]) for the first rows of a target whose columns lie together."""
        f = self.f

        def row(i: Index) -> None:
            start, to = block.row(f, i, self.element), f.pointer(target.at, f.mul(i, target.row), self.element)

            def some(j: Index, count: int) -> None:
                place = f.pointer(to, j, self.element)
                found = f.load(f.pointer(start, j, self.element), self.type)
                f.store_first(how(found, place), place, count)

            def one(j: Index, count: int) -> None:
                some(j, count)

            self._along(target.columns, one)

        f.loop(0, rows, 1, lambda i, _: row(i))

    # Products

    def multiply(
        self,
        c: Block,
        a: Block,
        b: Block,
        sizes: tuple[int, int, int],
        *,
        turned: bool = False,
        added: bool = False,
        factors: Reg | None = None,
        part: Part = Part.ALL,
        limit: Index = 0,
    ) -> None:
        """c = a b, of m x n x k. `turned`: a is stored transposed. `added`: to what is in c; with `factors`, a vector's
        worth of memory per column, that is multiplied by them first. Of results or terms only a `part` counts."""
        f, (m, n, k) = self.f, sizes
        a_row, a_k = (1, a.width) if turned else (a.width, 1)
        added = added or factors is not None
        product = _Product(m, n, k, a_row, a_k, b.width, c.width, added, factors is not None, part)
        name = self._function(product)
        f.call(name, a.at, b.at, c.at, factors or c.at, f.index(limit), declared=True)

    def _function(self, product: _Product) -> str:
        p = product
        words = [p.m, p.n, p.k, p.a_row, p.a_k, p.b_k, p.c_row, int(p.added), int(p.scaled), p.part.value]
        name = f"{self.f.name}_{'_'.join(map(str, words))}"
        parameters = [*[("ptr", word) for word in ("a", "b", "c", "factors")], ("i64", "limit")]
        f = Function(name, parameters, self.f.level, internal=True)
        wide = self.vectors * self.lanes
        full = p.n // wide * wide
        f.range(0, full, wide, lambda j: self._panel(f, p, j, wide))
        if full < p.n:
            self._panel(f, p, full, p.n - full)
        f.end()
        self.f.define(f)
        return name

    def _panel(self, f: Function, product: _Product, column: Index, columns: int) -> None:
        """All tiles of some columns."""
        b = f.pointer(f.parameters["b"], column, self.element)
        bands = Bands.of(product.m, self.height)
        for height, first, end in bands.kinds():
            start = first * height if first == 0 else first * (height + 1)
            stop = start + (end - first) * height
            low, high = self._rows(f, product.part, (start, stop), height, column)
            f.range(low, high, height, lambda row: self._tile(f, product, row, column, height, columns, b))  # noqa: B023

    def _rows(self, f: Function, part: Part, span: tuple[int, int], height: int, column: Index) -> tuple[Index, Index]:
        """The rows of some tiles that are computed."""
        start, stop = span
        if part is Part.FIRST_ROWS:
            return start, f.minimum(f.parameters["limit"], stop)
        if part is not Part.LOWER:
            return span
        above = f.op("sub", f.op("sub", f.index(column), f.parameters["limit"]), f.const(start, "i64"))
        whole = f.divmod(f.intrinsic("smax", above, f.const(0, "i64")), height)[0]  # tiles that lie above
        return f.add(f.mul(whole, height), start), stop

    def _span(self, f: Function, product: _Product, row: Index, height: int) -> tuple[Index, Index] | None:
        """The terms that count for a tile."""
        limit = f.parameters["limit"]
        if product.part is Part.FIRST_TERMS:
            return 0, limit
        if product.part is Part.LOWER_TERMS:
            return 0, f.add(f.add(row, height), limit)
        if product.part is Part.UPPER_TERMS:
            return f.op("sub", f.index(row), limit), product.k
        return None

    def _tile(
        self, f: Function, product: _Product, row: Index, column: Index, height: int, columns: int, b: Reg
    ) -> None:
        p, element = product, self.element
        shape = TileShape(
            element=element,
            rows=height,
            columns=columns,
            lanes=self.lanes,
            kc=p.k,
            a_tile=0,
            a_row=p.a_row,
            a_k=p.a_k,
            b_k=p.b_k,
            b_padded=True,
            sums_row=0,
            first=True,
            last=False,
        )
        a = f.pointer(f.parameters["a"], f.mul(row, p.a_row), element)
        sums = tile_sums(f, shape, a, b, span=self._span(f, p, row, height))
        c = f.pointer(f.parameters["c"], f.add(f.mul(row, p.c_row), column), element)
        for v in range(len(shape.counts)):
            factor = None
            if p.scaled:
                at = f.pointer(f.parameters["factors"], f.add(column, v * self.lanes), element)
                factor = f.load(at, self.type)
            for i in range(height):
                place = f.pointer(c, i * p.c_row + v * self.lanes, element)
                value = sums[i][v]
                if factor is not None:
                    value = f.fma(f.load(place, self.type), factor, value)
                elif p.added:
                    value = f.op("fadd", f.load(place, self.type), value)
                f.store(value, place)


@dataclass(frozen=True)
class _Product:
    """What the code of a product depends on."""

    m: int
    n: int
    k: int
    a_row: int
    a_k: int
    b_k: int
    c_row: int
    added: bool
    scaled: bool
    part: Part
