"""Gates let a call pass when all that they look at is as it was, and only then."""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from types import CellType
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
import pytest

from chainrule.backends.native import gate, gate_code, walk
from chainrule.backends.native.gate import Gate
from chainrule.backends.native.gate_code import LOOK, RAN, REFUSED, RETIRED
from chainrule.backends.native.jit import host_level
from chainrule.backends.native.pool import Launch, process_pool
from chainrule.ir.value import Leaf, Value
from chainrule.tensor import Parameter, Tensor
from tests.backends.native.machine_code import OTHER_LEVELS, machine

pytestmark = pytest.mark.skipif(not gate.is_possible(), reason="no gates with this interpreter")


@pytest.fixture(autouse=True, scope="module")
def known() -> None:
    assert gate.know(Tensor(Value(np.zeros(1))), Value(np.zeros(1)))


class Gated:
    """A program that does nothing, behind a gate with these records."""

    def __init__(self, *records: tuple[int, ...], arguments: int = 0, left: int = 1000) -> None:
        self.steps = np.array([walk.END, 0, 0, 0], np.int64)
        self.error, self.table = np.zeros(8, np.int64), np.zeros(8, np.int64)
        self.table[0] = self.error.ctypes.data
        self.launch = Launch(process_pool(), self.steps.ctypes.data, self.table.ctypes.data, 0, 0)
        self.launch._words[walk.DESCRIPTOR.index("left")] = left
        self.running: set[Any] = set()
        self.retired: list[Any] = []
        shared = (self.running, self.retired)
        table, failed = self.table.ctypes.data, self.error.ctypes.data
        self.gate = Gate(self.launch, table, failed, arguments, shared, self, records, records)

    def __call__(self, *args: Any) -> int:
        runs = self.launch.runs
        outcome = self.gate.call(args)
        assert self.launch.runs - runs == bool(outcome), "a refused call runs nothing"
        assert not self.running
        return outcome


class Thing:
    """Something with attributes."""

    rate: Any = 0.5
    name = "thing"


class Case(NamedTuple):
    """A record of something, how it changes, and how it is put back."""

    record: tuple[int, ...]
    change: Callable[[], Any]
    back: Callable[[], Any]
    held: tuple[Any, ...]


def case(record: tuple[int, ...], change: Callable[[], Any], back: Callable[[], Any], *held: Any) -> Case:
    """`held`: what the record names, and nothing else holds."""
    return Case(record, change, back, held)


def items() -> Iterator[tuple[str, Case]]:
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "value": lambda d: d.update(b=object()),
        "equal value": lambda d: d.update(a=float("1000.5")),
        "more": lambda d: d.update(c=1),
        "fewer": lambda d: d.pop("b"),
        "none": lambda d: d.clear(),
        "order": lambda d: d.update(a=d.pop("a")),
    }
    for name, change in changes.items():
        first = {"a": float("1000.5"), "b": object()}
        mapping = dict(first)
        pairs = [id(part) for pair in first.items() for part in pair]
        record = (gate_code.ITEMS, id(mapping), 2, *pairs)
        yield f"items: {name}", case(record, partial(change, mapping), partial(put_back, mapping, first))


def put_back(mapping: dict[str, Any], first: dict[str, Any]) -> None:
    mapping.clear()
    mapping.update(first)


def scopes() -> Iterator[tuple[str, Case]]:
    kind = type("Kind", (Thing,), {"rate": 0.25, "other": 1})
    names = list(vars(kind))
    rate, read = vars(kind)["rate"], partial(vars, kind)
    pairs = [part for name in names for part in (id(name), id(rate) if name == "rate" else 0)]
    record: tuple[int, ...] = (gate_code.SCOPE, id(read), len(names), *pairs)
    yield "scope: class", case(record, partial(setattr, kind, "rate", 0.75), partial(setattr, kind, "rate", rate), read)
    yield "scope: new name", case(record, partial(setattr, kind, "new", 1), partial(delattr, kind, "new"), read)
    thing, one = Thing(), object()
    thing.rate = one
    fields, own = thing.__dict__, partial(getattr, thing, "__dict__")
    record = (gate_code.SCOPE, id(own), 1, id(next(iter(fields))), id(one))
    yield "scope: instance", case(record, partial(setattr, thing, "rate", 2), partial(setattr, thing, "rate", one), own)
    other = partial(setattr, thing, "__dict__", {"rate": 1})
    yield "scope: another dict", case(record, other, partial(setattr, thing, "__dict__", fields), own)
    found: list[Any] = [{}]
    first = partial(found.__getitem__, 0)
    record = (gate_code.SCOPE, id(first), 0)
    yield "scope: no dict", case(record, partial(found.__setitem__, 0, 3), partial(found.__setitem__, 0, {}), first)


