"""Sums of padded pieces that tile a whole become one concatenation.

The derivative of a split pads each piece's cotangent with zeros and adds them all; side by side, they need no addition.

Values may differ in the sign of zeros, and in nothing else: a piece's -0.0 stays, where adding 0.0 makes it 0.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.value import Node
from chainrule.ops import elementwise  # noqa: F401 - enters the primitives named below
from chainrule.ops.movement import concatenate
from chainrule.passes.rewrite import Replacement, rewrite
from chainrule.passes.simplify import SIMPLIFYING

ADD, PAD = REGISTRY["add"], REGISTRY["pad"]


class Pieces(NamedTuple):
    """Disjoint or not: what is added up along one axis, as (start, node), and its length in all."""

    axis: int
    length: int
    parts: tuple[tuple[int, Node], ...]


def join(graph: Graph) -> Graph:
    """The graph with a concatenation for every sum of pads that fill an axis between them."""
    found: dict[Node, Pieces] = {}
    replacements: dict[Node, Replacement] = {}
    for node in graph.nodes:
        pieces = _padded(node) if node.primitive is PAD else None
        if node.primitive is ADD and node.inputs[0] in found and node.inputs[1] in found:
            pieces = _together(found[node.inputs[0]], found[node.inputs[1]])
        if pieces is not None:
            found[node] = pieces
            if node.primitive is ADD and _tiles(pieces, node.shape[pieces.axis]):
                replacements[node] = _joined(pieces)
    return rewrite(graph, SIMPLIFYING, replacements) if replacements else graph


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


def _joined(pieces: Pieces) -> Replacement:
    ordered = [part for _, part in sorted(pieces.parts, key=_start)]

    def replacement(new: Callable[[Node], Node]) -> Node:
        node: Node = concatenate([new(part) for part in ordered], pieces.axis)
        return node

    return replacement
