"""Where products store their results, so that nobody has to move them: in the order in which a reshape wants the
elements, or in their part of a concatenation.

Attention's heads are merged by a transpose and a reshape, which no view of row-major memory can express; its gradients
by heads are merged and laid side by side. A product's stores may have any strides. So a walk goes from such a reshape
or concatenation up through the movement before it, and carries the wanted places along, to the product at its end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from chainrule.ir.graph import Graph
from chainrule.ir.types import Shape
from chainrule.ir.value import Node
from chainrule.passes.refine import View


@dataclass
class Layout:
    """`places`: of products, whose memory holds the result (its own, or a concatenation's), and where in it;
    `joined`: concatenations that nobody computes, and their pieces."""

    places: dict[Node, tuple[Node, View]] = field(default_factory=dict)
    joined: dict[Node, tuple[Node, ...]] = field(default_factory=dict)

    def holder(self, node: Node) -> Node:
        """The node whose memory holds a result."""
        return self.places[node][0] if node in self.places else node

    def view(self, node: Node, shape: Shape) -> View:
        """Where the elements of a result lie; row-major (in `shape`) unless it was chosen otherwise."""
        return self.places[node][1] if node in self.places else View.contiguous(shape)


def layout(graph: Graph) -> Layout:
    """The layout of the graph's products."""
    found, outputs = Layout(), set(graph.outputs)
    for node in graph.nodes:
        if node.primitive.name == "concatenate":
            _join(node, found, outputs)
    for node in graph.nodes:
        if node.primitive.name == "reshape":
            place = _place_of(node, View.contiguous(node.shape), outputs)
            if place is not None and not place[1].same_as(View.contiguous(place[0].shape)):
                found.places.setdefault(place[0], place)
    return found


def _join(node: Node, found: Layout, outputs: Collection[Node]) -> None:
    """Has all pieces of a concatenation stored in it, if each is a product that stands nowhere else."""
    axis, start, places = node.params["axis"], 0, {}
    whole = View.contiguous(node.shape)
    for piece in node.inputs:
        stop = start + piece.shape[axis]
        starts = tuple([start if k == axis else 0 for k in range(len(node.shape))])
        stops = tuple([stop if k == axis else length for k, length in enumerate(node.shape)])
        place = _place_of(piece, whole.sliced(starts, stops, (1,) * len(starts)), outputs)
        if place is None or place[0] in places or place[0] in found.places:
            return
        places[place[0]] = node, place[1]
        start = stop
    found.places.update(places)
    found.joined[node] = tuple(places)


def _place_of(node: Node, place: View, outputs: Collection[Node]) -> tuple[Node, View] | None:
    """The product that a node is a rearrangement of, and where it has to store for the node to lie in `place`."""
    while node.primitive.name in ("reshape", "permute", "detach"):
        if node in outputs:
            return None
        source, params = node.inputs[0], node.params
        if node.primitive.name == "reshape":
            moved = place.reshaped(source.shape)
            if moved is None:
                return None
            place = moved
        elif node.primitive.name == "permute":
            place = place.permuted(tuple([params["axes"].index(k) for k in range(len(source.shape))]))
        node = source
    if node.primitive.name != "matmul" or node in outputs or node.type.size == 0:
        return None
    return (node, place) if place.strides[-1] == 1 else None  # else every element would be stored by itself