def elements() -> Iterator[tuple[str, Case]]:
    one, two = object(), object()
    changes: dict[str, Callable[[list[Any]], Any]] = {
        "other": lambda e: e.reverse(),
        "more": lambda e: e.append(two),
        "fewer": lambda e: e.pop(),
        "none": lambda e: e.clear(),
    }
    for name, change in changes.items():
        held = [one, two]
        record = (gate_code.ELEMENTS, id(held), 2, id(one), id(two))
        yield (
            f"elements: {name}",
            case(record, partial(change, held), partial(held.__setitem__, slice(None), [one, two])),
        )


def others() -> Iterator[tuple[str, Case]]:
    one, two = object(), object()
    mapping, key, missing = {"name": one}, "name", "missing"
    there: tuple[int, ...] = (gate_code.ENTRY, id(mapping), id(key), id(one))
    yield "entry: other", case(there, partial(mapping.update, name=two), partial(mapping.update, name=one))
    yield "entry: gone", case(there, mapping.clear, partial(mapping.update, name=one))
    absent = (gate_code.ENTRY, id(mapping), id(missing), 0)
    yield "entry: appears", case(absent, partial(mapping.update, missing=1), partial(mapping.pop, missing), missing)
    cell = CellType(one)
    record: tuple[int, ...] = (gate_code.VARIABLE, id(cell), id(one))
    back = partial(setattr, cell, "cell_contents", one)
    yield "variable: other", case(record, partial(setattr, cell, "cell_contents", two), back)
    yield "variable: empty", case(record, partial(delattr, cell, "cell_contents"), back)
    variable: ContextVar[Any] = ContextVar("variable", default=one)
    record = (gate_code.CONTEXT, id(variable), id(one))
    yield "context", case(record, partial(variable.set, two), partial(variable.set, one))
    leaf = Leaf()
    (offset,) = gate.offsets_of(leaf, ["gradient"]) or [0]
    record = (gate_code.SLOT, id(leaf), offset, id(None))
    yield "slot", case(record, partial(setattr, leaf, "gradient", one), partial(setattr, leaf, "gradient", None))


CASES = dict([*items(), *scopes(), *elements(), *others()])


@pytest.mark.parametrize("name", CASES)
def test_what_has_changed_is_refused(name: str) -> None:
    record, change, back, _ = CASES[name]
    gated = Gated(record)
    for _ in range(3):
        assert gated() == RAN
        change()
        assert gated() == REFUSED
        back()
    assert gated() == RAN


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_is_raised_while_it_looks_is_not_lost(raised: type[BaseException]) -> None:
    raising = [False]

    def read() -> dict[str, int]:
        if raising[0]:
            raise raised
        return {}

    gated = Gated((gate_code.SCOPE, id(read), 0))
    assert gated() == RAN
    raising[0] = True
    with pytest.raises(raised):
        gated()
    assert gated.launch.runs == 1
    raising[0] = False
    assert gated() == RAN


def test_values_that_do_not_matter_may_change() -> None:
    thing = Thing()
    thing.rate, thing.name = 1.0, "a"
    rate, names = thing.rate, list(vars(thing))
    read = lambda: vars(thing)
    gated = Gated((gate_code.SCOPE, id(read), 2, id(names[0]), id(rate), id(names[1]), 0))
    assert gated() == RAN
    thing.name = "b"
    assert gated() == RAN
    thing.rate = 2.0
    assert gated() == REFUSED


