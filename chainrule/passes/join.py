"""Sums of padded pieces that tile a whole become one concatenation.

The derivative of a split pads each piece's cotangent with zeros and adds them all; side by side, they need no addition.

Values may differ in the sign of zeros, and in nothing else: a piece's -0.0 stays, where adding 0.0 makes it 0.0.
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.value import Node
from chainrule.ops import elementwise  # noqa: F401 - enters the primitives named below
from chainrule.ops.movement import concatenate
from chainrule.passes.rewrite import Rule, Rules, notes, rewrite
from chainrule.passes.simplify import SIMPLIFYING

ADD, PAD = REGISTRY["add"], REGISTRY["pad"]


class Pieces(NamedTuple):
    """Disjoint or not: what is added up along one axis, as (start, node), and its length in all."""

    axis: int
    length: int
    parts: tuple[tuple[int, Node], ...]


def join(graph: Graph) -> Graph:
    """The graph in normal form, with a concatenation for every sum of pads that fill an axis between them."""
    return rewrite(graph, JOINING)


def _may_be_pieces(primitive: Primitive) -> bool:
    return primitive is PAD or primitive is ADD


def _joined(y: Node, a: Node, b: Node) -> Node | None:
    """Of a sum that fills its axis, the concatenation; of another one it is noted which pieces it adds up."""
    one, other = _pieces(a), _pieces(b)
    pieces = _together(one, other) if one is not None and other is not None else None
    if pieces is None:
        return None
    if not _tiles(pieces, y.shape[pieces.axis]):
        notes()[y] = pieces
        return None
    node: Node = concatenate([part for _, part in sorted(pieces.parts, key=_start)], pieces.axis)
    return node


def _pieces(node: Node) -> Pieces | None:
    if node.primitive is PAD:
        return _padded(node)
    found: Pieces | None = notes().get(node)
    return found


def _padded(node: Node) -> Pieces | None:
    """A pad with zeros along one axis, from outside only."""
    params, source = node.params, node.inputs[0]
    axes = [axis for axis, length in enumerate(source.shape) if length != node.shape[axis]]
    if len(axes) != 1 or params["value"] != 0 or any(params["interior"]):
        return None
    return Pieces(axes[0], source.shape[axes[0]], ((params["low"][axes[0]], source),))


def _together(a: Pieces, b: Pieces) -> Pieces | None:
    return Pieces(a.axis, a.length + b.length, a.parts + b.parts) if a.axis == b.axis else None


def _tiles(pieces: Pieces, whole: int) -> bool:
    if pieces.length != whole:
        return False
    position = 0
    for start, part in sorted(pieces.parts, key=_start):
        if start != position:
            return False
        position += part.shape[pieces.axis]
    return True


def _start(part: tuple[int, Node]) -> tuple[int, int]:
    start, node = part
    return start, sum(node.shape)  # an empty piece before the one that begins where it stands


# Behind simplification: casts and reshapes no longer stand between the pads and their sum.
JOINING = Rules(
    (
        *SIMPLIFYING.rules,
        Rule("a sum of pieces", "add", (_may_be_pieces, _may_be_pieces), _joined, "in the sign of zeros"),
    )
)
