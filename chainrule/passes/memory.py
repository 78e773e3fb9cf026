"""Where buffers lie in one arena: two share memory if no phase needs both."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chainrule.passes.schedule import Turn

ALIGNMENT = 64


def lifetimes(phases: Sequence[Sequence[Turn]]) -> dict[int, tuple[int, int]]:
    """The first and the last phase that touch each buffer."""
    found: dict[int, tuple[int, int]] = {}
    for k, phase in enumerate(phases):
        for turn in phase:
            for buffer in turn.call.buffers:
                found[buffer] = (found.get(buffer, (k, k))[0], k)
    return found


def plan(sizes: Mapping[int, int], lives: Mapping[int, tuple[int, int]]) -> tuple[dict[int, int], int]:
    """(the offset of each buffer, the bytes of the arena), for buffers of `sizes` bytes."""
    born: dict[int, list[int]] = defaultdict(list)
    dying: dict[int, list[int]] = defaultdict(list)
    for buffer in sizes:
        first, last = lives[buffer]
        born[first].append(buffer)
        dying[last].append(buffer)
    free, offsets = _Free(), {}
    for phase in sorted(born.keys() | dying.keys()):
        for buffer in sorted(born[phase], key=lambda b: (-sizes[b], b)):
            offsets[buffer] = free.take(_rounded(sizes[buffer]))
        for buffer in dying[phase]:
            free.give(offsets[buffer], _rounded(sizes[buffer]))
    return offsets, free.end


def _rounded(size: int) -> int:
    return max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)


class _Free:
    """The free ranges below `end`, in order, none next to another."""

    def __init__(self) -> None:
        self.end = 0
        self._ranges: list[tuple[int, int]] = []  # (start, length)

    def take(self, length: int) -> int:
        """The smallest range that fits, else new memory."""
        fitting = [(size, start) for start, size in self._ranges if size >= length]
        if fitting:
            size, start = min(fitting)
            self._ranges.remove((start, size))
            if size > length:
                bisect.insort(self._ranges, (start + length, size - length))
            return start
        start = self.end
        if self._ranges and sum(self._ranges[-1]) == self.end:  # grows out of the last one
            start = self._ranges.pop()[0]
        self.end = start + length
        return start

    def give(self, start: int, length: int) -> None:
        """Back to what is free."""
        at = bisect.bisect(self._ranges, (start, length))
        if at < len(self._ranges) and self._ranges[at][0] == start + length:
            length += self._ranges.pop(at)[1]
        if at and sum(self._ranges[at - 1]) == start:
            start, before = self._ranges.pop(at - 1)
            length += before
            at -= 1
        self._ranges.insert(at, (start, length))


def overlaps(
    offsets: Mapping[int, int], sizes: Mapping[int, int], lives: Mapping[int, tuple[int, int]]
) -> Iterable[tuple[int, int]]:
    """Pairs of buffers that share memory though a phase needs both: none, in a right plan. For tests."""
    names = sorted(offsets, key=offsets.__getitem__)
    for k, a in enumerate(names):
        for b in names[k + 1 :]:
            if offsets[b] >= offsets[a] + _rounded(sizes[a]):
                break
            if lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]:
                yield a, b