def array_record(array: np.ndarray[Any, Any], kind: int = gate_code.ARRAY, slot: int = 1) -> tuple[int, ...]:
    return (kind, 0, slot, id(array.dtype), array.ndim, *array.shape, *array.strides)


class Subclass(np.ndarray):
    """Some library's own kind of array."""


ARRAY = np.zeros((3, 4), np.float32)
OTHERS = {
    "shape": np.zeros((3, 5), np.float32),
    "rank": np.zeros((3, 4, 1), np.float32),
    "flat": np.zeros(12, np.float32),
    "scalar": np.zeros((), np.float32),
    "strides": np.zeros((4, 3), np.float32).T,
    "dtype": np.zeros((3, 4), np.int32),
    "order of bytes": np.zeros((3, 4), np.dtype(np.float32).newbyteorder()),
    "subclass": np.zeros((3, 4), np.float32).view(Subclass),
    "list": [[0.0] * 4] * 3,
    "nothing": None,
}


def test_arrays_of_one_kind_pass_and_their_addresses_arrive() -> None:
    gated = Gated(array_record(ARRAY, slot=5), arguments=1)
    for array in (ARRAY, np.ones((3, 4), np.float32), np.ones((9, 4), np.float32)[3:6]):
        assert gated(array) == RAN
        assert gated.table[5] == array.ctypes.data


@pytest.mark.parametrize("name", OTHERS)
def test_arrays_of_another_kind_are_refused(name: str) -> None:
    gated = Gated(array_record(ARRAY), arguments=1)
    before = gated.table.copy()
    assert gated(OTHERS[name]) == REFUSED
    np.testing.assert_array_equal(gated.table, before)
    assert gated(Tensor(Value(ARRAY))) == REFUSED


def test_what_the_program_does_not_read_is_looked_at_all_the_same() -> None:
    gated = Gated(array_record(ARRAY, slot=0), arguments=1)
    assert gated(ARRAY) == RAN
    assert gated(OTHERS["shape"]) == REFUSED
    assert gated.table[1:].any() == 0
    assert gated.table[0] == gated.error.ctypes.data


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_arguments_is_refused(count: int) -> None:
    assert Gated(arguments=1)(*[ARRAY] * count) == REFUSED


def test_tensors_that_stand_for_themselves_pass() -> None:
    gated = Gated(array_record(ARRAY, gate_code.TENSOR), arguments=1)
    tensor = Tensor(Value(np.ones((3, 4), np.float32)))
    assert gated(tensor) == RAN
    assert gated.table[1] == tensor.numpy().ctypes.data


@pytest.mark.parametrize("name", OTHERS)
def test_tensors_of_another_kind_are_refused(name: str) -> None:
    gated = Gated(array_record(ARRAY, gate_code.TENSOR), arguments=1)
    assert gated(OTHERS[name]) == REFUSED
    if type(OTHERS[name]) is np.ndarray:
        assert gated(Tensor(Value(OTHERS[name]))) == REFUSED
    assert gated(ARRAY) == REFUSED


def tensors_with_more_to_them() -> dict[str, Tensor]:
    plain: Any = lambda: Tensor(Value(np.ones((3, 4), np.float32)))
    return {
        "leaf": plain().requires_grad_(),
        "parameter": Parameter(plain()),
        "view": Tensor(Value(np.ones((4, 3, 4), np.float32)))[1],
        "on the tape": plain().requires_grad_() * 2,
        "value of a parameter": Tensor(Parameter(plain())._carrier),
    }


@pytest.mark.parametrize("name", tensors_with_more_to_them())
def test_tensors_with_more_to_them_are_refused(name: str) -> None:
    gated = Gated(array_record(ARRAY, gate_code.TENSOR), arguments=1)
    assert gated(tensors_with_more_to_them()[name]) == REFUSED


