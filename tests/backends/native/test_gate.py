"""Gates let a call pass when all that they look at is as it was, and only then."""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
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

    rate = 0.5
    name = "thing"


class Case(NamedTuple):
    """A record of something, how it changes, and how it is put back."""

    record: tuple[int, ...]
    change: Callable[[], Any]
    back: Callable[[], Any]


def items() -> Iterator[tuple[str, Case]]:
    a, b, value = "a", "b", object()
    for name, change in {
        "value": lambda d: d.update(b=object()),
        "equal value": lambda d: d.update(a=1000.0 + 0.5),
        "more": lambda d: d.update(c=1),
        "fewer": lambda d: d.pop("b"),
        "none": lambda d: d.clear(),
        "order": lambda d: d.update(a=d.pop("a")),
    }.items():
        number = float("1000.5")
        mapping = {a: number, b: value}
        record = (gate_code.ITEMS, id(mapping), 2, id(a), id(number), id(b), id(value))
        # the record has only addresses: what it names is held here
        hold = (mapping, number, value)
        put_back = lambda d=mapping, n=number, v=value, hold=hold: (d.clear(), d.update(a=n, b=v))
        yield f"items: {name}", Case(record, lambda d=mapping, change=change: change(d), put_back)


def scopes() -> Iterator[tuple[str, Case]]:
    kind = type("Kind", (Thing,), {"rate": 0.25, "other": 1})
    names = list(vars(kind))
    values = [id(vars(kind)[n]) if n == "rate" else 0 for n in names]
    pairs = [part for pair in zip(map(id, names), values, strict=True) for part in pair]
    rate, read = vars(kind)["rate"], lambda: vars(kind)
    record = (gate_code.SCOPE, id(read), len(names), *pairs)
    hold = (read, names)
    yield (
        "scope: class",
        Case(record, lambda: setattr(kind, "rate", 0.75), lambda hold=hold: setattr(kind, "rate", rate)),
    )
    yield "scope: new name", Case(record, lambda: setattr(kind, "new", 1), lambda hold=hold: delattr(kind, "new"))
    thing, key, one = Thing(), "rate", object()
    thing.rate = one  # type: ignore[assignment]
    fields = thing.__dict__
    own = lambda: thing.__dict__
    record = (gate_code.SCOPE, id(own), 1, id(next(iter(fields))), id(one))
    keep = (own, key, one, fields)
    yield (
        "scope: instance",
        Case(record, lambda: setattr(thing, "rate", 2), lambda keep=keep: setattr(thing, "rate", one)),
    )
    replaced = lambda: setattr(thing, "__dict__", {"rate": 1})
    yield "scope: another dict", Case(record, replaced, lambda: setattr(thing, "__dict__", fields))
    fail = [False]

    def failing() -> Any:
        if fail[0]:
            raise ValueError("not now")
        return {}

    record = (gate_code.SCOPE, id(failing), 0)
    yield "scope: raises", Case(record, lambda f=failing: fail.__setitem__(0, True), lambda: fail.__setitem__(0, False))
    found: list[Any] = [{}]
    get = lambda: found[0]
    record = (gate_code.SCOPE, id(get), 0)
    yield "scope: no dict", Case(record, lambda get=get: found.__setitem__(0, 3), lambda: found.__setitem__(0, {}))


def others() -> Iterator[tuple[str, Case]]:
    one, two = object(), object()
    for name, change in {
        "other": lambda e: e.__setitem__(1, one),
        "more": lambda e: e.append(two),
        "fewer": lambda e: e.pop(),
        "none": lambda e: e.clear(),
    }.items():
        elements = [one, two]
        record = (gate_code.ELEMENTS, id(elements), 2, id(one), id(two))
        yield (
            f"elements: {name}",
            Case(
                record,
                lambda e=elements, change=change: change(e),
                lambda e=elements: e.__setitem__(slice(None), [one, two]),
            ),
        )
    mapping, key = {"name": one}, "name"
    record = (gate_code.ENTRY, id(mapping), id(key), id(one))
    yield "entry: other", Case(record, lambda: mapping.update(name=two), lambda: mapping.update(name=one))
    yield "entry: gone", Case(record, lambda: mapping.pop("name"), lambda: mapping.update(name=one))
    missing = "missing"
    record = (gate_code.ENTRY, id(mapping), id(missing), 0)
    yield "entry: appears", Case(record, lambda: mapping.update(missing=1), lambda: mapping.pop(missing))
    cell = CellType(one)
    record = (gate_code.VARIABLE, id(cell), id(one))
    yield (
        "variable: other",
        Case(record, lambda: setattr(cell, "cell_contents", two), lambda: setattr(cell, "cell_contents", one)),
    )
    yield (
        "variable: empty",
        Case(record, lambda: delattr(cell, "cell_contents"), lambda: setattr(cell, "cell_contents", one)),
    )
    variable: ContextVar[Any] = ContextVar("variable", default=one)
    record = (gate_code.CONTEXT, id(variable), id(one))
    yield "context", Case(record, lambda: variable.set(two), lambda: variable.set(one))
    leaf = Leaf()
    (offset,) = gate.offsets_of(leaf, ["gradient"]) or [0]
    record = (gate_code.SLOT, id(leaf), offset, id(None))
    yield "slot", Case(record, lambda: setattr(leaf, "gradient", one), lambda: setattr(leaf, "gradient", None))


CASES = dict([*items(), *scopes(), *others()])


@pytest.mark.parametrize("name", CASES)
def test_what_has_changed_is_refused(name: str) -> None:
    case = CASES[name]
    gated = Gated(case.record)
    for _ in range(3):
        assert gated() == RAN
        case.change()
        assert gated() == REFUSED
        case.back()
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
    plain = lambda: Tensor(Value(np.ones((3, 4), np.float32)))
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
