"""Steps of every workload in the long run, without a clock: what calls allocate, and what ten thousand leave behind."""

from __future__ import annotations

import gc
import importlib
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chainrule as cr
from chainrule import cell_memory, optim, short_call
from chainrule.backends.native import futex, portable_wait, walk
from chainrule.backends.native.jit import Library, compile_object, host_level
from chainrule.backends.native.pool import Launch
from chainrule.backends.native.symbols import symbols_of
from chainrule.bench.steps_chainrule import Gpt, Mlp
from chainrule.bench.workloads import Workload
from chainrule.cell_memory import address_of, last_move
from chainrule.nn import functional as F
from chainrule.tensor import aligned_empty
from tests.backends.native.models import Training, labelled, numbers, of_classes, text, training
from tests.natively import natively

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


native = pytest.fixture(autouse=True)(natively)


def tabular() -> Training:
    return training(Mlp([32, 64, 64, 1]), lambda p: optim.Adam(p, 1e-3), F.mse_loss, numbers(64, 32))


def images() -> Training:
    make = lambda p: optim.SGD(p, 0.01, momentum=0.9)
    return training(Mlp([196, 64, 32, 10]), make, F.cross_entropy, labelled(32, 196, 10))


def language(layers: int, heads: int, width: int, length: int) -> Training:
    model = Gpt(Workload("gpt", "gpt", 4, "adamw", layers=layers, heads=heads, width=width, block=length))
    return training(model, lambda p: optim.AdamW(p, 1e-3), of_classes, text(4, length, 65), clip=1.0)


# As in the benchmarks, smaller.
WORKLOADS: dict[str, Callable[[], Training]] = {
    "mlp_tabular": tabular,
    "mlp_mnist": images,
    "gpt_char": lambda: language(2, 4, 32, 16),
    "gpt_mid": lambda: language(1, 6, 96, 32),
}
each_workload = pytest.mark.parametrize("name", WORKLOADS)


class Steady:
    """A step that is called the short way, with batches that come again."""

    def __init__(self, trained: Training) -> None:
        self.step: Any = trained.step
        self.batches = [trained.batch(k) for k in range(3)]
        for k in range(9):
            self(k)

    def __call__(self, k: int) -> Any:
        return self.step(*self.batches[k % 3])


# Allocations ----------------------------------------------------------------------------------------------------------

HANDLE_BYTES = 2048  # the tensor that is returned, its value and array, and what Python needs to call a function


@each_workload
def test_a_call_allocates_nothing_but_its_result(name: str) -> None:
    steady = Steady(WORKLOADS[name]())
    parameters = sum(8 * node.type.size for node in steady.step.graph.inputs)
    assert parameters > 20 * HANDLE_BYTES, "a copy of the cells would be seen"
    peaks = []
    tracemalloc.start()
    try:
        before = 0
        for k in range(40):
            if k == 10:  # what is made once is there
                before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            start = tracemalloc.get_traced_memory()[0]
            steady(k)
            peaks.append(tracemalloc.get_traced_memory()[1] - start)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sorted(peaks)[-3] <= HANDLE_BYTES  # now and then a call looks at the clock, or Python tidies up
    assert max(peaks) <= 4 * HANDLE_BYTES
    assert after - before <= HANDLE_BYTES, "thirty calls keep nothing"
    assert steady.step.traces == 1


def test_a_large_result_is_allocated_once() -> None:
    outer = cr.compile(lambda x, y: x[:, None] * y)
    x, y = numbers(300, 1)(0)[0][:, 0].copy(), numbers(200, 1)(0)[0][:, 0].copy()
    for _ in range(5):
        result = outer(x, y)
    size = result.numpy().nbytes
    assert size > 100 * HANDLE_BYTES
    tracemalloc.start()
    try:
        result = outer(x, y)
        assert size <= tracemalloc.get_traced_memory()[1] <= size + HANDLE_BYTES
    finally:
        tracemalloc.stop()


