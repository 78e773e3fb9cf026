"""The passes that work on graphs, in their order. Each line says why it stands where it does."""

from __future__ import annotations

from chainrule.ir.graph import Graph
from chainrule.passes.expand import NOTHING, HasRow, expand
from chainrule.passes.join import JOINING
from chainrule.passes.orient import orient
from chainrule.passes.rewrite import Rules


def graph_passes(graph: Graph, has_row: HasRow, lowering: Rules = NOTHING) -> Graph:
    """The graph that a backend makes kernels of: in primitives that it has rows for, and in normal form."""
    graph = expand(graph, has_row, JOINING, lowering)  # first, so that what is behind it meets one form of everything
    return orient(graph)  # last: it counts readers, and every pass before changes who reads what
