"""A compiled function as one node of the tape: its program, and the compiled program of its derivative."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from chainrule.autodiff.reverse import reachable, reverse
from chainrule.executor import compile_graph
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.trace import INPUT, make_input
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier, Node, Value, next_order
from chainrule.ops.control import with_derivative


def differentiable_outputs(nodes: list[Node], freed: Collection[Node]) -> list[int]:
    """Positions of the outputs whose gradient may still be asked for.

    Not those that a backward inside the program has used up, and not leaves, which begin anew with the next call.
    """
    with state.using(state.trace, None):  # there, `reachable` refuses what is used up; here it is what we look for
        return [
            k
            for k, node in enumerate(nodes)
            if node.needs_grad and node.leaf is None and not any(found in freed for found in reachable([node]))
        ]


class CompiledDerivative:
    """Runs a graph so that its outputs can be differentiated by its inputs. Made while the trace still goes on.

    Forward computes the outputs and whatever the backward program reads of the rest (the residuals).
    """

    def __init__(self, graph: Graph, positions: list[int]) -> None:
        self.graph = graph
        self.positions = positions
        self.wanted = [k for k, node in enumerate(graph.inputs) if node.needs_grad]
        last = next_order()
        outputs = [graph.outputs[k] for k in positions]
        self.cotangents = [make_input("cotangent", node.type) for node in outputs]
        # Hooks of what comes from outside run when the tape is walked that goes on from there.
        found = reverse(outputs, self.cotangents, [graph.inputs[k] for k in self.wanted], hooks_of_wanted=False)
        self.reached = [k for k in self.wanted if graph.inputs[k] in found]
        gradients = [found[graph.inputs[k]] for k in self.reached]
        self.residuals = residuals(gradients, last, set(self.cotangents))
        self.forward_graph = Graph(graph.inputs, (*graph.outputs, *self.residuals), {})
        self.backward_graph = Graph((*self.residuals, *self.cotangents), tuple(gradients), {})
        self.forward, self.backward = compile_graph(self.forward_graph), compile_graph(self.backward_graph)

    def run(self, values: list[Value]) -> list[Value]:
        """The outputs as values on the tape."""
        arrays = self.forward([value.array for value in values])
        count = len(self.graph.outputs)
        outputs, kept = [Value(array) for array in arrays[:count]], arrays[count:]
        sources = [values[k] for k in self.wanted]

        def derivative(g: Any, results: Any, inputs: Any) -> list[Carrier | None]:
            if state.gradients_enabled.get():
                return self._recorded(g, values)
            return self._computed(g, kept)

        tracked = with_derivative([outputs[k] for k in self.positions], sources, derivative)
        for k, carrier in zip(self.positions, tracked, strict=True):
            outputs[k] = carrier
        return outputs

    def _computed(self, g: tuple[Value, ...], kept: list[Array]) -> list[Carrier | None]:
        arrays = self.backward([*kept, *[one.array for one in g]])
        found: dict[int, Carrier] = {k: Value(array) for k, array in zip(self.reached, arrays, strict=True)}
        return [found.get(k) for k in self.wanted]

    def _recorded(self, g: tuple[Value, ...], values: list[Value]) -> list[Carrier | None]:
        """With create_graph: the graph is evaluated again op by op, so that the derivative is on the tape itself."""
        known: dict[Node, Carrier] = dict(zip(self.graph.inputs, values, strict=True))
        for node in self.graph.nodes:
            known[node] = node.primitive(*[known[source] for source in node.inputs], **node.params)
        outputs = [known[self.graph.outputs[k]] for k in self.positions]
        sources = [values[k] for k in self.wanted]
        found = reverse(outputs, list(g), sources, create_graph=True)
        return [found.get(source) for source in sources]


def residuals(gradients: list[Node], last: int, given: set[Node]) -> list[Node]:
    """The forward nodes (made not later than `last`) that gradients read first."""
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(gradients)
    while stack:
        node = stack.pop()
        if node in seen or node in given:
            continue
        seen.add(node)
        constant = not node.inputs and node.primitive is not INPUT
        if node.order <= last and node.type.__class__ is not tuple and not constant:
            found[node] = None
        else:
            stack.extend(node.inputs)
    return list(found)
