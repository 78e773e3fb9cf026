"""Which steps of a row are done in which pass over it.

A reduction needs all elements before its value is known; what depends on the value comes in a later pass. Elements that
a later pass needs again are computed again, or kept, where that costs more than memory. All ELEMENT stores are made in
the last pass, since until then places that they overwrite are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.backends.native.body import operands_of, used_steps
from chainrule.passes.kernels import Apply, Constant, Level, Load, Reduce, Step, Store

# What is kept costs a store and a load.
KEEP_ABOVE = 6
# fmt: off
_CHEAP = frozenset((
    "add", "sub", "mul", "neg", "times", "square", "abs", "relu", "maximum", "minimum", "at_most", "at_least", "clamp",
    "where", "cast", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not",
    "isnan", "isinf", "bitwise_and", "bitwise_or", "bitwise_xor",
))
# fmt: on
_COSTS = {"div": 4, "over": 5, "sqrt": 5, "rsqrt": 8, "reciprocal": 4, "floor": 1, "ceil": 1, "trunc": 1, "round": 1}
_DEAR = 12


@dataclass(frozen=True)
class Stage:
    """One pass over a row."""

    rows: tuple[int, ...]  # the ROW steps that come before it
    elements: tuple[int, ...]
    recalled: tuple[int, ...]  # of earlier passes
    kept: tuple[int, ...]  # of these elements, for later passes
    reduces: tuple[int, ...]
    stores: bool


def staged(
    steps: Sequence[Step], stores: Sequence[Store], unit: frozenset[int], keep: bool
) -> tuple[list[Stage], list[int]]:
    """The passes, and the ROW steps behind the last one. `unit` has the loads of neighbours in memory."""
    used = used_steps(steps, stores)
    depth = _depths(steps)
    ends = [depth[store.step] for store in stores if store.level is Level.ELEMENT]
    ends += [depth[step.operand] for k, step in enumerate(steps) if k in used and isinstance(step, Reduce)]
    last = max(ends, default=-1)
    roots: list[list[int]] = []
    for number in range(last + 1):
        found = [
            s.operand for k, s in enumerate(steps) if k in used and isinstance(s, Reduce) and depth[k] == number + 1
        ]
        if number == last:
            found += [store.step for store in stores if store.level is Level.ELEMENT]
        roots.append([k for k in found if steps[k].level is Level.ELEMENT])
    passes, recalled = _passes(steps, roots, _costs(steps, unit), keep)
    result = []
    for number in range(last + 1):
        later = frozenset().union(*recalled[number + 1 :])
        result.append(
            Stage(
                tuple(k for k in _row_steps(steps, used) if depth[k] == number),
                tuple(passes[number]),
                tuple(sorted(recalled[number])),
                tuple(k for k in passes[number] if k in later),
                tuple(k for k, s in enumerate(steps) if k in used and isinstance(s, Reduce) and depth[k] == number + 1),
                number == last and any(store.level is Level.ELEMENT for store in stores),
            )
        )
    return result, [k for k in _row_steps(steps, used) if depth[k] > last]


def _row_steps(steps: Sequence[Step], used: frozenset[int]) -> list[int]:
    return [k for k, s in enumerate(steps) if k in used and s.level is Level.ROW and not isinstance(s, Reduce)]


def _depths(steps: Sequence[Step]) -> list[int]:
    """How many reductions a step's value waits for, one behind another."""
    depth: list[int] = []
    for step in steps:
        below = max((depth[o] for o in operands_of(step)), default=0)
        depth.append(below + 1 if isinstance(step, Reduce) else below)
    return depth


def _costs(steps: Sequence[Step], unit: frozenset[int]) -> list[float]:
    """Roughly the instructions that an ELEMENT step takes, with all that it needs."""
    costs: list[float] = []
    for k, step in enumerate(steps):
        if step.level is not Level.ELEMENT or isinstance(step, Constant):
            costs.append(0)
        elif isinstance(step, Load):
            costs.append(1 if k in unit else _DEAR)
        else:
            own = 1.0
            if isinstance(step, Apply) and step.primitive not in _CHEAP:
                own = _COSTS.get(step.primitive, _DEAR)
            costs.append(own + sum(costs[o] for o in operands_of(step)))
    return costs


def _passes(
    steps: Sequence[Step], roots: list[list[int]], costs: list[float], keep: bool
) -> tuple[list[list[int]], list[set[int]]]:
    """The ELEMENT steps of each pass, in order, and those it takes over from earlier ones."""
    before: set[int] = set()
    passes, recalled = [], []
    for found in roots:
        wanted: set[int] = set()
        taken: set[int] = set()
        waiting = list(found)
        while waiting:
            k = waiting.pop()
            if k in wanted or k in taken or steps[k].level is not Level.ELEMENT:
                continue
            if keep and k in before and costs[k] > KEEP_ABOVE:
                taken.add(k)
            else:
                wanted.add(k)
                waiting.extend(operands_of(steps[k]))
        before |= wanted
        passes.append(sorted(wanted))
        recalled.append(taken)
    return passes, recalled
