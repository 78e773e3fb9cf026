"""Writes the steps and stores of a kernel description at one point of its domain, or at a vector of points.

A kernel's generator decides the loops; a `Body` writes what stands in them:

    body.prepare()                      pointers, UNIFORM steps and stores: once, at the start of the function
    body.row(outer)                     places of the row and its ROW steps: once per point of the outer dimensions
    known = body.element(inner, count)  the ELEMENT steps at `count` points from `inner` on, in a vector of `lanes`
    body.store_elements(known, inner, count)
    body.store_rows(outer)

`outer` has an index for each dimension of the domain but the last, `inner` is the index along the last one. All loads
of a vector of points are written before its stores, so a kernel may overwrite what it reads, place by place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.lanes import gather, load_lanes, positions, store_lanes
from chainrule.backends.native.level import Level as Machine
from chainrule.backends.native.philox import emit_random, probability_is_valid
from chainrule.backends.native.text import Function, Index, Reg, element_of, lanes_of, vector, with_element
from chainrule.ir.types import DType
from chainrule.passes.fuse import RANDOM
from chainrule.passes.kernels import Access, Apply, Constant, Level, Load, Position, Reduce, Step, Store

PARAMETERS = (("ptr", "table"), ("ptr", "slots"), ("ptr", "scratch"), ("i64", "part"), ("i64", "parts"))


Known = dict[int, Reg]


class Row(Protocol):
    """How a primitive is written: a row of `elementwise.ROWS`."""

    @property
    def emit(self) -> Callable[..., Reg]:
        """emit(f, operands, dtype, operand_dtypes, **params)."""


def kernel_function(name: str, level: Machine) -> Function:
    """An empty kernel."""
    return Function(name, PARAMETERS, level)


def share(f: Function, units: int) -> tuple[Reg, Reg]:
    """The units of this part: from the first up to the second."""
    part, parts = f.parameters["part"], f.parameters["parts"]
    ends = []
    for at in (part, f.add(part, 1)):
        scaled = f.index(f.mul(at, units))
        ends.append(f.value(f"udiv i64 {scaled.name}, {parts.name}", "i64"))
    return ends[0], ends[1]


def unravel(f: Function, index: Index, domain: Sequence[int]) -> tuple[Index, ...]:
    """The indices along each dimension, from one that counts all points."""
    found: list[Index] = []
    for length in reversed(domain[1:]):
        index, one = f.divmod(index, length)
        found.append(one)
    return (*([index] if domain else []), *reversed(found))


class Scope(NamedTuple):
    """What a `Body` knows of one row."""

    values: Known
    wide: Known
    anchors: Mapping[tuple[Access, int | None], Reg]
    outer: Sequence[Index]


class Body:
    """The steps and stores of one kernel, written into one function."""

    def __init__(
        self,
        f: Function,
        steps: Sequence[Step],
        stores: Sequence[Store],
        operands: Sequence[DType],
        rows: Mapping[str, Row],
        *,
        lanes: int,
        columns: bool = False,  # ROW values are vectors too
        empty: bool = False,  # there is no element: nothing of them may be touched
        given: Collection[int] = (),  # steps whose values come from outside
    ) -> None:
        self.f, self.steps, self.stores, self.operands, self.rows = f, steps, stores, operands, rows
        self.lanes, self.empty = lanes, empty
        self._scalars = (Level.UNIFORM,) if columns else (Level.UNIFORM, Level.ROW)
        self.values: Known = {}  # UNIFORM and ROW steps
        self._wide: Known = {}  # the same in all lanes
        self._anchors: dict[tuple[Access, int | None], Reg] = {}
        self._given = frozenset(given)
        self._used = used_steps(steps, stores)
        self._widened = _used_by_higher(steps, stores, self._used)
        self._pointers: list[Reg] = []
        self._slots: list[Reg] = []
        self._error = Reg("", "ptr")

    def used(self, level: Level) -> list[int]:
        """The steps of a level that some store needs, in order."""
        return [
            k
            for k, step in enumerate(self.steps)
            if k in self._used and step.level is level and k not in self._given and not isinstance(step, Reduce)
        ]

    @functools.cached_property
    def element_steps(self) -> list[int]:
        """The ELEMENT steps that some store needs, in order."""
        return self.used(Level.ELEMENT)

    def invariant(self) -> list[int]:
        """The ELEMENT steps that are the same in every row: a bias, a mask of columns."""
        written = {store.access.operand for store in self.stores}
        found: set[int] = set()
        for k in self.element_steps:
            step = self.steps[k]
            if isinstance(step, Load):
                same = step.access.operand not in written and step.index is None and not any(step.access.strides[:-1])
            elif isinstance(step, Position):
                same = not any(step.strides[:-1])
            else:
                same = all(self._is_uniform(o) or o in found for o in operands_of(step))
            if same:
                found.add(k)
        return sorted(found)

    def _is_uniform(self, k: int) -> bool:
        return self.steps[k].level is Level.UNIFORM and k not in self._given

    # One level after the other

    def prepare(self, *, store: bool = True) -> None:
        """Pointers of the operands; UNIFORM steps; UNIFORM stores, by the first part.

        Of several functions of a kernel that each prepare, one alone is to store.
        """
        f = self.f
        table, slots = f.parameters["table"], f.parameters["slots"]
        for k in range(len(self.operands)):
            slot = f.load(f.pointer(slots, k, "i64"), "i64")
            self._slots.append(slot)
            self._pointers.append(f.load(f.pointer(table, slot, "ptr"), "ptr"))
        if any(_may_refuse(step) for step in self.steps):
            self._error = f.load(table, "ptr")
        self.compute(self.used(Level.UNIFORM), self.values, 0, (), 1, 1)
        self._widen(self.used(Level.UNIFORM))
        stores = [store for store in self.stores if store.level is Level.UNIFORM]
        if store and stores:
            f.when(
                f.compare("icmp eq", f.parameters["part"], f.index(0)),
                lambda: self._store_uniform(stores),
            )

    def _store_uniform(self, stores: Sequence[Store]) -> None:
        for store in stores:
            self._store(store, self.values, 0, (), 1, 1)

    def row(self, outer: Sequence[Index], steps: Iterable[int] | None = None) -> None:
        """The ROW steps (or these of them), then the places of the row's elements."""
        self._anchors = {}
        self._wide = {k: value for k, value in self._wide.items() if self.steps[k].level is Level.UNIFORM}
        self.values = {k: value for k, value in self.values.items() if self.steps[k].level is Level.UNIFORM}
        self.row_steps(self.used(Level.ROW) if steps is None else steps, outer)

    def row_steps(self, steps: Iterable[int], outer: Sequence[Index]) -> None:
        """ROW steps of one value each, and the places that depend on them."""
        steps = list(steps)
        for k in steps:
            self._wide.pop(k, None)
        self.compute(steps, self.values, 0, outer, 1, 1)
        self._widen(steps)
        self.anchor(outer)

    def element(
        self,
        inner: Index,
        count: int,
        steps: Iterable[int] | None = None,
        given: Mapping[int, Reg] | None = None,
    ) -> Known:
        """The ELEMENT steps (or these of them) at `count` points from `inner` on. `given` has values that are known."""
        known = dict(given or {})
        wanted = self.element_steps if steps is None else steps
        self.compute([k for k in wanted if k not in known], known, inner, None, self.lanes, count)
        return known

    def store_elements(self, known: Known, inner: Index, count: int) -> None:
        """The ELEMENT stores at a vector of points."""
        for store in self.stores:
            if store.level is Level.ELEMENT:
                self._store(store, known, inner, None, self.lanes, count)

    def store_rows(self, outer: Sequence[Index]) -> None:
        """The ROW stores of a row, where its values are scalars."""
        for store in self.stores:
            if store.level is Level.ROW:
                self._store(store, self.values, 0, outer, 1, 1)

    def store_row_vectors(self, known: Known, inner: Index, outer: Sequence[Index], count: int) -> None:
        """The ROW stores of `Columns`, where a value of a row is a vector of columns."""
        for store in self.stores:
            if store.level is Level.ROW:
                self._store(store, known, inner, outer, self.lanes, count)

    # Values

    def reduced(self, k: int, value: Reg) -> None:
        """Takes the value of a `Reduce`."""
        self.values[k] = value
        self._wide.pop(k, None)
        self._widen([k])

    def operand(self, k: int, known: Known, lanes: int) -> Reg:
        """The value of a step, in all lanes if it is of a lower level."""
        step = self.steps[k]
        if isinstance(step, Constant) and k not in known:
            return self.f.const(step.value, vector(lanes, ELEMENTS[step.dtype.name]))
        value = known[k] if k in known else self.values[k]
        if lanes_of(value.type) == lanes:
            return value
        return self._wide[k] if k in self._wide and lanes == self.lanes else self.f.splat(value, lanes)

    def compute(
        self, steps: Iterable[int], known: Known, inner: Index, outer: Sequence[Index] | None, lanes: int, count: int
    ) -> None:
        """Adds the values of steps to `known`. Without `outer` the places are those of the anchors."""
        for k in steps:
            step = self.steps[k]
            if isinstance(step, Load):
                known[k] = self._load(step, known, inner, outer, lanes, count)
            elif isinstance(step, Position):
                known[k] = self._position(k, step, inner, outer, lanes)
            elif isinstance(step, Apply) and step.primitive in RANDOM:
                known[k] = self._random(step, known, lanes, count)
            elif isinstance(step, Apply):
                operands = [self.operand(o, known, lanes) for o in step.operands]
                dtypes = [self.steps[o].dtype for o in step.operands]
                known[k] = self.rows[step.primitive].emit(self.f, operands, step.dtype, dtypes, **_params(step))

    def _random(self, step: Apply, known: Known, lanes: int, count: int) -> Reg:
        """A draw: operands are the element's number, the generator's seed and draw, and bernoulli's probability."""
        place, seed, draw, *more = step.operands
        index, p = self.operand(place, known, lanes), None
        if more:
            p = self.operand(more[0], known, lanes)
            wrong = self.f.op("xor", probability_is_valid(self.f, p), self.f.const(1, with_element(p.type, "i1")))
            self._refuse(wrong, self.f.const(1, "i64"), count)
        at = self.steps[place]
        starts = (at.start, *at.strides[:-1]) if isinstance(at, Position) else (1,)
        bounds = {name: value for name, value in step.params if name in ("low", "high")}
        return emit_random(
            step.primitive,
            self.f,
            self.values[seed],
            self.values[draw],
            index,
            step.dtype,
            in_order=isinstance(at, Position) and at.strides[-1] == 1 and all(start % 4 == 0 for start in starts),
            p=p,
            **bounds,
        )

    def _widen(self, steps: Iterable[int]) -> None:
        for k in steps:
            if k in self._widened and k in self.values and lanes_of(self.values[k].type) < self.lanes:
                self._wide[k] = self.f.splat(self.values[k], self.lanes)

    def _position(self, k: int, step: Position, inner: Index, outer: Sequence[Index] | None, lanes: int) -> Reg:
        outer = self._outer if outer is None else outer
        start = self._offset(step.start, step.strides, outer)
        return positions(self.f, start, inner, step.strides[-1], ELEMENTS[step.dtype.name], lanes)

    # Places

    _outer: Sequence[Index] = ()

    def anchor(self, outer: Sequence[Index]) -> None:
        """The places of a row: what of each ELEMENT access does not change along the last dimension."""
        self._outer = outer
        if self.empty:
            return
        for step in self.steps:
            if not isinstance(step, Load) or step.level is not Level.ELEMENT or not self._is_placed(step):
                continue
            if (step.access, step.index) not in self._anchors:
                place = self.place(step.access, outer)
                if step.index is not None and self._is_scalar(step.index):
                    shift = self._checked(step, self.operand(step.index, self.values, 1), 1)
                    place = self.f.pointer(place, self.f.mul(shift, step.index_stride), ELEMENTS[step.dtype.name])
                self._anchors[step.access, step.index] = place
        for store in self.stores:
            if store.level is Level.ELEMENT and (store.access, None) not in self._anchors:
                self._anchors[store.access, None] = self.place(store.access, outer)

    def forget(self) -> None:
        """Before other places of elements are anchored than those of the row so far."""
        self._anchors.clear()

    def leave(self) -> Scope:
        """All that was computed for this row, to `enter` it again while no other block of code has begun."""
        return Scope(self.values, self._wide, self._anchors, self._outer)

    def enter(self, scope: Scope) -> None:
        """Goes back to a row."""
        self.values, self._wide, self._anchors = dict(scope.values), dict(scope.wide), dict(scope.anchors)
        self._outer = scope.outer

    def _is_scalar(self, k: int) -> bool:
        return self.steps[k].level in self._scalars

    def _is_placed(self, step: Load) -> bool:
        """Whether all that the place of a row depends on is known."""
        k = step.index
        return k is None or not self._is_scalar(k) or k in self.values or isinstance(self.steps[k], Constant)

    def place(self, access: Access, outer: Sequence[Index]) -> Reg:
        """The address of the first point of a row."""
        offset = self._offset(access.offset, access.strides, outer)
        return self.f.pointer(self._pointers[access.operand], offset, ELEMENTS[self.operands[access.operand].name])

    def _offset(self, start: int, strides: Sequence[int], outer: Sequence[Index]) -> Index:
        offset: Index = 0
        for index, stride in zip(outer, strides, strict=False):
            offset = self.f.add(offset, self.f.mul(index, stride))
        return self.f.add(offset, start)

    # Memory

    def _load(
        self, step: Load, known: Known, inner: Index, outer: Sequence[Index] | None, lanes: int, count: int
    ) -> Reg:
        f, type = self.f, vector(lanes, ELEMENTS[step.dtype.name])
        stride = step.access.strides[-1] if step.access.strides else 0
        if step.index is not None and step.index_length == 0:
            self._checked(step, self.operand(step.index, known, lanes), count)
            return f.const(0, type)
        anchored = (step.access, step.index)
        base = self._anchors[anchored] if outer is None else self.place(step.access, outer)
        base = f.pointer(base, f.mul(inner, stride), element_of(type))
        if step.index is None or (outer is None and self._is_scalar(step.index)):
            return load_lanes(f, base, type, stride, count)
        index = self.operand(step.index, known, lanes)
        shift = self._checked(step, index, count)
        return gather(f, base, type, stride, shift, step.index_stride, count)

    def _checked(self, step: Load, index: Reg, count: int) -> Reg:
        """The index as i64s, zero where it is out of range; there the operand's slot goes into the error word."""
        f = self.f
        assert step.index is not None
        how = "zext" if self.steps[step.index].dtype.name in ("uint8", "bool") else "sext"
        index = f.convert(how, index, "i64")
        bad = f.compare("icmp uge", index, f.const(step.index_length, index.type))
        self._refuse(bad, self._slots[step.access.operand], count)
        return f.select(bad, f.const(0, index.type), index)

    def _refuse(self, bad: Reg, code: Reg, count: int) -> None:
        """Puts a code into the error word if the condition holds in one of the first `count` lanes."""
        f, lanes = self.f, lanes_of(bad.type)
        some = bad
        if lanes > 1:
            if count < lanes:
                some = f.op("and", bad, f.consts([lane < count for lane in range(lanes)], "i1"))
            bits = f.value(f"bitcast {some.type} {some.name} to i{lanes}", f"i{lanes}")
            some = f.value(f"icmp ne i{lanes} {bits.name}, 0", "i1")
        f.when(some, lambda: f.store(code, self._error))

    def _store(
        self, store: Store, known: Known, inner: Index, outer: Sequence[Index] | None, lanes: int, count: int
    ) -> None:
        value = self.operand(store.step, known, lanes)
        stride = store.access.strides[-1] if store.access.strides else 0
        base = self._anchors[store.access, None] if outer is None else self.place(store.access, outer)
        base = self.f.pointer(base, self.f.mul(inner, stride), element_of(value.type))
        store_lanes(self.f, value, base, stride, count)


