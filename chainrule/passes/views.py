"""Values as views of memory: movement costs nothing, it changes where a reader looks.

`Views.of` says of each node which node computes it, and how it lies in that node's memory.
"""

from __future__ import annotations

import functools
import math

from chainrule.ir.types import Shape, Type
from chainrule.ir.value import Node
from chainrule.passes.kernels import Level
from chainrule.passes.layout import Layout
from chainrule.passes.refine import View

MOVEMENT = frozenset({"broadcast_to", "reshape", "permute", "slice", "flip", "detach"})


class Views:
    """Every value as a view of the node that computes it, in the memory that the layout gives that node."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or Layout()
        self._known: dict[Node, tuple[Node, View]] = {}
        self.copied: dict[Node, tuple[Node, View]] = {}  # movement that is done in memory: what it copies
        self._operands: dict[Node, list[tuple[Node, View]]] = {}
        self._sources: dict[Node, tuple[Node, ...]] = {}

    def of(self, node: Node) -> tuple[Node, View]:
        """The node that computes it, and the view of that node's memory that it is."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._find(node)
        return found

    def _find(self, node: Node) -> tuple[Node, View]:
        name = node.primitive.name
        if name not in MOVEMENT:
            return node, self.layout.view(node, node.shape)
        source, view = self.of(node.inputs[0])
        params = node.params
        if name == "broadcast_to":
            return source, view.broadcast(params["shape"])
        if name == "permute":
            return source, view.permuted(params["axes"])
        if name == "slice":
            return source, view.sliced(params["starts"], params["stops"], params["steps"])
        if name == "flip":
            return source, view.flipped(params["axes"])
        if name == "detach":
            return source, view
        moved = view.reshaped(params["shape"])
        return (source, moved) if moved is not None else self._copy(node, source, view)

    def copy(self, node: Node, reader: Node) -> None:
        """Has a movement's elements moved in memory, for this reader and all that come later."""
        self._known[node] = self._copy(node, *self.of(node))
        del self._operands[reader]
        self._sources.pop(reader, None)

    def _copy(self, node: Node, source: Node, view: View) -> tuple[Node, View]:
        self.copied[node] = source, view
        return node, View.contiguous(node.shape)

    def scalar(self, full: Node) -> Node:
        """Has a `full` read as one number that is repeated; returns that number."""
        if full.shape == ():
            return full
        one = Node(full.primitive, (), {**full.params, "shape": ()}, Type((), full.dtype), full.origin)
        self._known[full] = one, View(full.shape, (0,) * len(full.shape))
        return one

    def place(self, node: Node) -> View:
        """Where what a node computes lies, over the points at which it is computed."""
        return self.layout.view(node, points_of(node, self))

    def is_in_step(self, view: View, source: Node) -> bool:
        """Whether a view of what a node computes is all of that, in order."""
        if source not in self.layout.places:
            return is_identity(view, source.type.size)
        own = self.layout.view(source, source.shape).reshaped(view.shape)
        return own is not None and own.same_as(view)

    def operands(self, node: Node) -> list[tuple[Node, View]]:
        """What a node that computes something reads, each over the points of the node. Once asked, it stays so."""
        found = self._operands.get(node)
        if found is None:
            found = self._operands[node] = self._find_operands(node)
        return found

    def sources(self, node: Node) -> tuple[Node, ...]:
        """The nodes that compute what a node reads."""
        found = self._sources.get(node)
        if found is None:
            found = self._sources[node] = tuple([source for source, _ in self.operands(node)])
        return found

    def _find_operands(self, node: Node) -> list[tuple[Node, View]]:
        if node in self.copied:
            return [self.copied[node]]
        known = self._known
        found = [known[operand] if operand in known else self.of(operand) for operand in node.inputs]
        if node.primitive.name in ("index_select", "gather"):  # x lies as the result does, but for one axis
            axis, (x, view) = node.params["axis"], found[0]
            kept = tuple([0 if k == axis else stride for k, stride in enumerate(view.strides)])
            found[0] = x, View(node.shape, kept, view.offset)
            if node.primitive.name == "index_select":  # its index is one-dimensional
                index, along = found[1]
                spread = tuple([along.strides[0] if k == axis else 0 for k in range(len(node.shape))])
                found[1] = index, View(node.shape, spread, along.offset)
        return found


def points_of(node: Node, views: Views) -> Shape:
    """The shape over which a node is computed: its own, or of a copy that of what it copies."""
    return views.copied[node][1].shape if node in views.copied else node.shape


@functools.lru_cache(4096)
def is_identity(view: View, size: int) -> bool:
    """Whether a view is all of a row-major array of that size, in order."""
    return math.prod(view.shape) == size and view.offset == 0 and View.contiguous(view.shape).same_as(view)


@functools.lru_cache(4096)
def is_row_broadcast(view: View, rows: int) -> bool:
    """Whether a view repeats each of `rows` values along the last dimensions."""
    if view.offset:
        return False
    count, k = 1, 0
    while k < len(view.shape) and count < rows:
        count *= view.shape[k]
        k += 1
    if count != rows:
        return False
    outer = View(view.shape[:k], view.strides[:k], 0)
    inner = zip(view.shape[k:], view.strides[k:], strict=True)
    return View.contiguous(outer.shape).same_as(outer) and all(stride == 0 or n == 1 for n, stride in inner)


@functools.lru_cache(4096)
def row_stride(view: View, domain: Shape, length: int) -> int | None:
    """The one stride of a view along the row (the last dimensions of the domain, `length` in all); None if several."""
    fine = view.split_to(domain)
    if fine is None:
        return None
    size, stride, k = 1, None, len(domain)
    while size < length:
        k -= 1
        if fine.shape[k] != 1:
            if stride is None:
                stride = fine.strides[k]
            elif fine.strides[k] != stride * size:
                return None
        size *= fine.shape[k]
    return 0 if stride is None else stride


def on_domain(view: View, domain: Shape, level: Level, kind: str) -> tuple[int, ...] | None:
    """The strides of a view over a fixed domain, or None where it is not affine there."""
    if kind == "columns" and level is Level.ROW:
        moved = view.reshaped((domain[0], domain[2]))
        return None if moved is None else (moved.strides[0], 0, moved.strides[1])
    moved = view.reshaped(domain)
    return None if moved is None else moved.strides
