"""The short way of a call: a compiled step whose program is bound to the memory of its cells.

Calling a program in full reads every cell by its handle, checks it, and makes new arrays for what is written: some
hundred microseconds where the program itself may take twenty. Once a program has run, a `ShortCall` takes over as long
as nothing can have changed. A cell that the program writes is written over, if the program allows it (`in_place.py`)
and nobody else holds its array. Otherwise it has two arrays: a call reads one and writes the other, and when all is
computed the handles change over. Either way a step is written whole or not at all, as in a full call.

What can have changed: the observations of the trace (compared at every call), the arguments (their kinds too), and the
cells. Whoever reads or writes a parameter or buffer outside of a program counts up `state.cell_uses`. If the count has
moved, or another program has written cells, everything is bound again: who still holds an array that a call would
overwrite keeps it, and the cell gets another.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import ndarray

from chainrule.checks import SCALARS
from chainrule.ir import state
from chainrule.ir.tree import LEAF, unflatten
from chainrule.ir.types import Array, float32
from chainrule.ir.value import Leaf, Value
from chainrule.tensor import Buffer, Parameter, Tensor, aligned_empty

if TYPE_CHECKING:
    from chainrule.program import Program

NOT_SHORT = object()  # what a short call returns when the call has to be made in full
KEPT_BYTES = 1 << 14  # a result up to this size has memory of its own in the program, and is copied out of it

_word_at = ctypes.c_int64.from_address
_DATA_OFFSET = 16  # of the pointer to the elements in NumPy's array object, on CPython with its lock


def _finds_data() -> bool:
    probe = np.zeros(3)
    return bool(sys.implementation.name == "cpython" and _word_at(id(probe) + _DATA_OFFSET).value == probe.ctypes.data)


_SHORTCUT = not hasattr(sys, "_is_gil_enabled") and _finds_data()  # what Python 3.13 added the question for moves it


def address_of(array: Array) -> int:
    """Where an array's elements begin. `array.ctypes.data` takes a microsecond, this a quarter of one."""
    if _SHORTCUT:
        return _word_at(id(array) + _DATA_OFFSET).value
    address: int = array.ctypes.data
    return address


class Layout(NamedTuple):
    """What an argument has to be like."""

    position: int
    slot: int  # in the program's table; 0 if the program reads none of it
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Any


class Cell:
    """A parameter or buffer that the program writes: its handle, and its two values."""

    __slots__ = ("current", "handle", "place", "replaced", "result", "spare")

    def __init__(self, handle: Tensor, place: int | None, result: int, replaced: bool = False) -> None:
        self.handle = handle
        self.place = place  # among the program's inputs, if it is read
        self.result = result  # among its outputs
        self.replaced = replaced  # the program may write the new value over the old one
        self.current: Value = handle._carrier
        self.spare: Value | None = None

    def bind(self) -> tuple[int, int]:
        """The addresses of what it holds now, and of what it will hold next: the same, where it is written over."""
        if self.handle._carrier is self.spare:
            self.current, self.spare = self.spare, self.current
        elif self.handle._carrier is not self.current:
            self.current, self.spare = self.handle._carrier, None
        if not is_plain(self.current.array):
            self.handle._carrier = self.current = self._value(np.array(self.current.array, order="C"))
        now = address_of(self.current.array)
        if self.replaced and not is_shared(self, self.current):
            self.spare = None
            return now, now
        if self.spare is None or is_shared(self, self.spare) or not self._fits(self.spare):
            self.spare = self._value(aligned_empty(self.current.array.shape, self.current.dtype))
        return now, address_of(self.spare.array)

    def _fits(self, spare: Value) -> bool:
        held = self.current
        return spare.type == held.type and spare.leaf is held.leaf and spare.needs_grad == held.needs_grad

    def _value(self, array: Array) -> Value:
        return Value(array, needs_grad=self.current.needs_grad, leaf=self.current.leaf)


def is_plain(array: Array) -> bool:
    """Whether a program can read it where it stands."""
    return bool(array.flags.c_contiguous and array.flags.aligned)


