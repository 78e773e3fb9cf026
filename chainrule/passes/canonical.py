"""Reductions in the form that kernels have: over neighbouring axes, without axes of length 1, the result without them.

What has no elements is no computation, and what folds no elements is a constant.
A reduction that folds a long array into one number is split in two, by its length alone, so that threads can share it.
"""

from __future__ import annotations

from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.types import Shape, bool_, int64
from chainrule.ir.value import Node
from chainrule.ops import control, reduction  # noqa: F401 - enters the primitives named below
from chainrule.ops.control import alias
from chainrule.ops.creation import full
from chainrule.ops.elementwise import ne
from chainrule.ops.movement import reshape
from chainrule.passes.fold import REARRANGED
from chainrule.passes.rewrite import Rule, Rules, rewrite

_FOLDS = frozenset(REGISTRY[name] for name in ("sum", "prod", "max", "min", "any", "all"))
_PLACES = frozenset(REGISTRY[name] for name in ("argmax", "argmin"))
_OF_NOTHING = {"sum": 0, "prod": 1, "any": False, "all": True}
# Indices are checked even if nothing is read or written at them.
_CHECKING = frozenset(
    ["gather", "index_select", "take_points", "pick", "index_add", "scatter", "scatter_add", "put_points"]
)

LONG = 16384  # more elements than this are folded into one number in two steps


def is_fold(primitive: Primitive) -> bool:
    """sum, prod, max, min, any, all."""
    return primitive in _FOLDS


def is_place(primitive: Primitive) -> bool:
    """argmax, argmin."""
    return primitive in _PLACES


def is_computation(primitive: Primitive) -> bool:
    """Whatever leaves nothing undone where its result has no elements."""
    return primitive.name not in _CHECKING and primitive.name not in ("input", "full")


def _nothing(y: Node, *_: Node) -> Node | None:
    """A result without elements."""
    return full(y.shape, 0, y.dtype) if 0 in y.shape else None


def _fold_of_nothing(y: Node, x: Node) -> Node | None:
    return full(y.shape, _OF_NOTHING[y.primitive.name], y.dtype) if 0 in x.shape else None


def _sum_of_truths(y: Node, x: Node) -> Node | None:
    """NumPy's sum of bools is a bool."""
    return REGISTRY["any"](x, **y.params) if y.dtype is bool_ else None


def _product_of_nothing(y: Node, a: Node, b: Node) -> Node | None:
    return full(y.shape, 0, y.dtype) if a.shape[-1] == 0 else None


def _without_ones(shape: Shape) -> Shape:
    return tuple([length for length in shape if length != 1])


def _squeezed(y: Node, x: Node) -> Node | None:
    """Without axes of length 1, and with the result's shape made by a reshape."""
    axes, shape = y.params["axes"], x.shape
    if 1 not in shape and not y.params["keepdims"]:
        return None
    kept = [axis for axis, length in enumerate(shape) if length != 1]
    moved = tuple([k for k, axis in enumerate(kept) if axis in axes])
    fold = y.primitive(reshape(x, _without_ones(shape)), axes=moved, keepdims=False)
    return reshape(fold, y.shape)  # type: ignore[no-any-return]


def _of_nothing(y: Node, x: Node) -> Node | None:
    """A fold over no axis is its operand."""
    if y.params["axes"]:
        return None
    return ne(x, full(x.shape, 0, x.dtype)) if y.dtype is not x.dtype else x


def _one_block(y: Node, x: Node) -> Node | None:
    """Over axes that are no neighbours: the last block of them first."""
    axes = y.params["axes"]
    first = len(axes) - 1
    while first > 0 and axes[first - 1] == axes[first] - 1:
        first -= 1
    if first <= 0:
        return None
    inner = y.primitive(x, axes=axes[first:], keepdims=False)
    return y.primitive(inner, axes=axes[:first], keepdims=False)  # type: ignore[no-any-return]


def _in_two(y: Node, x: Node) -> Node | None:
    """All of a long array: rows first."""
    size = x.type.size
    if y.shape or size < LONG:
        return None
    rows = rows_for(size)
    if rows == 1:
        return None
    inner = y.primitive(reshape(x, (rows, size // rows)), axes=(1,), keepdims=False)
    return y.primitive(inner, axes=(0,), keepdims=False)  # type: ignore[no-any-return]


def rows_for(size: int) -> int:
    """The number of rows into which a long array is folded: a divisor, at most 64, of rows of 2,048 or more."""
    return max(rows for rows in range(1, 65) if size % rows == 0 and size // rows >= 2048)


def _place_among_one(y: Node, x: Node) -> Node | None:
    return full(y.shape, 0, int64) if x.shape[y.params["axis"]] == 1 else None


RULES = Rules(
    [
        REARRANGED,  # of what the rules below make
        Rule("a result without elements", is_computation, None, _nothing),
        Rule("a fold of no elements", is_fold, (None,), _fold_of_nothing),
        Rule("a sum of bools", "sum", (None,), _sum_of_truths),
        Rule("a product over no elements", "matmul", (None, None), _product_of_nothing),
        Rule("a fold without axes of length 1", is_fold, (None,), _squeezed),
        Rule("a fold over no axis", is_fold, (None,), _of_nothing),
        Rule("a fold over one block of axes", is_fold, (None,), _one_block),
        Rule("a long fold in two", is_fold, (None,), _in_two),
        Rule("a place among one", is_place, (None,), _place_among_one),
    ]
)


def canonical(graph: Graph) -> Graph:
    """The graph with its reductions in canonical form, and every output a node of its own that computes."""
    graph = rewrite(graph, RULES)
    seen: set[Node] = set(graph.inputs)
    outputs = []
    for node in graph.outputs:
        outputs.append(_own(node) if node in seen or node.primitive.name in _VIEWS else node)
        seen.add(node)
    return Graph(graph.inputs, tuple(outputs), graph.aliases)


_VIEWS = frozenset({"broadcast_to", "reshape", "permute", "slice", "flip", "detach", "full", "iota"})


def _own(node: Node) -> Node:
    copy: Node = Node(REGISTRY["alias"], (node,), {}, node.type, node.origin)
    return copy


__all__ = ["LONG", "RULES", "alias", "canonical"]
