"""Simplification: every rewrite that is right for any backend and never costs. The values stay the same bits.

One walk does it, and folds constants and shares common subexpressions on the way (and expands what a backend has no
row for, where `expand` is given this table): each makes work for the others. The table is in parts, in the order in
which they are tried: what is no computation goes first, constants next, then movement and arithmetic.
"""

from __future__ import annotations

from chainrule.ir.graph import Graph
from chainrule.passes.arithmetic_rules import ARITHMETIC, IDENTITIES
from chainrule.passes.fold import FOLD
from chainrule.passes.movement_rules import MOVEMENT
from chainrule.passes.rewrite import Rules, rewrite

SIMPLIFYING = Rules((*IDENTITIES, *FOLD, *MOVEMENT, *ARITHMETIC))


def simplify(graph: Graph) -> Graph:
    """The graph in normal form."""
    return rewrite(graph, SIMPLIFYING)
