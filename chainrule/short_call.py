"""The short way of a call: a compiled step whose program is bound to the memory of its cells.

Calling a program in full reads every cell by its handle, checks it, and makes new arrays for what is written: some
hundred microseconds where the program itself may take twenty. So a `ShortCall` calls it wherever it can, as long as
nothing can have changed. A cell that the program writes is written over, if the program allows it (`in_place.py`)
and nobody else holds its array. Otherwise it has two arrays: a call reads one and writes the other, and when all is
computed the handles change over. Either way a step is written whole or not at all, as in a full call.

What can have changed: the observations of the trace (compared at every call), the arguments (their kinds too), and the
cells. Whoever reads or writes a parameter or buffer outside of a program counts up `state.cell_uses`. If the count has
moved, or another program has moved a cell (`cell_memory.py`), everything is bound again: who still holds an array that
a call would overwrite keeps it, and the cell gets another.

After a call that Python has looked at, machine code looks at the next ones (`gates.py`): it finds the same objects in
the same places, or the call is made the long way round, in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import ndarray

from chainrule.cell_memory import (
    Cell,
    address_of,
    cell_of,
    enter,
    is_cell,
    is_plain,
    last_move,
    leave,
    note_move,
)
from chainrule.checks import SCALARS
from chainrule.gates import Planned, planned
from chainrule.ir import state
from chainrule.ir.tree import LEAF, unflatten
from chainrule.ir.types import Array
from chainrule.ir.value import Leaf, Value
from chainrule.tensor import Tensor, aligned_empty

if TYPE_CHECKING:
    from chainrule.program import Program

NOT_SHORT = object()  # what a short call returns when the call has to be made in full
MOST_REFUSED = 10
KEPT_BYTES = 1 << 14  # a result up to this size has memory of its own in the program, and is copied out of it


class Layout(NamedTuple):
    """What an argument has to be like."""

    position: int
    slot: int  # in the program's table; 0 if the program reads none of it
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Any


class Written(NamedTuple):
    """A cell that the program writes."""

    cell: Cell
    place: int | None  # among the program's inputs, if it is read
    result: int  # among its outputs
    replaced: bool  # the program may write the new value over the old one


class Bound(NamedTuple):
    """A cell as it was when its addresses were put into the tables."""

    cell: Cell
    stamp: int
    now: int

    def stands(self, side: int) -> bool:
        """Whether the addresses in the table of a side are still right."""
        cell, stamp, now = self
        return cell.stamp == stamp and cell.now == now ^ side and cell.handle._carrier is cell.values[cell.now]


class ShortCall:
    """One program, ready to run on other arguments of the same kinds."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.runner: Any = program.execute
        self.settings = state.deciding()
        self.arrays: list[Layout] = []  # of the arguments that are arrays, and
        self.tensors: list[Layout] = []  # of those that are tensors
        self.count = 0  # of arguments
        self.constants: list[tuple[int, type, Any]] = []
        self.cells: list[Written] = []
        self.read: list[tuple[int, Cell]] = []
        self.numbers: list[tuple[Tensor, Array, int]] = []  # the handle, where its number stands, its place
        self.held: list[Array] = []  # copies of cells that no program can read where they stand
        self.fixed: list[Bound] = []  # the cells that stay where they are, and
        self.turning: list[Bound] = []  # those of which the other value is the next one
        self.written: list[Tensor] = []  # the handles whose memory is written over
        self.small: list[tuple[int, Array]] = []  # results: which output, the memory that it is copied out of
        self.large: list[tuple[int, int, Any]] = []  # which output, its slot and type: it gets new memory each time
        self.results: list[int] = []
        self.alone: int | None = None  # the output that is the one result, as most steps have it
        self.gate: Planned | None = None
        self.planned_at = 0  # the number of runs
        self.refused = 0  # gates one after the other that let no call pass
        self.wait = 0  # calls until there is to be another
        self.side = 0
        self.uses = -1
        self.move: object = None  # the last move of cells that the addresses allow for
        self.looks = 0  # calls left in which everything is bound again
        self.looked = False  # whether this call is one of them

    # Whether it can be

    @classmethod
    def of(cls, program: Program, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ShortCall | None:
        """The short way of calling a program; None if there is none."""
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
                self.cells.append(Written(cell_of(target.thing), places.pop(id(target.thing), None), k, replaced))
        for source in program.sources:
            if source.kind == "cell" and id(source.thing) in places:
                self._reads(places[id(source.thing)], source.thing)
        self.results = [k for k, target in enumerate(program.targets) if target.kind == "result"]
        recipes = program.recipes
        if len(recipes) == 1 and program.structure is LEAF and recipes[0].kind == "value":
            self.alone = recipes[0].thing
        self.count = len(args)
        self._bind_results()
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
            self.numbers.append((handle, np.zeros(1), place))
        else:
            self.read.append((place, cell_of(handle)))

    # Binding

    def _bind(self) -> None:
        """Puts the addresses of all cells into the program's two tables."""
        tables = self.runner.tables
        self.side, self.held, self.fixed, self.turning, self.written = 0, [], [], [], []
        for place, cell in self.read:
            cell.follow()
            array = cell.current.array
            if not is_plain(array):
                array = np.array(array, order="C")
                self.held.append(array)
            for table in tables:
                table[1 + place] = address_of(array)
            self.fixed.append(Bound(cell, cell.stamp, cell.now))
        for _, memory, place in self.numbers:
            for table in tables:
                table[1 + place] = address_of(memory)
        for cell, read_at, result, replaced in self.cells:
            now, then = cell.bind(replaced)
            output = 1 + self.runner.outputs[result]
            for table, source, target in ((tables[0], now, then), (tables[1], then, now)):
                if read_at is not None:
                    table[1 + read_at] = source
                table[output] = target
            (self.fixed if now == then else self.turning).append(Bound(cell, cell.stamp, cell.now))
            if now == then:
                self.written.append(cell.handle)

    def _bind_results(self) -> None:
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
        gate = self.gate
        if gate is not None and (gate.looks_at_all or self.program.observations.changed() is None):
            if not gate.runs:
                result = self._run_behind(gate, args)
                if result is not NOT_SHORT:
                    return result
            elif outcome := gate.call(args):
                if outcome != gate.ran:
                    gate.finish(outcome)
                    leave(self)
                return self._result({})
        result = self._looked_at(args)
        if result is not NOT_SHORT:
            self._plan_gate()
        return result

    def _run_behind(self, gate: Planned, args: tuple[Any, ...]) -> Any:
        """A call that a gate looks at and Python runs."""
        try:
            enter(self)
            return self._run([]) if self._is_bound() and gate.calls[self.side](args) else NOT_SHORT
        finally:
            leave(self)

    def _plan_gate(self) -> None:
        """Plans a gate for the next calls; less and less often, if gates let no calls pass."""
        if self.wait:
            self.wait -= 1
            return
        runs = self.runner.launch.runs
        if self.gate is not None:
            self.refused = 0 if runs - self.planned_at > 1 else min(self.refused + 1, MOST_REFUSED)
            self.wait = 2**self.refused - 1
        self.gate, self.planned_at = planned(self), runs

    def _looked_at(self, args: tuple[Any, ...]) -> Any:
        """A call that Python looks at."""
        if len(args) != self.count or state.deciding() != self.settings:
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
        try:
            enter(self)
            return self._run(addresses) if self._is_bound() or self._bound_again() else NOT_SHORT
        finally:
            leave(self)

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

    def _is_bound(self) -> bool:
        """Whether all cells are where the tables say."""
        self.looked = False
        if self.uses != state.cell_uses():
            self.looks = 2  # what is current now is overwritten by the call after this one
        elif not self.looks and (move := last_move()) is not self.move:
            if self.turning:  # another program may have turned them
                self.side = self.turning[0].cell.now ^ self.turning[0].now
            if all([bound.stands(0) for bound in self.fixed]) and all([b.stands(self.side) for b in self.turning]):
                self.move = move
            else:
                self.looks = 1
        return not self.looks

    def _bound_again(self) -> bool:
        if not self.program.fits([]):
            return False
        self.move = last_move()
        self._bind()
        self.uses = state.cell_uses()
        self.looks -= 1
        self.looked = True
        return True

    def _run(self, addresses: list[int]) -> Any:
        """Runs the program on these addresses of arguments, commits what it wrote, and returns its result."""
        for handle, memory, _ in self.numbers:
            memory[0] = handle._carrier.array
        table = self.runner.tables[self.side]
        for k in range(0, len(addresses), 2):
            table[addresses[k]] = addresses[k + 1]
        fresh: dict[int, Array] = {}  # results that leave in the memory that they were written to
        for k, slot, type in self.large:
            fresh[k] = aligned_empty(type.shape, type.dtype)
            table[slot] = address_of(fresh[k])
        turns = []
        for cell, stamp, now in self.turning:
            following = now ^ self.side ^ 1
            turns.append((cell, following, cell.values[following]))
            if cell.stamp != stamp:
                return NOT_SHORT  # another thread has moved it meanwhile
        if not self._run_whole(turns):
            return NOT_SHORT  # an index out of range: a full call says which
        return self._result(fresh)

    def _result(self, fresh: dict[int, Array]) -> Any:
        """What the function returns. `fresh`: those results that have memory of their own already."""
        for k, memory in self.small:
            fresh[k] = memory.copy()
        if self.alone is not None:
            return Tensor(Value(fresh[self.alone]))
        made = [Tensor(Value(fresh[r.thing])) if r.kind == "value" else r.thing for r in self.program.recipes]
        return unflatten(self.program.structure, made)

    def _run_whole(self, turns: list[tuple[Cell, int, Any]]) -> bool:
        """Runs the program, and has all handles change over; False if it met an index out of range.

        Once machine code has begun, parameters are written over. So Ctrl-C, which mostly comes while it runs and is
        raised as soon as it returns, has to wait until the handles have changed over too.
        """
        runner, begun, interrupt = self.runner, self.runner.launch.runs, None
        if turns:  # should this not come to its end, the next call looks where the cells are
            move, self.move = self.move, NOT_SHORT
        while True:
            try:
                fine: bool = runner.run_on(self.side) if runner.launch.runs == begun else runner.was_fine()
                if fine:
                    if turns:
                        move = note_move(move)  # first, so that other programs hear of it whatever happens
                    self._commit(turns)
                break
            except (KeyboardInterrupt, SystemExit) as caught:  # what handlers of signals raise
                if runner.launch.runs == begun:
                    raise
                interrupt = caught
        if turns:
            self.side ^= fine
            self.move = note_move(move)
        if interrupt is not None:
            raise interrupt
        return fine

    def _commit(self, turns: list[tuple[Cell, int, Any]]) -> None:
        """All handles change over. Doing it twice is doing it once."""
        if self.looked:  # nobody has looked since the last call, if not in this one
            for handle in self.written:
                handle._writes += 1  # views of it look again
        for cell, now, value in turns:
            cell.turn(now, value)
        for leaf, gradient in self.program.other_gradients:
            leaf.gradient = gradient
