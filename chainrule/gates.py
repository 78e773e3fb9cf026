"""The gates of short calls (`short_call.py`): what a call depends on, as records for machine code.

A gate is planned after a call that Python has looked at. It holds for as long as the very same objects are in place.
"""

from __future__ import annotations

import functools
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import cell_memory
from chainrule.checks import MISSING
from chainrule.glance import Seen
from chainrule.ir import state
from chainrule.ir.value import Leaf, Value
from chainrule.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.short_call import ShortCall

MOST_TENSORS = 8  # as arguments; each pair of them is compared


class Planned:
    """The gates of one program."""

    def __init__(self, gates: list[Any], ran: int, looks_at_all: bool, runs: bool) -> None:
        self.calls = [gate.call for gate in gates]  # for each side: each puts arguments into the table of one
        self.call, self.finish = gates[0].call, gates[0].finish
        self.ran = ran  # what `call` answers if all is done; 0 if the call is to be made another way, else `finish` it
        self.looks_at_all = looks_at_all  # if not, Python has to look at what the trace took for granted
        self.runs = runs  # if not, Python runs the program
        self._gates = gates


def planned(short: ShortCall) -> Planned | None:
    """Gates for the calls that follow one that was just made; None if there can be none now.

    Where results get new memory, or cells another value, they only look, and Python runs the program.
    """
    if short.looks:
        return None
    runner, settings, uses, threads = short.runner, state.deciding(), state.cell_uses(), state.threads()
    code, offset = runner.gates.layout, _offset_of_gradient(runner.gates)
    if offset is None or settings != short.settings or uses is not short.uses or runner.launch.told != runner.threads():
        return None
    if not _tensors_fit(short):
        return None
    seen = short.program.observations.seen()
    looks = None if seen is None else _looks(code, *seen)
    runs = not (short.turning or short.large)
    records = [
        *(looks or ()),  # first: they may call Python's functions, and what follows has to hold when the program runs
        *[(code.CONTEXT, id(variable), id(value)) for variable, value in zip(state.DECIDING, settings, strict=True)],
        (code.ELEMENTS, id(state.PLACES["threads"]), 1, id(threads)),
        *_arguments(code, short),
    ]
    if runs:  # what Python would see to
        records += [
            (code.ELEMENTS, id(state.PLACES["cell_uses"]), 1, id(uses)),
            (code.ELEMENTS, id(cell_memory.MOVED), 1, id(short.move)),
            *[(code.SLOT, id(leaf), offset, id(held)) for leaf, held in short.program.other_gradients],
            *[(code.NUMBER, id(handle), cell_memory.address_of(memory)) for handle, memory, _ in short.numbers],
        ]
    held, shared = (settings, uses, threads, short.move, seen), (cell_memory.RUNNING, cell_memory.RETIRED)
    gates = [runner.gate(side, short.count, shared, short, records, held, runs) for side in ((0,) if runs else (0, 1))]
    return Planned(gates, code.RAN, looks is not None, runs)


def _tensors_fit(short: ShortCall) -> bool:
    """Whether arguments that are tensors are none that the program knows by another way, and few."""
    program = short.program
    known = {id(s.thing) for s in program.sources if s.kind == "cell"}
    known |= {id(t.thing) for t in program.targets if t.kind == "cell"}
    return not short.tensors or (len(short.tensors) <= MOST_TENSORS and program.captured <= known)


def _arguments(code: Any, short: ShortCall) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for kind, layouts in ((code.ARRAY, short.arrays), (code.TENSOR, short.tensors)):
        for position, slot, shape, strides, dtype in layouts:
            found.append((kind, position, slot, id(dtype), len(shape), *shape, *strides))
    found += [(code.ARGUMENT, position, id(value)) for position, _, value in short.constants]
    pairs = combinations([layout.position for layout in short.tensors], 2)
    return found + [(code.DIFFER, one, other) for one, other in pairs]


def _looks(code: Any, version: int, seen: list[Seen]) -> list[tuple[int, ...]] | None:
    """Records of what was seen, None if there is something that gates do not read."""
    records: list[tuple[int, ...]] = [(code.ELEMENTS, id(state.PLACES["version"]), 1, id(version))]
    for each in seen:
        record = _look(code, each)
        if record is None:
            return None
        records.append(record)
    return records


def _look(code: Any, seen: Seen) -> tuple[int, ...] | None:
    (kind, thing, names), length, objects = seen
    if kind == "items":
        pairs = zip(objects[:length], objects[length:], strict=True)
        return (code.ITEMS, id(thing), length, *[id(part) for pair in pairs for part in pair])
    if kind == "scope":
        values = dict(zip(names, map(id, objects[length:]), strict=True))
        wanted = [(id(name), values.get(name, 0)) for name in objects[:length]]
        return (code.SCOPE, id(thing), length, *[part for pair in wanted for part in pair])
    if kind == "elements":
        return (code.ELEMENTS, id(thing), length, *map(id, objects)) if isinstance(thing, list) else None
    if kind == "entry":
        (name,), (value,) = names, objects
        return (code.ENTRY, id(thing), id(name), 0 if value is MISSING else id(value))
    return (code.VARIABLE, id(thing), id(objects[0]))


@functools.cache
def _offset_of_gradient(gates: Any) -> int | None:
    """Where a leaf keeps its gradient; None if there are no gates here. Tells their code of tensors."""
    offsets = gates.offsets_of(Leaf(), ("gradient",)) if gates.is_possible() else None
    if offsets is None or not gates.know(Tensor(Value(np.zeros(1))), Value(np.zeros(1))):
        return None
    offset: int = offsets[0]
    return offset
