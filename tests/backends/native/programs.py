"""Programs for the tests of the pool: kernels that tell who ran them, and phases that need what other threads wrote."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from chainrule.backends.native import walk
from chainrule.backends.native.cache import Cache
from chainrule.backends.native.jit import Library, compile_object, host_level
from chainrule.backends.native.pool import Launch, Pool
from chainrule.backends.native.text import Function, Index, Reg, module_text

NOWHERE = Cache(None)
UNITS = 1003
STRIDE = 64
_PARAMETERS = [("ptr", "table"), ("ptr", "slots"), ("ptr", "scratch"), ("i64", "part"), ("i64", "parts")]


def _kernel(name: str, operands: int) -> tuple[Function, list[Reg]]:
    f = Function(name, _PARAMETERS, host_level())
    slots = [f.load(f.pointer(f.parameters["slots"], k, "i64"), "i64") for k in range(operands)]
    return f, [f.load(f.pointer(f.parameters["table"], slot, "ptr"), "ptr") for slot in slots]


def _mix() -> Function:
    """y[u] = 3 x[(7 u + 11) % UNITS] + x[u] + 1: most of what a part reads was written by other parts."""
    f, (x, y) = _kernel("mix", 2)
    part, parts = f.parameters["part"], f.parameters["parts"]
    start = f.op("udiv", f.index(f.mul(part, UNITS)), parts)
    stop = f.op("udiv", f.index(f.mul(f.add(part, 1), UNITS)), parts)

    def unit(u: Index) -> None:
        _, far = f.divmod(f.add(f.mul(u, 7), 11), UNITS)
        there = f.op("mul", f.load(f.pointer(x, far, "i64"), "i64"), f.const(3, "i64"))
        here = f.op("add", f.load(f.pointer(x, u, "i64"), "i64"), f.const(1, "i64"))
        f.store(f.op("add", there, here), f.pointer(y, u, "i64"))

    f.range(start, stop, 1, unit)
    f.end()
    return f


def _sign() -> Function:
    """out[part] = (scratch, part, parts)."""
    f, (out,) = _kernel("sign", 1)
    scratch, part, parts = f.parameters["scratch"], f.parameters["part"], f.parameters["parts"]
    place = f.pointer(out, f.mul(part, 3), "i64")
    for k, word in enumerate([f.value(f"ptrtoint ptr {scratch.name} to i64", "i64"), part, parts]):
        f.store(word, f.pointer(place, k, "i64"))
    f.end()
    return f


def _fail() -> Function:
    """Sets the error word to 7 in the last part."""
    f, _ = _kernel("fail", 0)
    last = f.compare("icmp eq", f.index(f.add(f.parameters["part"], 1)), f.parameters["parts"])
    f.when(last, lambda: f.store(f.const(7, "i64"), f.load(f.parameters["table"], "ptr")))
    f.end()
    return f


def _mode() -> Function:
    """out[part] = the smallest normal number / 2: zero for a thread that flushes denormals."""
    f, (out,) = _kernel("mode", 1)
    number = f.load(out, "float")  # the first element holds the smallest normal number
    place = f.pointer(out, f.add(f.parameters["part"], 1), "float")
    f.store(f.op("fmul", number, f.const(0.5, "float")), place)
    f.end()
    return f


@functools.cache
def kernels() -> Library:
    level = host_level()
    return Library(compile_object(module_text([_mix(), _sign(), _fail(), _mode()], level), level))


class Program:
    """Steps over arrays. A step is a code of `walk`, or a kernel's name, its operands' places and its owner."""

    def __init__(
        self, steps: Sequence[int | tuple[str, tuple[int, ...], int]], arrays: Sequence[np.ndarray], threads: int = 8
    ) -> None:
        self.library = kernels()  # held, as whoever launches must
        self.error = np.zeros(1, np.int64)
        self.arrays = [self.error, *arrays]
        self.table = np.array([a.ctypes.data for a in self.arrays], np.int64)
        self.slots = []
        words = []
        for step in steps:
            if isinstance(step, int):
                words.append([step, 0, 0, 0])
            else:
                name, operands, owner = step
                self.slots.append(np.array(operands, np.int64))
                words.append([self.library.address(name), self.slots[-1].ctypes.data, owner, 0])
        self.steps = np.array([*words, [walk.END, 0, 0, 0]], np.int64)
        self.scratch = np.zeros(STRIDE * threads, np.uint8)
        self.descriptor = np.zeros(len(walk.DESCRIPTOR), np.int64)
        self.descriptor[:4] = self.steps.ctypes.data, self.table.ctypes.data, self.scratch.ctypes.data, STRIDE

    def run(self, pool: Pool, threads: int) -> None:
        pool.run(self.descriptor.ctypes.data, threads)

    def launch(self, pool: Pool, areas: int) -> Launch:
        words = self.descriptor
        return Launch(pool, int(words[0]), int(words[1]), int(words[2]), STRIDE, areas)


def mixing(phases: int, code: int = walk.BARRIER) -> tuple[Program, np.ndarray]:
    """A program of phases that mix x into y and back, and what it makes of zeros. `phases` is even."""
    x, y = np.zeros(UNITS, np.int64), np.zeros(UNITS, np.int64)
    steps: list[int | tuple[str, tuple[int, ...], int]] = []
    for k in range(phases):
        steps += [("mix", (1, 2) if k % 2 == 0 else (2, 1), walk.ALL), code]
    return Program(steps, [x, y]), mixed(phases)


def mixed(phases: int) -> np.ndarray:
    x = np.zeros(UNITS, np.int64)
    for _ in range(phases):
        x = 3 * x[(7 * np.arange(UNITS) + 11) % UNITS] + x + 1
    return x
