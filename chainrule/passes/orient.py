"""Products are turned so that nobody has to transpose their results: (a b)^T = b^T a^T.

A weight's gradient often comes out transposed; an operand's transpose is free (a kernel reads it so), a result's is a
copy. Only a product that nobody else reads is turned.

Values may differ in rounding where a backend adds a product's terms in another order for another shape, as BLAS does.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.value import Node
from chainrule.ops.contraction import transposed
from chainrule.passes.rewrite import Replacement, rewrite
from chainrule.passes.simplify import SIMPLIFYING

MATMUL, PERMUTE = REGISTRY["matmul"], REGISTRY["permute"]


def orient(graph: Graph) -> Graph:
    """The graph with the transpose of a product as the product of the transposes."""
    turned = [node for node in graph.nodes if node.primitive is PERMUTE and _is_turned_product(node)]
    if not turned:
        return graph
    readers = _readers(graph)
    replacements = {node: _turned(node.inputs[0]) for node in turned if readers[node.inputs[0]] == 1}
    return rewrite(graph, SIMPLIFYING, replacements) if replacements else graph


def _is_turned_product(node: Node) -> bool:
    axes = node.params["axes"]
    n = len(axes)
    return node.inputs[0].primitive is MATMUL and axes == (*range(n - 2), n - 1, n - 2)


def _readers(graph: Graph) -> dict[Node, int]:
    """How often each node is read, by other nodes or as an output."""
    count = dict.fromkeys((*graph.inputs, *graph.nodes), 0)
    for node in graph.nodes:
        for source in node.inputs:
            count[source] += 1
    for node in graph.outputs:
        count[node] += 1
    return count


def _turned(product: Node) -> Replacement:
    a, b = product.inputs

    def replacement(new: Callable[[Node], Node]) -> Node:
        node: Node = MATMUL(transposed(new(b)), transposed(new(a)))
        return node

    return replacement
