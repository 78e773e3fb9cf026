"""What became of a program, as text: its kernels, what they move and compute, what stands in memory and why.

On request each call is timed alone, in memory of its own: nothing that the program holds is written.
"""

from __future__ import annotations

import ctypes
import math
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.backends.native import walk
from chainrule.backends.native.jit import host_level
from chainrule.backends.native.pool import process_pool
from chainrule.ir.types import Array, Type
from chainrule.passes.tally import KernelTally, ProgramTally, StoredTally, tally

if TYPE_CHECKING:
    from chainrule.backends.native.runner import Runner

WIDTH = 120
_ROUND_SECONDS = 2e-4  # so long that a launch, a microsecond, does not count
_ROUNDS = 5


@dataclass(frozen=True)
class Report:
    """A program in machine code. `str()` gives a table; `tally` has the figures."""

    level: str
    threads: int
    tally: ProgramTally
    scratch_bytes: int  # per thread
    seconds: tuple[float, ...] | None = None  # of each call, alone

    executor = "native"

    def __str__(self) -> str:
        return "\n".join([*self._head(), "", *self._kernels(), *self._stored()])

    def _head(self) -> list[str]:
        t = self.tally
        totals = (
            f"{amount(t.flops)}FLOP, of which in products {amount(t.product_flops)}FLOP; "
            f"{amount(t.bytes_read)}B read, {amount(t.bytes_written)}B written; "
            f"arena {amount(t.arena_bytes)}B, scratch {amount(self.scratch_bytes)}B a thread"
        )
        parts = (counted(len(t.kernels), "kernel"), f"{t.distinct} distinct", counted(t.phases, "phase"))
        counts = ", ".join([*parts, counted(t.barriers, "barrier")])
        lines = [f"executor native ({self.level}, {counted(self.threads, 'thread')}): {counts}", totals]
        if self.seconds is not None:
            lines.append(f"{sum(self.seconds) * 1e6:.1f} us in all, each call alone, best of {_ROUNDS}")
        return lines

    def _kernels(self) -> list[str]:
        lines = [_row(_HEADINGS, self.seconds is not None, "what")]
        phase = -1
        for run in _runs(self.tally.kernels):
            if run[0].phase != phase:
                phase = run[0].phase
                lines.append(f"phase {phase}")
            lines += self._kernel(run)
        return lines

    def _kernel(self, run: list[KernelTally]) -> list[str]:
        """A kernel, or several of one phase with the same code, as one row."""
        first, count = run[0], len(run)
        read, written, flops = (
            sum(getattr(one, name) for one in run) for name in ("bytes_read", "bytes_written", "flops")
        )
        number = f"{first.number}" if count == 1 else f"{first.number}-{run[-1].number}"
        shared = "all" if first.owner < 0 else "one"
        words = [number, first.kind, "x".join(map(str, first.shape)), shared]
        words += [f"{amount(read)}B", f"{amount(written)}B", amount(flops).rstrip()]
        if self.seconds is not None:
            seconds = sum(self.seconds[one.number] for one in run)
            words += [f"{seconds * 1e6:.1f}", f"{flops / seconds / 1e9:.1f}", f"{(read + written) / seconds / 1e9:.1f}"]
        return _wrapped(_row(words, self.seconds is not None, ""), _what(run))

    def _stored(self) -> list[str]:
        stored = self.tally.stored
        if not stored:
            return ["", "Nothing is stored between kernels."]
        total = amount(sum(one.size for one in stored))
        lines = ["", f"Stored between kernels, not fused: {counted(len(stored), 'value')}, {total}B"]
        alike: dict[tuple[str, str], list[StoredTally]] = defaultdict(list)
        for one in stored:
            alike[one.value, one.why].append(one)
        for (value, why), ones in alike.items():
            count = f"{len(ones)} x " if len(ones) > 1 else ""
            size = f"{amount(sum(one.size for one in ones))}B"
            first = ones[0]
            readers = ", ".join(map(str, first.readers[:4])) + (", ..." if len(first.readers) > 4 else "")
            way = f"{first.writer} to {readers}" + (", ..." if len(ones) > 1 else "")
            lines += _wrapped(f"  {count + value:<34} {size:>8}  kernel {way:<18}", why)
        return lines


# Rows: (heading, width); a negative width aligns to the left.
_COLUMNS = (
    ("#", 7), ("kind", -11), ("shape", -16), ("by", -3), ("read", 7), ("written", 7), ("FLOP", 7),
    ("us", 8), ("GFLOP/s", 7), ("GB/s", 6),
)  # fmt: skip
_HEADINGS = [name for name, _ in _COLUMNS]
_UNTIMED = 7


def _row(words: Sequence[str], timed: bool, what: str) -> str:
    columns = _COLUMNS if timed else _COLUMNS[:_UNTIMED]
    cells = [f"{word:<{-width}}" if width < 0 else f"{word:>{width}}" for word, (_, width) in zip(words, columns)]  # noqa: B905
    return " ".join([*cells, what]).rstrip() if what else " ".join(cells)


