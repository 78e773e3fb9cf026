"""Packing: an operand of a product copied into panels [k][width], which the register tile reads one line after another.

The columns of B and the rows of A are packed alike: "columns" stands for either here. Strides are constants in the
code: as parameters they cost twice the time, for want of registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Index, Reg, lanes_of, vector

AT_ONCE = 4  # values of k in one round of the loop
STRETCH = 8  # values of k of one panel before the next
PARAMETERS = (("ptr", "from"), ("ptr", "to"), ("i64", "kc"), ("i64", "count"))


@dataclass(frozen=True)
class Packing:
    """What the code of a packing depends on."""

    kernel: str  # whose it is
    element: str
    width: int  # of a panel; zeros stand behind its columns
    columns: int
    stride: int  # from a column to the next
    stride_k: int
    rest: bool  # kc need not be a multiple of `AT_ONCE`

    @property
    def name(self) -> str:
        """The function's."""
        strides = f"{self.stride}_{self.stride_k}".replace("-", "minus")
        return f"{self.kernel}_pack_{self.width}x{self.columns}_{strides}{'_rest' * self.rest}"


def call_packing(f: Function, packing: Packing, source: Reg, target: Reg, kc: int, count: Index) -> None:
    """Packs `count` panels, side by side in memory; in scratch they stand one behind the other."""
    f.call(packing.name, source, target, f.index(kc), f.index(count), declared=True)


def emit_packing(packing: Packing, level: Level) -> Function:
    """The function."""
    f = Function(packing.name, PARAMETERS, level, internal=True)
    p, kc = f.parameters, f.parameters["kc"]

    def chunk(panel: Index, k: Index, values: int) -> None:
        place = f.add(f.mul(panel, packing.columns * packing.stride), f.mul(k, packing.stride_k))
        source = f.pointer(p["from"], place, packing.element)
        target = f.pointer(p["to"], f.mul(f.add(f.mul(panel, kc), k), packing.width), packing.element)
        if packing.stride == 1:
            _copy(f, packing, source, target, values)
        elif packing.stride_k == 1 and packing.element == "float" and values == 4:
            _transpose(f, packing, source, target)
        else:
            _gather(f, packing, source, target, values)

    def panels(start: Index, end: Index, step: int) -> None:
        f.loop(0, p["count"], 1, lambda panel, _: f.range(start, end, step, lambda k: chunk(panel, k, step)))

    rounds = f.op("and", kc, f.const(-AT_ONCE, "i64")) if packing.rest else kc
    if packing.stride == 1:  # neighbouring panels share lines of memory: some k of all panels, then the next
        f.loop(0, rounds, STRETCH, lambda k, _: panels(k, f.minimum(f.add(k, STRETCH), rounds), AT_ONCE))
    else:
        panels(0, rounds, AT_ONCE)
    if packing.rest:
        f.when(f.below(rounds, kc), lambda: panels(rounds, kc, 1))
    f.end()
    return f


def _pieces(end: int, most: int) -> Iterator[tuple[int, int]]:
    """(where, lanes) of vectors whose lengths are powers of two."""
    start = 0
    while start < end:
        lanes = min(most, 1 << ((end - start).bit_length() - 1))
        yield start, lanes
        start += lanes


def _copy(f: Function, packing: Packing, source: Reg, target: Reg, values: int) -> None:
    """Contiguous columns."""
    for k in range(values):
        row = f.pointer(source, k * packing.stride_k, packing.element)
        for j, lanes in _pieces(packing.width, f.level.width):
            type = vector(lanes, packing.element)
            valid = max(0, min(lanes, packing.columns - j))
            found = f.load_first(f.pointer(row, j, packing.element), type, valid) if valid else f.const(0, type)
            f.store(found, f.pointer(target, k * packing.width + j, packing.element))


def _gather(f: Function, packing: Packing, source: Reg, target: Reg, values: int) -> None:
    """Any strides, one element after the other."""
    for k in range(values):
        row = f.pointer(source, k * packing.stride_k, packing.element)
        for j in range(packing.width):
            found = f.const(0, packing.element)
            if j < packing.columns:
                found = f.load(f.pointer(row, j * packing.stride, packing.element), packing.element)
            f.store(found, f.pointer(target, k * packing.width + j, packing.element))


def _transpose(f: Function, packing: Packing, source: Reg, target: Reg) -> None:
    """Four values of k of each column, contiguous in memory, by shuffles that stay within 128 bits."""
    start, width = 0, packing.width
    while start < width:
        lanes = max(4, min(f.level.width, 1 << ((width - start).bit_length() - 1)))
        rows = []
        for r in range(start, start + 4):
            wanted = [j for j in range(r, start + lanes, 4) if j < packing.columns]
            rows.append(_quads(f, [f.pointer(source, j * packing.stride, "float") for j in wanted], lanes // 4))
        for k, found in enumerate(_transposed(f, rows)):
            rest = width - start
            if rest < lanes:
                found = f.shuffle(found, found, range(rest))
            f.store(found, f.pointer(target, k * width + start, "float"))
        start += lanes


def _quads(f: Function, places: list[Reg], count: int) -> Reg:
    """Four elements of each place, side by side, and zeros for what is missing of `count`."""
    zero = f.const(0, vector(4, "float"))
    parts = [f.load(place, zero.type) for place in places] + [zero] * (count - len(places))
    while len(parts) > 1:
        lanes = lanes_of(parts[0].type)
        parts = [f.shuffle(a, b, range(2 * lanes)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _transposed(f: Function, rows: list[Reg]) -> list[Reg]:
    """4 x 4 within each 128 bits of four vectors."""
    lanes = lanes_of(rows[0].type)

    def mixed(a: Reg, b: Reg, pattern: tuple[int, ...]) -> Reg:
        return f.shuffle(a, b, [q + (x if x < 4 else lanes + x - 4) for q in range(0, lanes, 4) for x in pattern])

    a, b, c, d = rows
    low, high, low_low, high_high = (0, 4, 1, 5), (2, 6, 3, 7), (0, 1, 4, 5), (2, 3, 6, 7)
    ab, ab2, cd, cd2 = mixed(a, b, low), mixed(a, b, high), mixed(c, d, low), mixed(c, d, high)
    return [mixed(ab, cd, low_low), mixed(ab, cd, high_high), mixed(ab2, cd2, low_low), mixed(ab2, cd2, high_high)]
