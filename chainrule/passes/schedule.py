"""When each call runs: phases between barriers, and which thread runs what is too small to share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.passes.kernels import Apply, Call, Columns, Level, Product, Rows

SHARED = 40_000  # operations from which a call is worth sharing among threads: a few microseconds
MOVED = 10  # what an element of a product's matrices costs: half of them another core may have made
# What an elementwise primitive costs, in additions.
_COST = {
    **dict.fromkeys(("exp", "log", "tanh", "sigmoid", "erf", "expm1", "log1p", "sin", "cos"), 12),
    **dict.fromkeys(("ndtr", "pow", "normal", "uniform", "bernoulli", "randint"), 30),
    **dict.fromkeys(("div", "sqrt", "rsqrt", "over", "reciprocal"), 4),
}


@dataclass(frozen=True)
class Turn:
    """A call in its phase: run by all threads (`owner` -1), or by one of them."""

    call: Call
    owner: int


def cost_of(call: Call) -> int:
    """A call's work, in additions of one element."""
    kernel = call.kernel
    if isinstance(kernel, Product):
        moved = kernel.m * kernel.k + kernel.k * kernel.n + kernel.m * kernel.n
        return math.prod(kernel.batch) * (2 * kernel.m * kernel.n * kernel.k + MOVED * moved)
    if isinstance(kernel, Rows | Columns):
        points = math.prod(kernel.domain)
        steps = [s for s in kernel.steps if s.level is Level.ELEMENT]
        return points * (
            len(kernel.stores) + sum(_COST.get(s.primitive, 1) if isinstance(s, Apply) else 1 for s in steps)
        )
    return int(getattr(kernel, "cost", SHARED))


def schedule(calls: Sequence[Call], replaced: Mapping[int, int] | None = None) -> list[list[Turn]]:
    """The calls in phases: each as early as what it reads allows.

    A buffer is written by one call, or by several that write different parts of it. With `replaced` {output's buffer:
    input's buffer}, a call that makes an output waits for the other readers of the input that it replaces, if that
    takes no further phase: it may then write over it.
    """
    ready: dict[int, int] = {}  # the first phase that may read a buffer
    unwritten = {buffer for call in calls for buffer in call.writes}
    when: list[int] = []
    for call in calls:
        assert not call.reads & unwritten, f"{call.label} reads what nothing has written yet"
        unwritten -= call.writes
        when.append(max([ready.get(buffer, 0) for buffer in call.reads], default=0))
        for buffer in call.writes:
            ready[buffer] = max(ready.get(buffer, 0), when[-1] + 1)
    if replaced:
        _delay(calls, when, replaced)
    phases: list[list[Call]] = [[] for _ in range(max(when, default=-1) + 1)]
    for call, phase in zip(calls, when, strict=True):
        phases[phase].append(call)
    return [_shared(phase) for phase in phases]


def _delay(calls: Sequence[Call], when: list[int], replaced: Mapping[int, int]) -> None:
    """Moves what makes replacing outputs, and nothing that others read, behind the readers of what is replaced."""
    readers: dict[int, list[int]] = {}
    for k, call in enumerate(calls):
        for buffer in call.reads:
            readers.setdefault(buffer, []).append(k)
    last = max(when, default=0)
    for k, call in enumerate(calls):
        if any(buffer in readers for buffer in call.writes):
            continue
        sources = [replaced[buffer] for buffer in call.writes if buffer in replaced]
        others = {j for source in sources for j in readers.get(source, ())} - {k}
        wanted = max([when[j] + 1 for j in others], default=0)
        if when[k] < wanted <= last:
            when[k] = wanted


def _shared(calls: list[Call]) -> list[Turn]:
    """Large calls first, each by all threads; the small ones dealt out, the largest first, back and forth.

    Reductions of columns come last of the large ones: they read the rows that all threads have made, where most others
    read those that their own thread has made, and still has in its cache.
    """
    costs = {id(call): cost_of(call) for call in calls}
    large = [call for call in calls if costs[id(call)] >= SHARED]
    large.sort(key=lambda call: isinstance(call.kernel, Columns))
    small = sorted((call for call in calls if costs[id(call)] < SHARED), key=lambda call: -costs[id(call)])
    turns = [Turn(call, -1) for call in large]
    for k, call in enumerate(small):
        turns.append(Turn(call, k if k // 2 % 2 == 0 else k ^ 1))
    return turns
