"""How a matrix product is cut: into tiles for the registers, panels and blocks for the caches, shares for the threads.

Nothing here changes a bit of the result: each element is one chain of multiply-adds over k in order, block after block
of `kc`; only `kc` counts, and it follows from k alone.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from chainrule.backends.native.level import Level
from chainrule.backends.native.text import size_of
from chainrule.passes.kernels import Matrix

LONGEST_BLOCK = 1536  # k up to here is done at once
BLOCK = 512  # longer ones in blocks of about this
FIRST_CACHE = 16 << 10  # bytes: what is sure to stay in half of a first-level cache
# Bytes of A that are gone over for one panel of B after the other, if that is all of it. What the second-level cache
# has no room for is read in order from the third: that takes less than to keep all panels packed and come back to them.
SECOND_CACHE = 700 << 10
PART = 160 << 10  # else in parts of this,
PACKED_PART = 100 << 10  # or of this, if the next ones to be packed are to stay there, too
PACKED = 2 << 20  # bytes of B that are kept packed; A is packed anew for the next ones
CHAINS = 8  # multiply-adds that must be under way to keep two units of latency 4 busy


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


@dataclass(frozen=True)
class Bands:
    """Rows cut into `count` bands of nearly equal height: the first `longer` of height + 1, the others of height."""

    count: int
    height: int
    longer: int

    @classmethod
    def of(cls, rows: int, highest: int) -> Bands:
        """As few as can be, none higher than `highest`."""
        count = ceil_div(rows, highest)
        return cls(count, *divmod(rows, count)) if count else cls(0, 0, 0)

    def kinds(self) -> list[tuple[int, int, int]]:
        """(height, first band, band behind the last) of the bands of one height."""
        cut = [(self.height + 1, 0, self.longer), (self.height, self.longer, self.count)]
        return [kind for kind in cut if kind[1] < kind[2]]


@dataclass(frozen=True)
class Blocking:
    """The cuts of one product."""

    element: str  # LLVM's name of the element type
    lanes: int  # of a vector of results
    m: int
    n: int
    k: int
    bands: Bands  # of rows; a band times a panel is a tile
    vectors: int  # of a panel
    kc: int  # k is done in blocks of this length
    pack_a: bool
    pack_b: bool
    by_rows: bool  # shares are bands, not panels

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes

    @property
    def panels(self) -> int:
        """The narrower one at the right edge is one, too."""
        return ceil_div(self.n, self.width)

    @property
    def full(self) -> int:
        """Panels of full width."""
        return self.n // self.width

    def columns(self, panel: int) -> int:
        """Of a panel."""
        return min(self.width, self.n - panel * self.width)

    @property
    def blocks(self) -> int:
        """Of k."""
        return max(1, ceil_div(self.k, self.kc))

    @property
    def last_kc(self) -> int:
        """The last block's length."""
        return self.k - (self.blocks - 1) * self.kc

    @property
    def bytes(self) -> int:
        """Of an element."""
        return size_of(self.element)

    @property
    def highest(self) -> int:
        """Rows of the highest band."""
        return self.bands.kinds()[0][0]

    @property
    def packed_height(self) -> int:
        """Rows of a packed band of A. They are read one by one, so they need not be whole vectors."""
        return self.highest

    def padded(self, count: int) -> int:
        """Columns as they are packed: whole vectors."""
        return ceil_div(count, self.lanes) * self.lanes

    @property
    def bands_at_once(self) -> int:
        """Bands whose A stays in the second-level cache while panel after panel of B goes by."""
        one = (self.packed_height if self.pack_a else self.highest) * self.kc * self.bytes
        if self.bands.count * one <= SECOND_CACHE:
            return self.bands.count
        return max(1, (PACKED_PART if self.pack_a else PART) // one)

    @property
    def panels_at_once(self) -> int:
        """Panels of B that are kept packed."""
        return max(1, min(self.panels, PACKED // (self.width * self.kc * self.bytes)))

    @property
    def tiles_at_once(self) -> int:
        """Tiles that a thread computes of one panel before the next, at least, with two threads."""
        return max(1, min(self.bands_at_once, self.bands.count // 2 if self.by_rows else self.bands.count))

    @property
    def keeps_panels(self) -> bool:
        """A packed panel is used again for the next bands; else each takes the place of the one before."""
        return self.bands.count > self.bands_at_once or self.blocks > 1

    @property
    def bands_of_sums(self) -> int:
        """Bands whose sums so far are kept between blocks of k."""
        if self.blocks == 1:
            return self.bands.count
        most = PACKED // (self.highest * self.panels_at_once * self.width * self.bytes)
        return max(self.bands_at_once, most // self.bands_at_once * self.bands_at_once)

    # Places in scratch, in elements

    @property
    def place_of_b(self) -> int:
        """Packed A stands before it."""
        if not self.pack_a:
            return 0
        return _rounded(min(self.bands_at_once, self.bands.count) * self.packed_height * self.kc)

    @property
    def place_of_sums(self) -> int:
        """Packed B stands before it."""
        if not self.pack_b:
            return self.place_of_b
        kept = self.panels_at_once if self.keeps_panels else 1
        return self.place_of_b + _rounded(kept * self.width * self.kc + 64)

    @property
    def panel_of_sums(self) -> int:
        """Elements of a panel of the sums so far: its rows stand one behind the other, as they are gone through."""
        return min(self.bands_of_sums, self.bands.count) * self.highest * self.width

    @property
    def scratch(self) -> int:
        """Elements in all."""
        if self.blocks == 1:
            return self.place_of_sums
        return self.place_of_sums + self.panels_at_once * self.panel_of_sums


def _rounded(elements: int) -> int:
    return ceil_div(elements, 64) * 64


def block_length(k: int) -> int:
    """The length of the blocks that k is summed in. Part of the result: a sum is the sum of its blocks' sums."""
    if k <= LONGEST_BLOCK:
        return max(k, 1)
    return ceil_div(ceil_div(k, ceil_div(k, BLOCK)), 8) * 8


@functools.lru_cache(maxsize=1024)
def blocking(element: str, level: Level, m: int, n: int, k: int, batch: int, a: Matrix, b: Matrix) -> Blocking:
    """The cuts for one product."""
    height, vectors = tile_of(level, size_of(element), m, n, k, batch)
    bands, kc, size = Bands.of(m, height), block_length(k), size_of(element)
    panels = ceil_div(n, vectors * level.width)
    # A thread reads its share of one operand and all of the other: the larger one is shared out. Rows of A are mostly
    # those that the same thread has made, and still has in its cache.
    advantage = 0.98 if m >= n else 1.02
    by_rows = _balance(batch * bands.count) > advantage * _balance(batch * panels)
    return Blocking(
        element,
        level.width,
        m,
        n,
        k,
        bands,
        vectors,
        kc,
        _pays_to_pack_a(a, bands, panels, k, size),
        _pays_to_pack_b(b, bands, n, k, size),
        by_rows,
    )


def tile_of(level: Level, size: int, m: int, n: int, k: int, batch: int = 1) -> tuple[int, int]:
    """Rows and vectors of the register tile that needs the fewest cycles; among nearly equals, the first.

    Two threads share out the larger of rows and columns, as bands or panels.
    """
    registers = max(1, size // 4)  # that a vector of results takes
    held = level.registers // registers
    sums = max(2, held - (4 if level.fma else 8))  # without multiply-add LLVM wants more for products, and spills
    best: tuple[float, tuple[int, int]] | None = None
    for vectors in (2, 3, 1, 4, 5, 6):
        # Of one vector LLVM loads all rows' factors first, and has no registers for them.
        height = min(sums if vectors > 1 else CHAINS, sums, held - vectors - 1) // vectors
        if height < 1 or (best and (vectors - 1) * level.width >= n):
            continue
        cycles = _cycles(m, n, k, height, vectors, level.width, registers)
        units = batch * (ceil_div(m, height) if m >= n else ceil_div(n, vectors * level.width))
        cycles *= 2 * ceil_div(units, 2) / max(units, 1)  # of two threads, the one with more to do
        if best is None or cycles < 0.98 * best[0]:
            best = cycles, (height, vectors)
    assert best
    return best[1]


def _cycles(m: int, n: int, k: int, height: int, vectors: int, lanes: int, registers: int) -> float:
    """A model of a product's time: two multiply-adds or two loads in a cycle, and each tile's beginning and end."""
    full, rest = divmod(n, vectors * lanes)
    cycles = 0.0
    for rows, first, end in Bands.of(m, height).kinds():
        for wide, count in ((vectors, full), (ceil_div(rest, lanes), min(rest, 1))):
            adds = rows * wide * registers
            cycles += (end - first) * count * (k * max(adds, CHAINS, rows + wide) / 2 + 12 + 2 * adds)
    return cycles


def _balance(units: int) -> float:
    """How evenly units are shared out to 2, 3 and 4 threads: 1 is perfect. Two count as much as three and four."""
    if not units:
        return 1.0
    two, three, four = (units / (threads * ceil_div(units, threads)) for threads in (2, 3, 4))
    return (2 * two + three + four) / 4


def _pays_to_pack_a(a: Matrix, bands: Bands, panels: int, k: int, size: int) -> bool:
    """A is read one element after the other, so only lines that are thrown out before they are used up count."""
    if bands.count == 0 or panels < 3:
        return False
    if abs(a.column) > 1:
        return k * abs(a.column) * size > FIRST_CACHE
    return bands.height > 8 and a.row * size % 2048 == 0 and a.row != 0 and panels > 8


def _pays_to_pack_b(b: Matrix, bands: Bands, n: int, k: int, size: int) -> bool:
    """Only contiguous columns can be read where they are; few rows or a small B are read there."""
    if b.column != 1 and n > 1:
        return True
    return bands.count > 2 and k * abs(b.row) * size > FIRST_CACHE
