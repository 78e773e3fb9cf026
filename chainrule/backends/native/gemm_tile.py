"""The register tile: a band of rows times a panel of columns, its sums in registers from the first k to the last.

While they multiply, tiles ask for what will be packed or read next: who needs it would wait for it, they need not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.backends.native.gemm_epilogue import PARAMETERS, Epilogue, Fragment, Tile, prefetch
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Index, Reg, vector

UNROLL = 4  # values of k in one round of the loop
LINE = 64  # bytes of a cache line
WRITTEN_OUT = 8  # k up to here has no loop
_OWN = (("ptr", "a"), ("ptr", "b"), ("ptr", "sums"), *[("i64", word) for word in ("row", "end", "column", "batch")],
        ("ptr", "ahead"), ("i64", "apart"))  # fmt: skip


@dataclass(frozen=True)
class Ahead:
    """What tiles ask for while they compute, a little in each round: rows of memory.

    How far they are apart is a parameter of the tiles' code: that differs between B, packed panels and A.
    """

    along: bool  # rows run along k; else each value of k has its own
    rows: int  # that a tile asks for in each round
    last: int  # no tile begins behind this one
    columns: tuple[int, ...]  # of each row and round

    @classmethod
    def of(cls, columns: int, stride: int, stride_k: int, tiles: int, size: int) -> Ahead | None:
        """For so many columns of B, or rows of A, that so many tiles share."""
        if stride == 1 and stride_k > 0:
            rows = min(UNROLL, -(-UNROLL // tiles))
            return cls(False, rows, UNROLL - rows, tuple(range(0, columns, LINE // size)))
        if stride_k == 1 and stride > 0:
            rows = min(UNROLL, -(-columns // tiles))
            return cls(True, rows, max(0, columns - rows), (0,))
        return None


@dataclass(frozen=True)
class TileShape:
    """All that the code of a tile depends on. Strides are in elements."""

    element: str
    rows: int
    columns: int
    lanes: int
    kc: int
    a_tile: int  # from one tile of A to the one below
    a_row: int
    a_k: int
    b_k: int
    b_padded: bool  # whole vectors can be read at the right edge
    sums_row: int  # of the sums so far
    first: bool  # no sums so far
    last: bool  # results are stored, not sums
    ahead: Ahead | None = None

    @property
    def counts(self) -> list[int]:
        """Columns in each vector."""
        return [min(self.lanes, self.columns - j) for j in range(0, self.columns, self.lanes)]


def multiply_add(f: Function, a: Reg, b: Reg, c: Reg) -> Reg:
    """a b + c, of floats or integers."""
    if "i" in a.type:
        return f.op("add", f.op("mul", a, b), c)
    return f.fma(a, b, c)


def emit_tile(name: str, shape: TileShape, batch: tuple[int, ...], level: Level, epilogue: Epilogue) -> Function:
    """NAME(table, slots, part, a, b, sums, row, end, column, batch, ahead, apart): tiles one below the other.

    They go from `row` to `end`. What they ask for begins at `ahead`, in rows that are `apart`, or 0 if there is nothing
    to ask for.
    """
    f = Function(name, [*PARAMETERS, *_OWN], level, internal=True)
    p = f.parameters
    indices = batch_indices(f, p["batch"], batch) if shape.last else ()
    if shape.last:
        epilogue.prepare(f)
    asking = Asking(f, shape.ahead, p["apart"]) if shape.ahead else None

    def tile(row: Reg, a: Reg, sums_so_far: Reg, *asked: Reg) -> None:
        here = Tile(indices, row, p["column"], shape.rows, shape.columns)
        if shape.last:
            epilogue.prefetch(f, here)
        if not shape.first:
            prefetch(f, sums_so_far, here, shape.sums_row, shape.element)
        ask = asking.of_tile(f.pointer(p["ahead"], asked[0], shape.element), shape.element) if asking else None
        sums = tile_sums(f, shape, a, p["b"], ask)
        for v, count in enumerate(shape.counts):
            for i in range(shape.rows):
                value, at = sums[i][v], f.pointer(sums_so_far, i * shape.sums_row + v * shape.lanes, shape.element)
                if not shape.first:
                    value = f.op("add" if "i" in value.type else "fadd", f.load(at, value.type), value)
                if shape.last:
                    epilogue.store(f, Fragment(here, i, v * shape.lanes, value, count))
                else:
                    f.store(value, at)

    def step(row: Reg, held: list[Reg]) -> list[Reg]:
        tile(row, *held)
        moves = (shape.a_tile, 0 if shape.first and shape.last else shape.rows * shape.sums_row)
        moved = [f.pointer(pointer, by, shape.element) for pointer, by in zip(held, moves, strict=False)]
        return [*moved, asking.below(held[2])] if asking else moved

    held = [p["a"], p["sums"]] + ([f.index(0)] if asking else [])
    f.loop(p["row"], p["end"], shape.rows, step, held, at_least_once=True)
    f.end()
    return f


def batch_indices(f: Function, flat: Index, batch: tuple[int, ...]) -> tuple[Index, ...]:
    """The index in each batch dimension of the flat one."""
    found: list[Index] = []
    for size in reversed(batch[1:]):
        flat, index = f.divmod(flat, size)
        found.append(index)
    return (flat, *reversed(found)) if batch else ()


def tile_sums(
    f: Function,
    shape: TileShape,
    a: Reg,
    b: Reg,
    ask: Callable[[Index], None] | None = None,
    span: tuple[Index, Index] | None = None,
) -> list[list[Reg]]:
    """One chain of multiply-adds per element, from 0, over k in order. `ask` is called with each round's first k.

    Terms outside `span` may be left out: the caller knows that they are 0.
    """
    type, vectors = vector(shape.lanes, shape.element), len(shape.counts)

    def step(a: Reg, b: Reg, k: int, sums: list[Reg]) -> list[Reg]:
        row = []
        for v, count in enumerate(shape.counts):
            place = f.pointer(b, k * shape.b_k + v * shape.lanes, shape.element)
            row.append(f.load_first(place, type, shape.lanes if shape.b_padded else count))
        sums = list(sums)
        for i in range(shape.rows):
            place = f.pointer(a, i * shape.a_row + k * shape.a_k, shape.element)
            one = f.splat(f.load(place, shape.element), shape.lanes)
            for v in range(vectors):
                sums[i * vectors + v] = multiply_add(f, one, row[v], sums[i * vectors + v])
        return sums

    def steps(k: Index, count: int, sums: list[Reg]) -> list[Reg]:
        at_a, at_b = (f.pointer(p, f.mul(k, by), shape.element) for p, by in ((a, shape.a_k), (b, shape.b_k)))
        if ask:
            ask(k)
        for one in range(count):
            sums = step(at_a, at_b, one, sums)
        return sums

    sums = [f.const(0, type)] * (shape.rows * vectors)
    whole = shape.kc - shape.kc % UNROLL if shape.kc > WRITTEN_OUT else 0
    first, end = _rounds(f, span, whole) if span else (0, whole)
    sums = f.loop(first, end, UNROLL, lambda k, held: steps(k, UNROLL, held), sums)
    sums = steps(whole, shape.kc - whole, sums)
    return [sums[i * vectors : (i + 1) * vectors] for i in range(shape.rows)]


def _rounds(f: Function, span: tuple[Index, Index], whole: int) -> tuple[Index, Index]:
    """The first round of a loop that goes over a span, and the end of the last one."""
    first, end = span
    if first != 0:
        first = f.op("and", f.intrinsic("smax", f.index(first), f.index(0)), f.const(-UNROLL, "i64"))
    end = f.op("and", f.index(f.add(end, UNROLL - 1)), f.const(-UNROLL, "i64"))
    return first, f.minimum(end, whole)


class Asking:
    """The code that asks for rows so far apart."""

    def __init__(self, f: Function, ahead: Ahead, apart: Reg) -> None:
        self.f, self.ahead = f, ahead
        self.further, self.limit = (f.index(f.mul(apart, rows)) for rows in (ahead.rows, ahead.last))
        self.rows = [f.mul(apart, row) for row in range(ahead.rows)]
        self.k: Index = apart
        if ahead.along:
            self.k = f.convert("zext", f.compare("icmp ne", apart, f.index(0)), "i64")

    def below(self, asked: Reg) -> Reg:
        """Where the tile below begins."""
        return self.f.index(self.f.minimum(self.f.add(asked, self.further), self.limit))

    def of_tile(self, start: Reg, element: str) -> Callable[[Index], None]:
        """What a tile does in each round."""
        f = self.f

        def ask(k: Index) -> None:
            here = f.pointer(start, f.mul(k, self.k), element)
            for row in self.rows:
                for column in self.ahead.columns:
                    _ask(f, f.pointer(here, f.add(row, column), element))

        return ask


def _ask(f: Function, place: Reg) -> None:
    """For a line that will be read: into the second-level cache, as the first has no room for it."""
    f.call("llvm.prefetch.p0", place, f.const(0, "i32"), f.const(2, "i32"), f.const(1, "i32"))