def _wrapped(head: str, text: str) -> list[str]:
    """A row whose last column goes on below itself."""
    left = min(len(head) + 1, WIDTH - 20)
    lines = textwrap.wrap(text, WIDTH - left) or [""]
    first = f"{head} {lines[0]}" if len(head) + 1 == left else f"{head[: left - 1]} {lines[0]}"
    return [first.rstrip(), *[" " * left + line for line in lines[1:]]]


def _runs(kernels: Sequence[KernelTally]) -> list[list[KernelTally]]:
    """Neighbours of one phase with the same code, shared out alike."""
    found: list[list[KernelTally]] = []
    for one in kernels:
        last = found[-1][-1] if found else None
        if last is not None and (last.phase, last.kernel, last.owner < 0) == (one.phase, one.kernel, one.owner < 0):
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _what(run: list[KernelTally]) -> str:
    """Where kernels come from, and what they compute: `layers.0: matmul add relu`, `mul x3` for three of them."""
    first = run[0]
    names = [name if count == 1 else f"{name} x{count}" for name, count in Counter(first.fused).items()]
    more = f" and {len(run) - 1} more" if len(run) > 1 else ""
    origin = f"{first.origin}{more}: " if first.origin else ""
    return origin + ", ".join(names)


def amount(count: float) -> str:
    """A number in three digits and a unit's prefix: 1.23 M, 64.0 k, 12 (followed by a blank, as the others are)."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size * 0.9995:
            scaled = count / size
            return f"{scaled:.{max(0, 2 - int(math.log10(max(scaled, 1))))}f} {prefix}"
    return f"{count:.0f} "


def counted(count: int, noun: str) -> str:
    """1 kernel, 2 kernels."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


# Making one


def report(runner: Runner, arrays: Sequence[Array | None] | None = None) -> Report:
    """The report of a program. With `arrays`, its inputs (None: made up), its calls are timed."""
    threads = max(1, runner.threads())
    external = {*range(runner.inputs), *runner.outputs}
    arena = [buffer for buffer in runner.buffers.number.values() if buffer not in external]
    found = tally(runner.buffers, runner.phases, arena, runner.arena_bytes)
    seconds = None if arrays is None else tuple(Rehearsal(runner, arrays, threads).seconds())
    return Report(host_level().name, threads, found, runner.scratch_bytes, seconds)


class Rehearsal:
    """A program's calls run one at a time, in order, in memory of their own."""

    def __init__(self, runner: Runner, arrays: Sequence[Array | None], threads: int) -> None:
        self._runner, self._threads = runner, threads
        self._pool = process_pool()
        self._held: list[Any] = []
        self._table = np.array(runner.tables[0])
        self._table[0] = self._memory(np.zeros(1, np.int64))
        move = self._memory(np.zeros(max(runner.arena_bytes, 1), np.uint8)) - runner.arena_address
        for buffer in runner.buffers.number.values():
            self._table[1 + buffer] += move
        for k, (array, type) in enumerate(zip(arrays, runner.input_types, strict=True)):
            self._table[1 + k] = self._memory(made_up(type) if array is None else array.astype(type.dtype.numpy))
        for buffer, type in zip(runner.outputs, runner.output_types, strict=True):
            if buffer >= runner.inputs:  # else written over the input
                self._table[1 + buffer] = self._memory(np.zeros(type.shape, type.dtype.numpy))
        self._scratch = self._memory(np.zeros(runner.scratch_bytes * threads, np.uint8))

    def _memory(self, array: Array) -> int:
        """The address of a copy, aligned as the program's memory is."""
        raw = np.zeros(array.nbytes + 64, np.uint8)
        start = -raw.ctypes.data % 64
        raw[start : start + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._held.append(raw)
        return int(raw.ctypes.data + start)

    def seconds(self) -> list[float]:
        """The best time of each call. The calls before it have run, so that it finds what it reads."""
        steps = self._runner.steps
        return [self._timed(step) for step in steps if step[0] not in (walk.END, walk.BARRIER, walk.CHECKED_BARRIER)]

    def _timed(self, step: Array) -> float:
        once = self._run(step, 1)
        repeats = max(1, min(2000, math.ceil(_ROUND_SECONDS / max(self._run(step, 1), 1e-9))))
        return min([once, *[self._run(step, repeats) for _ in range(_ROUNDS)]])

    def _run(self, step: Array, repeats: int) -> float:
        """Seconds of one call, of `repeats` with a barrier behind each."""
        barrier = np.array([walk.BARRIER, 0, 0, 0], np.int64)
        steps = np.concatenate([np.tile([step, barrier], (repeats, 1)), np.array([[walk.END, 0, 0, 0]], np.int64)])
        addresses = [steps.ctypes.data, self._table.ctypes.data, self._scratch, self._runner.scratch_bytes]
        threads = self._threads if step[2] == walk.ALL else 1  # nobody waits for who has no part in it
        words = (ctypes.c_int64 * len(walk.DESCRIPTOR))(*addresses, threads)
        start = time.perf_counter()
        self._pool.run(ctypes.addressof(words), threads)
        return (time.perf_counter() - start) / repeats


def made_up(type: Type) -> Array:
    """An input of a type: ordinary numbers; zeros where they might be indices."""
    if not type.dtype.is_floating_point:
        return np.zeros(type.shape, type.dtype.numpy)
    return np.random.default_rng(0).standard_normal(type.shape).astype(type.dtype.numpy)
