"""The same kernel over a simpler domain: fewer dimensions, and memory's order innermost.

Dimensions of one element go; without reductions the dimension along which the stores are contiguous becomes the last;
neighbours that every access runs through as one become one. None of this changes the value of any point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from chainrule.backends.native.body import operands_of
from chainrule.passes.kernels import Access, Level, Load, Position, Reduce, Rows, Step

Strides = tuple[int, ...]


def simplified(kernel: Rows, lanes: int) -> Rows:
    """A kernel of the same values over a simpler domain."""
    if 0 in kernel.domain:
        return kernel
    free = is_free(kernel)
    kernel = _without_ones(kernel, free)
    if free:
        kernel = _reordered(kernel, lanes)
    return _merged(kernel, free)


def is_free(kernel: Rows) -> bool:
    """Whether the last dimension means no more than the others: nothing is done once per row."""
    return not any(isinstance(step, Reduce) for step in kernel.steps) and all(
        store.level is not Level.ROW for store in kernel.stores
    )


def _without_ones(kernel: Rows, free: bool) -> Rows:
    last = len(kernel.domain) - 1
    kept = [d for d, length in enumerate(kernel.domain) if length != 1 or (d == last and not free)]
    kept = kept or [last]
    return _picked(kernel, kept, free)


def _picked(kernel: Rows, dimensions: Sequence[int], free: bool) -> Rows:
    domain = tuple(kernel.domain[d] for d in dimensions)
    return _changed(kernel, domain, lambda strides: tuple(strides[d] for d in dimensions), free)


def _merged(kernel: Rows, free: bool) -> Rows:
    """Neighbours d, d + 1 become one where a step along d is as far as all the steps along d + 1."""
    d = len(kernel.domain) - 2
    while d >= 0:
        length = kernel.domain[d + 1]
        ends = d + 1 == len(kernel.domain) - 1
        if (free or not ends) and all(strides[d] == strides[d + 1] * length for strides in _all_strides(kernel)):
            domain = (*kernel.domain[:d], kernel.domain[d] * length, *kernel.domain[d + 2 :])
            without = d
            kernel = _changed(kernel, domain, lambda s, d=without: (*s[:d], *s[d + 1 :]), free)  # type: ignore[misc]
        d -= 1
    return kernel


def _reordered(kernel: Rows, lanes: int) -> Rows:
    """The last dimension is the one that costs least; the others follow the stores' strides."""
    last = len(kernel.domain) - 1
    costs = [_cost(kernel, d, lanes) for d in range(last + 1)]
    best = min(range(last + 1), key=lambda d: (costs[d], -d))
    if best == last or costs[best] > 0.9 * costs[last]:
        best = last
    written = [store.access.strides for store in kernel.stores if store.level is Level.ELEMENT]
    outer = [d for d in range(last + 1) if d != best]
    if written:
        outer.sort(key=lambda d: -abs(written[0][d]))
    return _picked(kernel, [*outer, best], True)


def _cost(kernel: Rows, d: int, lanes: int) -> float:
    """Instructions per point if d were the last dimension, roughly."""
    length = kernel.domain[d]
    vectors = -(-length // lanes) / length  # per point
    cost = 1 / length  # of a row's beginning
    for strides in _all_strides(kernel, positions=False):
        cost += vectors if strides[d] in (0, 1) else 1.0
    for store in kernel.stores:
        if store.level is Level.ELEMENT:
            cost += vectors if store.access.strides[d] == 1 else 2.0
    return cost + vectors * sum(step.level is Level.ELEMENT for step in kernel.steps)


def _all_strides(kernel: Rows, positions: bool = True) -> Iterator[Strides]:
    for step in kernel.steps:
        if isinstance(step, Load):
            yield step.access.strides
        elif isinstance(step, Position) and positions:
            yield step.strides
    for store in kernel.stores:
        yield store.access.strides


def _changed(kernel: Rows, domain: tuple[int, ...], change: Callable[[Strides], Strides], free: bool) -> Rows:
    """The kernel with other strides; if `free`, the levels follow them."""

    def changed(access: Access) -> Access:
        return replace(access, strides=change(access.strides))

    steps: list[Step] = []
    for step in kernel.steps:
        if isinstance(step, Load):
            step = replace(step, access=changed(step.access))
        elif isinstance(step, Position):
            step = replace(step, strides=change(step.strides))
        steps.append(replace(step, level=_level(step, steps)) if free else step)
    stores = tuple(replace(store, access=changed(store.access)) for store in kernel.stores)
    return replace(kernel, domain=domain, steps=tuple(steps), stores=stores)


def _level(step: Step, earlier: Sequence[Step]) -> Level:
    levels = [earlier[o].level for o in operands_of(step)]
    strides = step.access.strides if isinstance(step, Load) else step.strides if isinstance(step, Position) else ()
    if strides:
        levels.append(Level.ELEMENT if strides[-1] else Level.ROW if any(strides) else Level.UNIFORM)
    return max(levels, default=Level.UNIFORM)


def rows_of(kernel: Rows) -> int:
    """How many rows there are."""
    return math.prod(kernel.domain[:-1])