def test_arguments_that_are_known_and_those_that_differ() -> None:
    one, two = object(), object()
    gated = Gated((gate_code.ARGUMENT, 1, id(two)), (gate_code.DIFFER, 0, 1), arguments=2)
    assert gated(one, two) == RAN
    assert gated(one, one) == REFUSED
    assert gated(two, two) == REFUSED


def test_numbers_arrive() -> None:
    handle, memory = Tensor(Value(np.asarray(0.5))), np.zeros(1)
    gated = Gated((gate_code.NUMBER, id(handle), memory.ctypes.data))
    for number in (0.5, -0.0, 1e-300, np.inf):
        handle._carrier = Value(np.asarray(number))
        assert gated() == RAN
        assert memory.tobytes() == np.float64(number).tobytes()
    for array in (np.asarray(2, np.float32), np.asarray(2), np.ones(1), np.float64(2)):
        handle._carrier = Value(array)
        assert gated() == REFUSED
        assert memory[0] == np.inf


def test_an_error_of_the_run_before_is_forgotten() -> None:
    gated = Gated()
    gated.error[:] = 7
    assert gated() == RAN
    assert gated.error[0] == 0


def test_what_is_to_be_done_now_and_then() -> None:
    gated = Gated(left=3)
    assert [gated() for _ in range(4)] == [RAN, RAN, RAN | LOOK, RAN | LOOK]
    gated.gate.finish(RAN | LOOK)
    assert gated() == RAN
    gated.retired.append(1)
    assert gated() == RAN | RETIRED


def test_nothing_is_kept_of_what_was_looked_at() -> None:
    one = object()
    variable: ContextVar[Any] = ContextVar("variable", default=one)
    scope, cell, key = {"a": one}, CellType(one), "a"
    read = lambda: scope
    tensor, array = Tensor(Value(np.ones((3, 4), np.float32))), ARRAY
    gated = Gated(
        (gate_code.SCOPE, id(read), 1, id(key), id(one)),
        (gate_code.CONTEXT, id(variable), id(one)),
        (gate_code.ENTRY, id(scope), id(key), id(one)),
        (gate_code.VARIABLE, id(cell), id(one)),
        array_record(array),
        (gate_code.TENSOR, 1, 2, *array_record(array)[3:]),
        arguments=2,
    )
    watched = (one, scope, read, tensor, array, variable, cell, gated)
    gated(array, tensor)
    gc.collect()
    before = [sys.getrefcount(thing) for thing in watched]
    for k in range(200):
        assert gated(array, tensor) == RAN
        assert gated(array, k) == REFUSED
    assert [sys.getrefcount(thing) for thing in watched] == before


def test_a_gate_that_only_looks() -> None:
    gated = Gated(array_record(ARRAY), arguments=1)
    table, failed = gated.table.ctypes.data, gated.error.ctypes.data
    looking = Gate(gated.launch, table, failed, 1, (set(), []), gated, [array_record(ARRAY)], None, runs=False)
    assert looking.call((ARRAY,)) == RAN
    assert gated.table[1] == ARRAY.ctypes.data
    assert gated.launch.runs == 0
    assert looking.call((None,)) == REFUSED


def test_subclasses_of_dict_are_read_as_dicts() -> None:
    key, value = "a", object()
    mapping: Any = OrderedDict({key: value})
    gated = Gated((gate_code.ITEMS, id(mapping), 1, id(key), id(value)))
    assert gated() == RAN
    mapping["b"] = 1
    assert gated() == REFUSED


@pytest.mark.parametrize("level", [host_level(), *OTHER_LEVELS], ids=str)
def test_the_code_is_valid(level: Any) -> None:
    machine(level)  # all of LLVM's targets
    module = llvm.parse_assembly(gate_code.text(level))
    module.verify()
    assert machine(level).emit_object(module)


def test_the_records_have_a_function_each() -> None:
    text = gate_code.text(host_level())
    assert len(gate_code.KINDS) == len(set(gate_code.KINDS)) == gate_code.PASS + 1
    for kind in range(len(gate_code.KINDS)):
        assert f"    i64 {kind}, label" in text