def operands_of(step: Step) -> tuple[int, ...]:
    """The steps that a step reads."""
    if isinstance(step, Apply):
        return step.operands
    if isinstance(step, Reduce):
        return (step.operand,)
    return () if not isinstance(step, Load) or step.index is None else (step.index,)


def used_steps(steps: Sequence[Step], stores: Sequence[Store]) -> frozenset[int]:
    """The steps that some store needs."""
    used = {store.step for store in stores}
    for k in reversed(range(len(steps))):
        if k in used:
            used.update(operands_of(steps[k]))
    return frozenset(used)


def _used_by_higher(steps: Sequence[Step], stores: Sequence[Store], used: Collection[int]) -> frozenset[int]:
    """The steps of a lower level whose value an ELEMENT step or store takes in all lanes."""
    readers = [operands_of(s) for k, s in enumerate(steps) if k in used and s.level is Level.ELEMENT and _applies(s)]
    readers += [(s.operand,) for k, s in enumerate(steps) if k in used and isinstance(s, Reduce)]
    readers += [(store.step,) for store in stores if store.level is Level.ELEMENT]
    return frozenset(k for reader in readers for k in reader if steps[k].level is not Level.ELEMENT)


def _may_refuse(step: Step) -> bool:
    """Whether a step may find what is out of range."""
    if isinstance(step, Load):
        return step.index is not None
    return isinstance(step, Apply) and step.primitive == "bernoulli"


def _applies(step: Step) -> bool:
    return isinstance(step, Apply)


def _params(step: Apply) -> dict[str, Any]:
    return {name: value for name, value in step.params if name != "dtype"}


def unrolling(steps: Sequence[Step]) -> int:
    """Vectors per round: long bodies keep the processor busy by themselves."""
    weight = sum(step.level is Level.ELEMENT for step in steps)
    return 4 if weight <= 8 else 2 if weight <= 24 else 1
