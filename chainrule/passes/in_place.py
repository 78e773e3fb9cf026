"""Which outputs may be written over the inputs that they replace: a parameter's new value over its old one.

An output may, if the old value is read by nobody after its first element was overwritten: by calls of earlier phases
alone, and by the call that writes it only where it writes. And it must not be written before all indices of the program
were found in range: a step that fails leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.passes.kernels import Access, Apply, Call, Level, Load, Product, Whole
from chainrule.passes.schedule import Turn

_REFUSING = frozenset(
    ("gather", "index_select", "take_points", "pick", "index_add", "scatter", "scatter_add", "put_points", "bernoulli")
)


def may_refuse(call: Call) -> bool:
    """Whether a call may meet an index that is out of range."""
    kernel = call.kernel
    if isinstance(kernel, Whole):
        return kernel.primitive in _REFUSING
    return any(
        step.index is not None if isinstance(step, Load) else isinstance(step, Apply) and step.primitive in _REFUSING
        for step in kernel.steps
    )


def last_refusing(phases: Sequence[Sequence[Turn]]) -> int:
    """The last phase with a call that may refuse, -1 if there is none."""
    return max([k for k, phase in enumerate(phases) if any(may_refuse(turn.call) for turn in phase)], default=-1)


def in_place(phases: Sequence[Sequence[Turn]], replaced: Mapping[int, int]) -> frozenset[int]:
    """The buffers, of `replaced` {output's buffer: input's buffer}, that may have the input's memory."""
    readers: dict[int, list[tuple[int, Turn]]] = {}
    writers: dict[int, list[tuple[int, Turn]]] = {}
    for k, phase in enumerate(phases):
        for turn in phase:
            for buffer in turn.call.reads:
                readers.setdefault(buffer, []).append((k, turn))
            for buffer in turn.call.writes:
                writers.setdefault(buffer, []).append((k, turn))
    safe_after = last_refusing(phases)
    found = set()
    for output, source in replaced.items():
        if len(writers.get(output, ())) != 1:
            continue
        ((written, writer),) = writers[output]
        others = [k for k, turn in readers.get(source, ()) if turn is not writer]
        if written > safe_after and all(k < written for k in others) and _in_step(writer, output, source):
            found.add(output)
    return frozenset(found)


def _in_step(turn: Turn, output: int, source: int) -> bool:
    """Whether a call reads the old value only where, and when, it writes the new one."""
    call, kernel = turn.call, turn.call.kernel
    if source not in call.buffers:
        return True
    if isinstance(kernel, Whole):
        return False
    reads = {k for k, buffer in enumerate(call.buffers) if buffer == source}
    if isinstance(kernel, Product) and reads & {kernel.a.operand, kernel.b.operand}:
        return False
    stores = [store for store in kernel.stores if call.buffers[store.access.operand] == output]
    loads = [step for step in kernel.steps if isinstance(step, Load) and step.access.operand in reads]
    places = {_place(store.access) for store in stores}
    if any(store.level is Level.UNIFORM for store in stores) and turn.owner < 0:
        return False  # the first share would write what the others still read
    levels = {store.level for store in stores} | {load.level for load in loads}
    same = all(load.index is None and _place(load.access) in places for load in loads)
    return len(places) == 1 and len(levels) == 1 and same


def _place(access: Access) -> tuple[tuple[int, ...], int]:
    return access.strides, access.offset
