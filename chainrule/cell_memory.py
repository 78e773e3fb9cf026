"""The memory of parameters and buffers, as programs that are called the short way know it.

All programs that use a cell share what is written here, so that each finds its memory as the one before left it: an
evaluation between two steps, or a last batch that is smaller, moves nothing. A cell that may be written over stays
where it is. Otherwise it has a second value: a program reads one, writes the other, and makes that the current one.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from chainrule.ir.types import Array, float32
from chainrule.ir.value import Value
from chainrule.tensor import Buffer, Parameter, Tensor, aligned_empty

_word_at = ctypes.c_int64.from_address
_DATA_OFFSET = 16  # of the pointer to the elements in NumPy's array object, on CPython with its lock


def _finds_data() -> bool:
    probe = np.zeros(3)
    return bool(sys.implementation.name == "cpython" and _word_at(id(probe) + _DATA_OFFSET).value == probe.ctypes.data)


_SHORTCUT = object.__basicsize__ == _DATA_OFFSET and _finds_data()  # the heads of objects are longer without the lock


def address_of(array: Array) -> int:
    """Where an array's elements begin. `array.ctypes.data` takes a microsecond, this a quarter of one."""
    if _SHORTCUT:
        return _word_at(id(array) + _DATA_OFFSET).value
    address: int = array.ctypes.data
    return address


def is_plain(array: Array) -> bool:
    """Whether a program can read it where it stands."""
    return bool(array.flags.c_contiguous and array.flags.aligned)


def is_cell(handle: Any) -> bool:
    """Whether a handle is a parameter or buffer with memory of its own."""
    return isinstance(handle, Parameter | Buffer) and handle._view is None


# What the last move of any cell left behind, another object after each; and what programs may still be reading that
# other threads run. Shared by all threads, as cells are.
MOVED: list[object] = [None]
RUNNING: set[object] = set()
RETIRED: list[Value] = []


def last_move() -> object:
    """Another object each time that a program moved a cell, so that its address is another."""
    return MOVED[0]


def note_move(known: object) -> object:
    """Says that cells were moved. `known` is the last move that the caller took note of; returns the one for now."""
    mine = object()
    known = mine if MOVED[0] is known else known
    MOVED[0] = mine
    return known


def enter(program: object) -> None:
    """From now until it leaves, what a program may read is not freed."""
    RUNNING.add(program)


def leave(program: object) -> None:
    """The end of what `enter` began."""
    RUNNING.discard(program)
    if RETIRED and not RUNNING:
        RETIRED.clear()


class Cell:
    """A parameter or buffer: its handle, and its one or two values. There is one of it, for all programs."""

    __slots__ = ("__weakref__", "handle", "now", "stamp", "two", "values")

    def __init__(self, handle: Tensor) -> None:
        self.handle = handle
        self.values: list[Value | None] = [handle._carrier, None]
        self.now = 0  # which of them the handle holds
        self.stamp = 0  # how often one of them went
        self.two = False  # there is a program that must not write over the current one

    @property
    def current(self) -> Value:
        """What the handle holds."""
        value = self.values[self.now]
        assert value is not None
        return value

    def bind(self, replaced: bool) -> tuple[int, int]:
        """The addresses of what it holds now, and of what it will hold next: the same, where it is written over.

        `replaced`: the program may write the new value over the old one.
        """
        self.follow()
        if not is_plain(self.current.array):
            plain = self._like(np.array(self.current.array, order="C"))
            self._put(self.now, plain)
            self.handle._carrier = plain
        now, other = address_of(self.current.array), 1 - self.now
        self.two = self.two or not replaced
        if replaced and not self.is_shared(self.now):
            if not self.two and self.values[other] is not None:
                self._put(other, None)
            return now, now
        if not self._is_spare(other):
            self._put(other, self._like(aligned_empty(self.current.array.shape, self.current.dtype)))
        spare = self.values[other]
        assert spare is not None
        return now, address_of(spare.array)

    def follow(self) -> None:
        """Takes over what the handle was given outside of programs."""
        carrier = self.handle._carrier
        if carrier is self.values[self.now]:
            return
        if carrier is self.values[1 - self.now]:
            self.now = 1 - self.now
        else:
            self._put(0, carrier)
            self._put(1, None)
            self.now = 0
        note_move(None)

    def turn(self, now: int, value: Value) -> None:
        """Makes one of the values the current one. (Another thread may have put another in its place.)"""
        if self.values[now] is value:
            self.now = now
        self.handle._carrier = value
        self.handle._writes += 1

    def is_shared(self, which: int) -> bool:
        """Whether someone besides the cell (and its handle, if that holds it) holds a value, or its array's memory."""
        value = self.values[which]
        assert value is not None
        held = references_of(value)
        alone = _ALONE[value.array.base is None]
        by_handle = self.handle._carrier is value
        return held[0] > alone[0] + by_handle or held[1] > alone[1] or held[2] > alone[2]

    def _is_spare(self, which: int) -> bool:
        """Whether a value can be written in place of the current one."""
        if self.values[which] is None or self.is_shared(which):
            return False
        spare, held = self.values[which], self.current
        assert spare is not None
        return spare.type == held.type and spare.leaf is held.leaf and spare.needs_grad == held.needs_grad

    def _like(self, array: Array) -> Value:
        return Value(array, needs_grad=self.current.needs_grad, leaf=self.current.leaf)

    def _put(self, which: int, value: Value | None) -> None:
        before = self.values[which]
        if before is not None:
            self.stamp += 1  # first: who sees the old one still knows by it
            note_move(None)
            if len(RUNNING) > 1:
                RETIRED.append(before)
        self.values[which] = value


def references_of(value: Value) -> tuple[int, int, int]:
    """How many hold the value, its array, and the memory that it is a view of, as views of it do."""
    array = value.array
    return sys.getrefcount(value), sys.getrefcount(array), sys.getrefcount(array.base)


def _references_of_cells_alone(array: Array) -> tuple[int, int, int]:
    """What the counts are if only a cell holds a value with such an array; taken as `is_shared` takes them."""
    cell = Cell(Tensor(Value(np.zeros(1))))
    cell.values[1] = Value(array)
    del array

    def seen(cell: Cell, which: int) -> tuple[int, int, int]:
        value = cell.values[which]
        assert value is not None
        return references_of(value)

    return seen(cell, 1)


_ALONE = {
    False: _references_of_cells_alone(aligned_empty((1,), float32)),
    True: (*_references_of_cells_alone(np.zeros(1))[:2], sys.maxsize),  # None is held by many
}

_cells: WeakValueDictionary[int, Cell] = WeakValueDictionary()  # by the handle's identity, as long as a program uses it


def cell_of(handle: Tensor) -> Cell:
    """The cell of a handle."""
    return _cells.setdefault(id(handle), Cell(handle))
