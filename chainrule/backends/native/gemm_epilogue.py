"""What happens to a finished piece of a product: the interface, and the plainest case of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chainrule.backends.native.text import Function, Index, Reg, size_of
from chainrule.passes.kernels import Access

# The parameters that every function that runs an epilogue begins with.
PARAMETERS = (("ptr", "table"), ("ptr", "slots"), ("i64", "part"))


@dataclass(frozen=True, eq=False)
class Tile:
    """A rectangle of the result that one piece of straight code computes; equal only to itself.

    All fragments of a tile are stored in one basic block, after `prefetch`: vector by vector, and for each vector row
    by row. So what was computed for an earlier fragment of the same tile (a bias, an address) can be used for a later
    one, but not in another tile.
    """

    batch: tuple[Index, ...]
    row: Index  # of the first row
    column: Index  # of the first column
    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class Fragment:
    """`level.width` results of one row: (row + i, column + j), and the columns behind it."""

    tile: Tile
    i: int
    j: int
    value: Reg
    count: int  # lanes that are results; what is in the others means nothing, and their places are not the kernel's


class Epilogue(Protocol):
    """What a product does with its results."""

    def prepare(self, f: Function) -> None:
        """Called once at the top of each function that will store: loads what the whole kernel has in common.

        The function's parameters begin with `PARAMETERS`.
        """

    def prefetch(self, f: Function, tile: Tile) -> None:
        """Called before a tile is computed: asks for the memory that storing it will want."""

    def store(self, f: Function, fragment: Fragment) -> None:
        """Called for each fragment."""


class RowMajor:
    """Stores the product as it is."""

    def __init__(self, access: Access, element: str) -> None:
        self.access, self.element = access, element
        self._bases: dict[str, Reg] = {}
        self._origin: tuple[Tile, Reg] | None = None

    def prepare(self, f: Function) -> None:
        """The result's address."""
        self._bases[f.name] = operand(f, self.access.operand, self.access.offset, self.element)

    def prefetch(self, f: Function, tile: Tile) -> None:
        """Each line of the tile."""
        *_, row, column = self.access.strides
        if column == 1:
            prefetch(f, self._place(f, tile), tile, row, self.element)

    def store(self, f: Function, fragment: Fragment) -> None:
        """A vector, or lane by lane if the columns lie apart."""
        *_, row, column = self.access.strides
        origin = self._place(f, fragment.tile)
        place = f.pointer(origin, fragment.i * row + fragment.j * column, self.element)
        if column == 1:
            f.store_first(fragment.value, place, fragment.count)
            return
        for lane in range(fragment.count):
            f.store(f.lane(fragment.value, lane), f.pointer(place, lane * column, self.element))

    def _place(self, f: Function, tile: Tile) -> Reg:
        """The tile's first element, computed once per tile."""
        if self._origin is None or self._origin[0] is not tile:
            index: Index = 0
            for at, stride in zip((*tile.batch, tile.row, tile.column), self.access.strides, strict=True):
                index = f.add(index, f.mul(at, stride))
            self._origin = tile, f.pointer(self._bases[f.name], index, self.element)
        return self._origin[1]


def operand(f: Function, k: int, offset: int, element: str) -> Reg:
    """The address of the kernel's operand k, moved by an offset."""
    slot = f.load(f.pointer(f.parameters["slots"], k, "i64"), "i64")
    return f.pointer(f.load(f.pointer(f.parameters["table"], slot, "ptr"), "ptr"), offset, element)


def prefetch(f: Function, origin: Reg, tile: Tile, row: int, element: str) -> None:
    """Asks for the lines of a tile whose columns are contiguous, to write them."""
    line = 64 // size_of(element)
    for i in range(tile.rows):
        for j in range(0, tile.columns, line):
            place = f.pointer(origin, i * row + j, element)
            f.call("llvm.prefetch.p0", place, f.const(1, "i32"), f.const(3, "i32"), f.const(1, "i32"))