def is_shared(cell: Cell, value: Value) -> bool:
    """Whether someone besides the cell (and its handle, if that holds it now) holds a value, or its array's memory."""
    held = references_of(value)
    alone = _ALONE[value.array.base is None]
    by_handle = cell.handle._carrier is value
    return held[0] > alone[0] + by_handle or held[1] > alone[1] or held[2] > alone[2]


def references_of(value: Value) -> tuple[int, int, int]:
    """How many hold the value, its array, and the memory that it is a view of, as views of it do."""
    array = value.array
    return sys.getrefcount(value), sys.getrefcount(array), sys.getrefcount(array.base)


def _references_of_cells_alone(array: Array) -> tuple[int, int, int]:
    """What the counts are if only a cell holds a value with such an array."""
    cell = Cell(Tensor(Value(np.zeros(1))), None, 0)
    cell.spare = Value(array)
    del array

    def seen(cell: Cell, value: Value) -> tuple[int, int, int]:
        return references_of(value)

    return seen(cell, cell.spare)


_ALONE = {
    False: _references_of_cells_alone(aligned_empty((1,), float32)),
    True: (*_references_of_cells_alone(np.zeros(1))[:2], sys.maxsize),  # None is held by many
}

# The short call that wrote cells last: the others have to look at theirs again. Shared by all threads, as cells are.
_last_writer: list[Any] = [None]


