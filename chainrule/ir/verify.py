"""Checks that a graph keeps the rules of the intermediate representation; in tests it runs between passes."""

from __future__ import annotations

from chainrule.ir.errors import GraphError
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.text import type_text
from chainrule.ir.trace import INPUT
from chainrule.ir.types import Type
from chainrule.ir.value import Node


def verify(graph: Graph) -> None:
    """Raises GraphError unless the graph is one that backends take."""
    _verify_inputs(graph)
    known = set(graph.inputs)
    for node in graph.nodes:
        _verify_node(node, known)
        known.add(node)
    for k, node in enumerate(graph.outputs):
        if node not in known:
            raise GraphError(f"output {k} ({_shown(node)}) is no input of the graph.", node.origin)
        if not isinstance(node.type, Type):
            raise GraphError(f"output {k} ({_shown(node)}) has several parts; an output is one array.", node.origin)
    _verify_aliases(graph)


def _verify_inputs(graph: Graph) -> None:
    for k, node in enumerate(graph.inputs):
        if not isinstance(node.type, Type):
            raise GraphError(f"input {k} ({_shown(node)}) has several parts; an input is one array.", node.origin)
        if graph.inputs.index(node) != k:
            raise GraphError(f"input {k} ({_shown(node)}) is input {graph.inputs.index(node)} too.", node.origin)


def _verify_node(node: Node, known: set[Node]) -> None:
    if REGISTRY.get(node.primitive.name) is not node.primitive:
        raise GraphError(f"{_shown(node)}: this primitive is not in the registry.", node.origin)
    for k, source in enumerate(node.inputs):
        if source not in known:
            problem = "an input that the graph does not have" if source.primitive is INPUT else "computed later"
            raise GraphError(f"{_shown(node)}: its operand {k} ({_shown(source)}) is {problem}.", node.origin)
    try:
        inferred = node.primitive.infer(*[source.type for source in node.inputs], **node.params)
    except Exception as error:  # whatever a type rule trips over, the node is wrong
        reason = str(error).partition("\n  at ")[0]  # the place is the node's, not that of this check
        raise GraphError(f"{_shown(node)}: its type rule refuses it: {reason}", node.origin) from error
    if inferred != node.type:
        raise GraphError(f"{_shown(node)}: its type rule says {type_text(inferred)}.", node.origin)


def _verify_aliases(graph: Graph) -> None:
    for output, input in graph.aliases.items():
        if not 0 <= output < len(graph.outputs) or not 0 <= input < len(graph.inputs):
            raise GraphError(
                f"alias {output}->{input}: the graph has {len(graph.outputs)} outputs and {len(graph.inputs)} inputs."
            )
        types = graph.outputs[output].type, graph.inputs[input].type
        if types[0] != types[1]:
            raise GraphError(f"alias {output}->{input}: the output is {types[0]}, the input {types[1]}.")
        if list(graph.aliases.values()).count(input) > 1:
            raise GraphError(f"alias {output}->{input}: another output overwrites input {input} too.")


def _shown(node: Node) -> str:
    name = f" {node.params['name']}" if node.primitive is INPUT else ""
    return f"{node.primitive.name}{name}: {type_text(node.type)}"
