"""From a graph to a program in machine code.

    graph -> `Drawing` (passes, groups, kernels over buffers, phases) -> `Blueprint` and machine code -> `Runner`

What a `Runner` needs of the first three stands in the cache on the disk once the program was made.
A runner never writes into an array that it was given: outputs are arrays of its own. When an index is out of range the
results are thrown away, and another executor says what was wrong.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.backends import native
from chainrule.backends.native import walk
from chainrule.backends.native.blueprint import Blueprint, key_of_program, unpacked
from chainrule.backends.native.cache import user_cache
from chainrule.backends.native.jit import Library, host_level, object_key
from chainrule.backends.native.level import Level
from chainrule.backends.native.pool import Launch, process_pool
from chainrule.ir.graph import Graph
from chainrule.ir.types import Array

if TYPE_CHECKING:
    from chainrule.backends.native.drawing import Drawing
    from chainrule.backends.native.gate import Gate
    from chainrule.backends.native.report import Report
    from chainrule.passes.describe import Buffers
    from chainrule.passes.schedule import Turn

ALIGNMENT = 64
Program = Callable[[Sequence[Array]], list[Array]]


def check() -> None:
    """Raises NativeUnavailable where this machine cannot run generated code."""
    process_pool()


def compile(graph: Graph, threads: Callable[[], int], explain: Callable[[Graph], Program]) -> Runner:
    """The program that takes the graph's inputs and returns its outputs. `threads()` is asked at every call.

    `explain(graph)` compiles it for an executor that says what is wrong when this one met an index out of range.
    """
    return Runner(graph, threads, explain, host_level())


class Runner:
    """A compiled program."""

    def __init__(
        self, graph: Graph, threads: Callable[[], int], explain: Callable[[Graph], Program], level: Level
    ) -> None:
        self.graph, self.threads, self.explain = graph, threads, explain
        self.input_types = [node.type for node in graph.inputs]
        self.output_types = [node.type for node in graph.outputs]
        self.inputs = len(graph.inputs)
        plan, code = self._made_before(level) or self._made(level)
        self.code = Library(code) if code else None
        self.outputs, self.arena_bytes, self.scratch_bytes = plan.outputs, plan.arena_bytes, plan.scratch_bytes
        self.in_place = frozenset(plan.in_place)  # outputs that may be given the memory of what they replace
        self._lock = threading.Lock()
        self._place(plan)

    def _made_before(self, level: Level) -> tuple[Blueprint, bytes] | None:
        self._key = key_of_program(self.graph, level, object_key("", level))
        data = user_cache().get(self._key)
        return None if data is None else unpacked(data)

    def _made(self, level: Level) -> tuple[Blueprint, bytes]:
        """The drawing is not kept: of a deep model it is a million objects, which every full collection looks at."""
        plan, code = native.drawing.Drawing(self.graph).blueprint(level)
        user_cache().put(self._key, plan.packed(code))
        return plan, code

    @functools.cached_property
    def drawing(self) -> Drawing:
        """What the passes make of the graph, for who asks about it."""
        drawing: Drawing = native.drawing.Drawing(self.graph)
        return drawing

    @property
    def buffers(self) -> Buffers:
        """The program's buffers, and the calls on them."""
        return self.drawing.buffers

    @property
    def phases(self) -> list[list[Turn]]:
        """The calls of each phase."""
        return self.drawing.phases

    def _place(self, plan: Blueprint) -> None:
        """Memory for everything, and the program's steps."""
        self._error = aligned(8)
        self._error[:] = 0
        self._arena = aligned(plan.arena_bytes)
        self.arena_address: int = self._arena.ctypes.data
        table = np.zeros(1 + plan.buffers, np.int64)
        table[0] = self._error.ctypes.data
        for buffer, offset in plan.offsets:
            table[1 + buffer] = self.arena_address + offset
        # Three, which differ in the addresses of inputs and outputs: two for `run_on`, one for full calls.
        self._memory = [table, table.copy(), table.copy()]
        self.tables: list[Any] = [memoryview(each) for each in self._memory]  # type: ignore[arg-type]
        self._addresses = [each.ctypes.data for each in self._memory]
        self._slots: list[Array] = []
        self.steps = np.array(self._steps(plan), np.int64).reshape(-1, walk.STEP_WORDS)
        self._failed = ctypes.c_int64.from_address(self._error.ctypes.data)
        self._make_ready(max(1, self.threads()))

    def _make_ready(self, threads: int, runs: int = 0) -> None:
        """A launch on so many threads, each with its scratch memory; `runs` were made already."""
        self._areas, self._scratch = threads, aligned(self.scratch_bytes * threads)
        steps, scratch = self.steps.ctypes.data, self._scratch.ctypes.data
        self.launch = Launch(process_pool(), steps, self._addresses[2], scratch, self.scratch_bytes, threads, runs)

    def _steps(self, plan: Blueprint) -> list[tuple[int, int, int, int]]:
        """The program for `walk`: the calls of each phase, and a barrier behind it."""
        functions = [self.code.address(name) for name in plan.kernels] if self.code is not None else []
        found: list[tuple[int, int, int, int]] = []
        for k, phase in enumerate(plan.phases):
            if found:
                found.append((walk.CHECKED_BARRIER if k == plan.checked + 1 else walk.BARRIER, 0, 0, 0))
            for kernel, owner, *buffers in phase:
                slots = np.array(buffers, np.int64) + 1
                self._slots.append(slots)
                found.append((functions[kernel], slots.ctypes.data, owner, 0))
        return [*found, (walk.END, 0, 0, 0)]

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Runs the program."""
        with self._lock:
            return self._run(arrays)

    def _run(self, arrays: Sequence[Array]) -> list[Array]:
        table, held = self.tables[2], []
        for k, (array, type) in enumerate(zip(arrays, self.input_types, strict=True)):
            if not array.flags.c_contiguous or array.dtype != type.dtype.numpy:
                array = np.ascontiguousarray(array, type.dtype.numpy)
            held.append(array)
            table[1 + k] = array.ctypes.data
        results = []
        for buffer, type in zip(self.outputs, self.output_types, strict=True):
            result = aligned(type.size * type.dtype.itemsize).view(type.dtype.numpy).reshape(type.shape)
            table[1 + buffer] = result.ctypes.data
            results.append(result)
        return results if self.run_on(2) else self._fail(arrays)

    def run_on(self, side: int) -> bool:
        """Runs the program on the addresses in `tables[side]`; False if it met an index out of range."""
        threads = self.threads()
        if threads > self._areas:
            self._make_ready(threads, self.launch.runs)
        self._failed.value = 0
        self.launch.use(self._addresses[side])
        self.launch.run(threads)
        return self.was_fine()

    @property
    def gates(self) -> ModuleType:
        """What makes gates, and says whether there are any."""
        found: ModuleType = native.gate
        return found

    def gate(
        self,
        side: int,
        arguments: int,
        shared: Any,
        program: Any,
        records: list[tuple[int, ...]],
        held: Any,
        runs: bool,
    ) -> Gate:
        """A gate for calls on `tables[side]` with as many threads as in the last one; see `gate.Gate`."""
        failed, kept = self._error.ctypes.data, (self.code, self._memory, self._scratch, self._error, held)
        made: Gate = native.gate.Gate(
            self.launch, self._addresses[side], failed, arguments, shared, program, records, kept, runs=runs
        )
        return made

    def was_fine(self) -> bool:
        """Whether the last run met no index out of range."""
        return not self._failed.value

    def report(self, arrays: Sequence[Array | None] | None = None) -> Report:
        """What became of the graph. With `arrays`, its inputs as far as they are known, calls are timed."""
        found: Report = native.report.report(self, arrays)
        return found

    def _fail(self, arrays: Sequence[Array]) -> list[Array]:
        """The other executor raises, or finds that nothing is wrong."""
        return self.explain(self.graph)(arrays)


def aligned(size: int) -> Any:
    """So many bytes, at an address that is a multiple of `ALIGNMENT`."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]
