"""Expansion: what a backend has no row for is replaced by what its `expand` makes of it, again and again.

It comes after differentiation, so that derivatives are those of the rules, and not of the expansions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from chainrule.ir.graph import Graph
from chainrule.ir.primitive import Primitive
from chainrule.passes.arithmetic_rules import IDENTITIES
from chainrule.passes.rewrite import Rule, Rules, rewrite

HasRow = Callable[[str], bool]
NOTHING = Rules()


class MissingRowError(Exception):
    """A backend has no row for a primitive, and the primitive has no expansion: the backend is not complete."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(
            f"no row and no expansion: {', '.join(names)}. Give the backend a row, or the primitive an `expand`."
        )
        self.names = names


def expand(graph: Graph, has_row: HasRow, further: Rules = NOTHING, lowering: Rules = NOTHING) -> Graph:
    """The graph in primitives for which `has_row(name)` is true. What is no computation (detach, alias) is gone.

    The `further` rules are applied on the same walk, to what expansions make too. `lowering`: a backend's own
    replacements of primitives without a row, where they apply; else these are expanded.
    MissingRowError names the primitives for which there is neither a row nor an expansion.
    """
    if all(map(has_row, _names(graph))):
        return rewrite(graph, further) if further.rules else graph
    expanded = rewrite(graph, _rules(has_row, further, lowering))
    missing = [name for name in _names(expanded) if not has_row(name)]
    if missing:
        raise MissingRowError(tuple(sorted(missing)))
    return expanded


def _names(graph: Graph) -> set[str]:
    return {node.primitive.name for node in graph.nodes}


@functools.lru_cache(16)
def _rules(has_row: HasRow, further: Rules, lowering: Rules) -> Rules:
    return Rules((*IDENTITIES, *lowering.rules, expansion(has_row), *further.rules))


def expansion(has_row: HasRow) -> Rule:
    """The rule that expands what has no row."""

    def needs_expansion(primitive: Primitive) -> bool:
        return primitive.expand is not None and not has_row(primitive.name)

    return Rule(
        "expansion", needs_expansion, None, lambda y, *xs: y.primitive.expand(*xs, **y.params), "as far as it is exact"
    )