class ShortCall:
    """One program, ready to run on other arguments of the same kinds."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.runner: Any = program.execute
        self.settings = settings_now()
        self.arrays: list[Layout] = []  # of the arguments that are arrays, and
        self.tensors: list[Layout] = []  # of those that are tensors
        self.count = 0  # of arguments
        self.constants: list[tuple[int, type, Any]] = []
        self.cells: list[Cell] = []
        self.read: list[tuple[int, Tensor]] = []
        self.numbers: list[list[Any]] = []  # [handle, the value it had, where the number stands]
        self.held: list[Any] = []  # whose addresses are in the tables
        self.commits: list[list[tuple[Tensor, Any]]] = []  # of each side: the handles, and what they hold next
        self.written: list[Tensor] = []  # the handles whose memory is written over
        self.small: list[tuple[int, Array]] = []  # results: which output, the memory that it is copied out of
        self.large: list[tuple[int, int, Any]] = []  # which output, its slot and type: it gets new memory each time
        self.results: list[int] = []
        self.alone: int | None = None  # the output that is the one result, as most steps have it
        self.side = 0
        self.uses = -1
        self.looks = 0  # calls left in which everything is bound again
        self.looked = False  # whether this call is one of them

    # Whether it can be

    @classmethod
    def of(cls, program: Program, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ShortCall | None:
        """The short way of calling a program that has just run; None if there is none."""
        runner = program.execute
        flat = not kwargs and len(leaves) == len(args) and all(map(lambda a, b: a is b, leaves, args))
        if not flat or not hasattr(runner, "launch") or program.derivative is not None or program.bound:
            return None
        if program.effects or program.gradients_read or program.written or state.transform_depth.get():
            return None
        if any(leaf.__class__ is not Leaf for leaf, _ in program.other_gradients):
            return None
        if any(target.kind not in ("cell", "result") for target in program.targets):
            return None
        if any(recipe.kind not in ("value", "plain") for recipe in program.recipes):
            return None
        short = cls(program)
        return short if short._sorts(args) else None

    def _sorts(self, args: tuple[Any, ...]) -> bool:
        """Finds out where each input comes from, and each output goes. False where a full call is needed."""
        program = self.program
        places: dict[int, int] = {}
        for k, source in enumerate(program.sources):
            if source.kind == "argument":
                if not self._takes_argument(source.thing, k, args[source.thing]):
                    return False
            elif source.kind == "cell" and is_cell(source.thing):
                places[id(source.thing)] = k
            else:
                return False
        used = {layout.position for layout in (*self.arrays, *self.tensors)}
        for position, leaf in enumerate(args):
            if position not in used:
                if isinstance(leaf, ndarray | Tensor):
                    if not self._takes_argument(position, -1, leaf):
                        return False
                elif isinstance(leaf, SCALARS) and not isinstance(leaf, float | np.floating):
                    self.constants.append((position, type(leaf), leaf))
                else:
                    return False
        for k, target in enumerate(program.targets):
            if target.kind == "cell":
                if not is_cell(target.thing) or target.thing.is_scalar_cell:
                    return False
                replaced = k in self.runner.in_place
                self.cells.append(Cell(target.thing, places.pop(id(target.thing), None), k, replaced))
        for source in program.sources:
            if source.kind == "cell" and id(source.thing) in places:
                self._reads(places[id(source.thing)], source.thing)
        self.results = [k for k, target in enumerate(program.targets) if target.kind == "result"]
        recipes = program.recipes
        if len(recipes) == 1 and program.structure is LEAF and recipes[0].kind == "value":
            self.alone = recipes[0].thing
        self.count = len(args)
        return True

    def _takes_argument(self, position: int, k: int, leaf: Any) -> bool:
        """An array, or a tensor that holds one and nothing else. k: the program's input, -1 if it reads none of it."""
        is_tensor = leaf.__class__ is Tensor
        array = leaf._carrier.array if is_tensor else leaf
        if is_tensor and not self._is_free(leaf):
            return False
        if not isinstance(array, ndarray) or not is_plain(array):
            return False
        if k >= 0 and array.dtype != self.runner.input_types[k].dtype.numpy:
            return False
        layout = Layout(position, 1 + k, array.shape, array.strides, array.dtype)
        (self.tensors if is_tensor else self.arrays).append(layout)
        return True

    def _is_free(self, tensor: Tensor) -> bool:
        """Whether a tensor stands for itself alone: no view, no leaf, no result on the tape, not captured."""
        carrier = tensor._carrier
        return bool(
            tensor._view is None
            and tensor._leaf is None
            and carrier.__class__ is Value
            and not carrier.needs_grad
            and carrier.leaf is None
            and id(tensor) not in self.program.captured
        )

    def _reads(self, place: int, handle: Tensor) -> None:
        if handle.is_scalar_cell:
            self.numbers.append([handle, None, np.zeros(1), place])
        else:
            self.read.append((place, handle))

    # Binding

    def _bind(self) -> None:
        """Puts the addresses of all cells into the program's two tables."""
        tables = self.runner.tables
        self.held, self.commits = [], []  # whose spare values would else be held here
        for place, handle in self.read:
            array = handle._carrier.array
            if not is_plain(array):
                array = np.array(array, order="C")
            self.held.append((handle._carrier, array))
            for table in tables:
                table[1 + place] = address_of(array)
        for number in self.numbers:
            for table in tables:
                table[1 + number[3]] = address_of(number[2])
        for cell in self.cells:
            now, then = cell.bind()
            output = 1 + self.runner.outputs[cell.result]
            for table, source, target in ((tables[0], now, then), (tables[1], then, now)):
                if cell.place is not None:
                    table[1 + cell.place] = source
                table[output] = target
        self.side = 0
        over = [cell for cell in self.cells if cell.spare is None]  # written over
        two = [cell for cell in self.cells if cell.spare is not None]
        self.written = [cell.handle for cell in over]
        self.commits = [[(cell.handle, cell.spare) for cell in two], [(cell.handle, cell.current) for cell in two]]
        self._bind_results()

    def _bind_results(self) -> None:
        self.small, self.large = [], []
        for k in self.results:
            type = self.runner.output_types[k]
            slot = 1 + self.runner.outputs[k]
            if type.size * type.dtype.itemsize > KEPT_BYTES:
                self.large.append((k, slot, type))
                continue
            memory = aligned_empty(type.shape, type.dtype)
            for table in self.runner.tables:
                table[slot] = address_of(memory)
            self.small.append((k, memory))

    # A call

    def __call__(self, args: tuple[Any, ...]) -> Any:
        """The result, or NOT_SHORT."""
        if len(args) != self.count or settings_now() != self.settings:
            return NOT_SHORT
        addresses: list[int] = []
        for position, slot, shape, strides, dtype in self.arrays:
            array = args[position]
            if array.__class__ is not ndarray or array.shape != shape or array.strides != strides:
                return NOT_SHORT
            if array.dtype is not dtype and array.dtype != dtype:
                return NOT_SHORT
            if slot:
                addresses += slot, address_of(array)
        if self.tensors and not self._takes_tensors(args, addresses):
            return NOT_SHORT
        for position, kind, value in self.constants:
            if args[position].__class__ is not kind or args[position] != value:
                return NOT_SHORT
        if self.program.observations.changed() is not None:
            return NOT_SHORT
        self.looked = False
        if self.uses != state.cell_uses() or _last_writer[0] is not self:
            self.looks = 2  # what is current now is overwritten by the call after this one
        if self.looks and not self._bound_again():
            return NOT_SHORT
        for number in self.numbers:
            value = number[0]._carrier
            if value is not number[1]:
                number[2][0] = value.array
                number[1] = value
        table = self.runner.tables[self.side]
        for k in range(0, len(addresses), 2):
            table[addresses[k]] = addresses[k + 1]
        return self._run(table)

    def _takes_tensors(self, args: tuple[Any, ...], addresses: list[int]) -> bool:
        """Whether the arguments that are to be tensors are; appends where their elements are to the addresses."""
        for position, slot, shape, strides, dtype in self.tensors:
            tensor = args[position]
            if tensor.__class__ is not Tensor or not self._is_free(tensor):
                return False
            array = tensor._carrier.array
            if array.__class__ is not ndarray or array.shape != shape or array.strides != strides:
                return False
            if array.dtype is not dtype and array.dtype != dtype:
                return False
            if slot:
                addresses += slot, address_of(array)
        # one tensor twice is another program
        return len(self.tensors) == 1 or len({id(args[layout[0]]) for layout in self.tensors}) == len(self.tensors)

    def _bound_again(self) -> bool:
        if not self.program.fits([]):
            return False
        self._bind()
        self.uses = state.cell_uses()
        self.looks -= 1
        self.looked = True
        return True

    def _run(self, table: Any) -> Any:
        """Runs the program on a table, commits what it wrote, and returns its result."""
        fresh: dict[int, Array] = {}  # results that leave in the memory that they were written to
        for k, slot, type in self.large:
            fresh[k] = aligned_empty(type.shape, type.dtype)
            table[slot] = address_of(fresh[k])
        if not self.runner.run_on(self.side):
            return NOT_SHORT  # an index out of range: a full call says which
        for k, memory in self.small:
            fresh[k] = memory.copy()
        self._commit()
        if self.alone is not None:
            return Tensor(Value(fresh[self.alone]))
        made = [Tensor(Value(fresh[r.thing])) if r.kind == "value" else r.thing for r in self.program.recipes]
        return unflatten(self.program.structure, made)

    def _commit(self) -> None:
        """All handles change over; Ctrl-C in between is raised when that is done."""
        interrupt: BaseException | None = None
        while True:
            try:
                if self.looked:  # nobody has looked since the last call, if not in this one
                    for handle in self.written:
                        handle._writes += 1  # views of it look again
                for handle, value in self.commits[self.side]:
                    handle._carrier = value
                    handle._writes += 1
                for leaf, gradient in self.program.other_gradients:
                    leaf.gradient = gradient
                break
            except (KeyboardInterrupt, SystemExit) as caught:
                interrupt = caught
        self.side ^= 1
        if self.cells:
            _last_writer[0] = self
        if interrupt is not None:
            raise interrupt


def is_cell(handle: Any) -> bool:
    """Whether a handle is a parameter or buffer with memory of its own."""
    return isinstance(handle, Parameter | Buffer) and handle._view is None


def settings_now() -> tuple[Any, ...]:
    """What of the process's state decides which program a call runs."""
    return (
        state.gradients_enabled.get(),
        state.default_dtype.get(),
        state.transform_depth.get(),
        state.executor.get(),
        state.write_log.get(),
    )