@each_workload
def test_machine_code_asks_for_no_memory_and_calls_no_python(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls its own functions, and what moves memory."""
    loaded: list[bytes] = []

    class Recorded(Library):
        def __init__(self, data: bytes) -> None:
            loaded.append(data)
            super().__init__(data)

    monkeypatch.setattr(importlib.import_module("chainrule.backends.native.runner"), "Library", Recorded)
    WORKLOADS[name]().run(1)
    assert loaded
    for data in loaded:
        assert symbols_of(data).undefined <= {"memcpy", "memmove", "memset"}


def test_what_walks_programs_asks_for_no_memory_and_calls_no_python() -> None:
    level = host_level()
    waiting = futex.definitions(level.triple) if futex.runs_on(level.triple) else portable_wait.definitions()
    for text_of_waiting in {waiting, portable_wait.definitions()}:
        data = compile_object(walk.text(level, text_of_waiting), level)
        assert symbols_of(data).undefined <= {"memcpy", "memmove", "memset"}


@each_workload
def test_a_call_is_a_few_functions_of_python_whatever_the_model(name: str) -> None:
    steady = Steady(WORKLOADS[name]())
    entered: Counter[str] = Counter()
    looking: Counter[str] = Counter()  # at the clock, which a launch does now and then, and a slow one every time
    inside: set[str] = set()  # what was called where machine code runs

    def is_looking(frame: Any) -> bool:
        while frame is not None and frame.f_code is not Launch.look.__code__:
            frame = frame.f_back
        return frame is not None

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            (looking if is_looking(frame) else entered)[frame.f_code.co_qualname] += 1
            if frame.f_back is not None and frame.f_back.f_code is Launch.run.__code__:
                inside.add(frame.f_code.co_qualname)

    launch = steady.step._shorts[0].runner.launch
    runs = launch.runs
    sys.setprofile(note)
    try:
        for k in range(10):
            steady(k)
    finally:
        sys.setprofile(None)
    assert launch.runs - runs == 10, "one launch a call"
    assert inside <= {"Launch.look"}
    turns = entered.pop("Cell.turn", 0)  # of counts of steps, which are written before all indices are known to be fine
    assert turns <= 10 * len(steady.step._shorts[0].cells)
    behind_a_gate = 6 if name.startswith("mlp") else 25  # the others have cells that change over, which Python does
    looks = looking["Launch.look"]
    assert looks <= 10
    assert sum(looking.values()) <= 20 * looks
    assert sum(entered.values()) <= 10 * behind_a_gate + 2 * looks  # what stands behind a gate ends the call


# The long run ---------------------------------------------------------------------------------------------------------

CALLS = 10_000
Call = Callable[[int], Any]


def dropped() -> Call:
    return Steady(tabular())


def kept() -> Call:
    """Two thousand losses at a time."""
    steady, losses = Steady(tabular()), []

    def call(k: int) -> None:
        losses.append(steady(k))
        if k % 2000 == 1999:
            losses.clear()

    return call


def ragged() -> Call:
    """Every second batch is smaller."""
    trained = tabular()
    batches = [trained.batch(0), tuple(part[:23].copy() for part in trained.batch(1))]
    return lambda k: trained.step(*batches[k % 2])


def evaluated() -> Call:
    """A prediction after every step."""
    trained = tabular()
    model, step, batch = trained.model, trained.step, trained.batch(0)
    predict = cr.compile(lambda x: model(x))

    def call(k: int) -> Any:
        if k % 2:
            return step(*batch)
        with cr.no_grad():
            return predict(batch[0])

    return call


def memory() -> tuple[int, int]:
    """What Python has allocated, in blocks, and what the process has of the system's memory, in bytes."""
    gc.collect()
    return sys.getallocatedblocks(), int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@linux
@pytest.mark.parametrize("make", [dropped, kept, ragged, evaluated])
def test_ten_thousand_calls_leak_nothing(make: Callable[[], Call]) -> None:
    call = make()
    for k in range(2000):
        call(k)
    before = memory()
    for k in range(CALLS):
        call(k)
    after = memory()
    assert after[0] - before[0] < 200
    assert after[1] - before[1] < 1 << 20
    tracemalloc.start()  # sees arrays too; calls take three times as long
    try:
        for k in range(2000):
            call(k)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


# Programs that share cells --------------------------------------------------------------------------------------------


class Sharing:
    """Training, a smaller last batch, and evaluation, in turn on one model."""

    def __init__(self) -> None:
        self.trained = tabular()
        model = self.trained.model
        self.predict: Any = cr.compile(lambda x: model(x))
        self.batch = self.trained.batch(0)
        self.rest = tuple(part[:23].copy() for part in self.trained.batch(1))

    def __call__(self, rounds: int) -> None:
        for _ in range(rounds):
            self.trained.step(*self.batch)
            self.trained.step(*self.rest)
            with cr.no_grad():
                self.predict(self.batch[0])

    @property
    def programs(self) -> list[Any]:
        return [*self.trained.step._shorts, *self.predict._shorts]  # type: ignore[attr-defined]

    def addresses(self) -> list[int]:
        return [address_of(cell.handle._carrier.array) for program in self.programs for cell in cells_of(program)]


def cells_of(program: Any) -> list[Any]:
    return [*(written.cell for written in program.cells), *(cell for _, cell in program.read)]


class Moves:
    """Counts, from now on, how often programs look for their cells and take memory for them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.binds = self.arrays = 0
        bind, empty = short_call.ShortCall._bind, aligned_empty

        def counted(program: Any) -> None:
            self.binds += 1
            bind(program)

        def allocated(*arguments: Any) -> Any:
            self.arrays += 1
            return empty(*arguments)

        patch.setattr(short_call.ShortCall, "_bind", counted)
        patch.setattr(cell_memory, "aligned_empty", allocated)
        self.move = last_move()

    def assert_none(self) -> None:
        assert (self.binds, self.arrays) == (0, 0)
        assert last_move() is self.move


def test_programs_in_turn_work_on_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sharing = Sharing()
    sharing(4)
    assert len(sharing.programs) == 3
    addresses, moves = sharing.addresses(), Moves(monkeypatch)
    sharing(10)
    assert sharing.addresses() == addresses
    moves.assert_none()
    train, other = [{id(cell) for cell in cells_of(program)} for program in sharing.trained.step._shorts]  # type: ignore[attr-defined]
    assert train == other
    assert {id(cell) for cell in cells_of(sharing.predict._shorts[0])} < train


def test_they_settle_again_when_somebody_has_held_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    sharing = Sharing()
    sharing(4)
    held = [p.detach().numpy() for p in sharing.trained.model.parameters()]
    copies = [array.copy() for array in held]
    sharing(3)
    moves = Moves(monkeypatch)
    sharing(10)
    moves.assert_none()
    assert all(cell.values.count(None) == 1 for program in sharing.programs for cell in cells_of(program))
    assert [array.tobytes() for array in held] == [array.tobytes() for array in copies]
