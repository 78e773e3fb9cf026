"""The machine's limit, measured: float32 multiply-adds that never leave the registers."""

from __future__ import annotations

import ctypes
import threading
import time

import numpy as np

from chainrule.backends.native.cache import user_cache
from chainrule.backends.native.jit import host_level, load
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Reg, module_text, vector

_ROUNDS = 200_000  # of the loop in a call: a few milliseconds, without Python's lock


def chains_of(level: Level) -> int:
    """Independent sums, one to a register: enough to hide the latency of a multiply-add, 4 cycles on 2 units or so."""
    return min(16, level.registers - 4)


def text(level: Level) -> str:
    """`peak(ptr numbers, i64 rounds)`: every round, x = x a + b in each chain; a and b are the first two vectors."""
    f = Function("peak", (("ptr", "numbers"), ("i64", "rounds")), level)
    type = vector(level.width, "float")
    numbers = f.parameters["numbers"]
    a, b = [f.load(f.pointer(numbers, k * level.width, "float"), type) for k in range(2)]

    def body(_: Reg, sums: list[Reg]) -> list[Reg]:
        return [f.fma(x, a, b) for x in sums]

    start = [b] * chains_of(level)
    first, *others = f.loop(0, f.parameters["rounds"], 1, body, start, at_least_once=True)
    for one in others:
        first = f.op("fadd", first, one)
    f.store(first, numbers)
    f.end()
    return module_text([f], level)


def measure(threads: int = 1, seconds: float = 0.3, level: Level | None = None) -> float:
    """GFLOP/s of so many threads together, a multiply-add counted as two: the sum of each thread's best call."""
    level = level or host_level()
    code = load(text(level), level, user_cache())
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("peak"))
    best = [float("inf")] * threads
    together = threading.Barrier(threads)

    def work(thread: int) -> None:
        numbers = np.full(2 * level.width, 0.5, np.float32)  # x = x / 2 + 1 / 2 stays an ordinary number
        together.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            numbers[:] = 0.5
            start = time.perf_counter()
            run(numbers.ctypes.data, _ROUNDS)
            best[thread] = min(best[thread], time.perf_counter() - start)

    workers = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    flops = 2 * level.width * chains_of(level) * _ROUNDS
    return sum(flops / each for each in best) / 1e9
