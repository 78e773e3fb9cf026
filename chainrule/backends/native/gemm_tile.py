"""The register tile: a band of rows times a panel of columns, its sums in registers from the first k to the last."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.backends.native.gemm_epilogue import PARAMETERS, Epilogue, Fragment, Tile, prefetch
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Index, Reg, vector

UNROLL = 4  # values of k in one round of the loop
WRITTEN_OUT = 8  # k up to here has no loop


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
    """NAME(table, slots, part, a, b, sums, row, end, column, batch): tiles one below the other, from `row` to `end`."""
    own = [
        ("ptr", "a"),
        ("ptr", "b"),
        ("ptr", "sums"),
        ("i64", "row"),
        ("i64", "end"),
        ("i64", "column"),
        ("i64", "batch"),
    ]
    f = Function(name, [*PARAMETERS, *own], level, internal=True)
    p = f.parameters
    indices = batch_indices(f, p["batch"], batch) if shape.last else ()
    if shape.last:
        epilogue.prepare(f)

    def tile(row: Reg, a: Reg, sums_so_far: Reg) -> None:
        here = Tile(indices, row, p["column"], shape.rows, shape.columns)
        if shape.last:
            epilogue.prefetch(f, here)
        if not shape.first:
            prefetch(f, sums_so_far, here, shape.sums_row, shape.element)
        sums = tile_sums(f, shape, a, p["b"])
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
        return [f.pointer(pointer, by, shape.element) for pointer, by in zip(held, moves, strict=True)]

    f.loop(p["row"], p["end"], shape.rows, step, [p["a"], p["sums"]], at_least_once=True)
    f.end()
    return f


def batch_indices(f: Function, flat: Index, batch: tuple[int, ...]) -> tuple[Index, ...]:
    """The index in each batch dimension of the flat one."""
    found: list[Index] = []
    for size in reversed(batch[1:]):
        flat, index = f.divmod(flat, size)
        found.append(index)
    return (flat, *reversed(found)) if batch else ()


def tile_sums(f: Function, shape: TileShape, a: Reg, b: Reg) -> list[list[Reg]]:
    """One chain of multiply-adds per element, from 0, over k in order."""
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
        for one in range(count):
            sums = step(at_a, at_b, one, sums)
        return sums

    sums = [f.const(0, type)] * (shape.rows * vectors)
    whole = shape.kc - shape.kc % UNROLL if shape.kc > WRITTEN_OUT else 0
    sums = f.loop(0, whole, UNROLL, lambda k, held: steps(k, UNROLL, held), sums)
    sums = steps(whole, shape.kc - whole, sums)
    return [sums[i * vectors : (i + 1) * vectors] for i in range(shape.rows)]
