"""A traced function as a program, bound to the cells that it reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.call_key import hooks_of
from chainrule.derivative import CompiledDerivative, differentiable_outputs
from chainrule.executor import compile_graph
from chainrule.explanation import Explanation, report_of
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.tree import Structure, unflatten
from chainrule.ir.types import Array
from chainrule.ir.value import Leaf, Node, Value
from chainrule.results import Delivery, Recipe
from chainrule.tensor import Buffer, Parameter, Tensor
from chainrule.views import root_of

if TYPE_CHECKING:
    from chainrule.tracing import Tracing


class Source(NamedTuple):
    """Where an input of the program comes from: an argument, a cell, the gradient of a leaf, or an array."""

    kind: str
    thing: Any


class Target(NamedTuple):
    """Where an output of the program goes: a result, an argument's tensor, a cell, or the gradient of a leaf."""

    kind: str
    thing: Any


class Program:
    """A traced function, bound to the cells that it reads and writes."""

    def __init__(
        self, tracing: Tracing, outputs: list[tuple[Target, Node]], structure: Structure, recipes: list[Recipe]
    ) -> None:
        trace = tracing.trace
        self.observations = tracing.observations
        self.structure, self.recipes = structure, recipes
        self.targets = [target for target, _ in outputs]
        self.other_gradients = tracing.other_gradients
        # a module that was made inside the function may be gone already
        alive = [(module, name, value) for module, name, value in trace.effects if module() is not None]
        self.effects = {(module, name): value for module, name, value in alive}
        self.gradients_read = [
            (tracing.argument_leaves.get(entry.leaf, entry.leaf), entry.was)
            for entry in trace.gradients.values()
            if entry.was_read
        ]
        self._conditions(tracing)
        sources = sources_of(tracing)
        nodes = [node for _, node in outputs]
        self.recording = state.gradients_enabled.get()
        differentiable = differentiable_outputs(nodes, trace.freed) if self.recording else []
        used = behind(nodes)
        if any(getattr(node.params.get("derivative"), "bound_to_trace", False) for node in used):  # it runs again
            used = set(sources)
        self.inputs = [node for node in sources if node in used]
        self.sources = [sources[node] for node in self.inputs]
        self.graph = Graph(tuple(self.inputs), tuple(nodes), self._aliases())
        self.execute = compile_graph(self.graph)
        self.short: Any = None  # the short way of calling it; False if there is none
        self.derivative = CompiledDerivative(self.graph, differentiable) if differentiable else None
        self.foreign = [k for k, source in enumerate(self.sources) if is_foreign(source, tracing)]

    def _conditions(self, tracing: Tracing) -> None:
        """What must hold of tensors for this program to be the right one, besides what the key says."""
        cells = list(tracing.trace.cells.values())
        self.bound = tracing.bound
        self.cells = [(c.handle, c.input.type, c.input.needs_grad, hooks_of(c.input.leaf)) for c in cells]
        self.captured = {id(root_of(c.handle)) for c in cells}
        self.touched = {id(root_of(c.handle)) for c in cells if c.writes or c.input.needs_grad}
        self.written = {position for position, tensor in tracing.stand_ins.items() if tensor._writes}

    def _aliases(self) -> dict[int, int]:
        """Which output overwrites which input."""
        position = {id(source.thing): k for k, source in enumerate(self.sources) if source.kind == "cell"}
        return {
            k: position[id(target.thing)]
            for k, target in enumerate(self.targets)
            if target.kind == "cell" and id(target.thing) in position
        }

    # Whether it fits a call

    def fits(self, leaves: list[Any]) -> bool:
        """Whether the cells and gradients are still of the kind that the trace saw."""
        for handle, type, needs_grad, hooks in self.cells:
            carrier = Tensor.read(handle)
            if carrier.type != type or carrier.needs_grad != needs_grad or hooks_of(carrier.leaf) != hooks:
                return False
        for leaf, was in self.gradients_read:
            if self._leaf(leaf, leaves).gradient.__class__ is not was:
                return False
        return self._stand_apart(leaves)

    def _stand_apart(self, leaves: list[Any]) -> bool:
        """Whether the arguments share elements with each other, and with what is captured, only where it is right."""
        roots: dict[int, int] = {}
        for position, leaf in enumerate(leaves):
            if position in self.bound:
                if leaf is not self.bound[position]:
                    return False
            elif isinstance(leaf, Tensor) and not isinstance(leaf, Parameter | Buffer):
                roots[position] = id(root_of(leaf))
                if roots[position] in (self.captured if position in self.written else self.touched):
                    return False
        return not any(
            root == roots[position] and leaves[other] is not leaves[position]
            for position in self.written & roots.keys()
            for other, root in roots.items()
        )

    # A call

    @staticmethod
    def _leaf(leaf: Any, leaves: list[Any]) -> Leaf:
        if leaf.__class__ is Leaf:
            return leaf
        found = leaves[leaf].read().leaf
        assert found is not None
        return found  # type: ignore[no-any-return]

    def _value(self, source: Source, leaves: list[Any]) -> Value:
        kind, thing = source
        if kind == "cell":
            return thing.read()  # type: ignore[no-any-return]
        if kind == "argument":
            leaf = leaves[thing]
            if isinstance(leaf, Tensor):
                return leaf.read()  # type: ignore[no-any-return]
            return Value(np.asarray(leaf) if isinstance(leaf, np.ndarray) else np.asarray(leaf, np.float64))
        if kind == "gradient":
            return self._leaf(thing, leaves).gradient.read()  # type: ignore[no-any-return]
        return Value(np.asarray(thing))

    def run(self, leaves: list[Any]) -> Any:
        """Computes everything, then writes everything, and returns the result."""
        values = [self._value(source, leaves) for source in self.sources]
        if self.derivative is not None:
            for k in self.foreign:  # the tape must not see the caller's writes
                values[k] = Value(values[k].array.copy())
            carriers = self.derivative.run(values)
        else:
            carriers = [Value(array) for array in self.execute([value.array for value in values])]
        if self.foreign:
            foreign = [values[k].array for k in self.foreign]
            carriers = [apart_from(carrier, foreign) for carrier in carriers]
        return self._commit_whole(carriers, leaves)

    def explain(self, times: bool) -> Explanation:
        """What became of it. With `times` it is timed, on the values of cells and on arguments that are made up."""
        given = [source.kind in ("cell", "array") for source in self.sources]
        arrays = [self._value(s, []).array if known else None for s, known in zip(self.sources, given, strict=True)]
        derivative = self.derivative
        if derivative is None:
            return Explanation((("program", report_of(self.execute, self.graph, arrays if times else None)),))
        forward = report_of(derivative.forward, derivative.forward_graph, arrays if times else None)
        unknown = [None] * len(derivative.backward_graph.inputs) if times else None
        backward = report_of(derivative.backward, derivative.backward_graph, unknown)
        return Explanation((("forward", forward), ("backward", backward)))

    def _commit_whole(self, carriers: list[Value], leaves: list[Any]) -> Any:
        """Commits. Ctrl-C in the middle, be it pressed again and again, is raised when all is written."""
        recording = state.gradients_enabled.get()
        interrupt: BaseException | None = None
        while True:
            try:
                result = self._commit(carriers, leaves)
                break
            except (KeyboardInterrupt, SystemExit) as caught:  # what handlers of signals raise
                interrupt = caught
        if interrupt is None:
            return result
        state.gradients_enabled.set(recording)  # it may have come between the switch and what switches back
        raise interrupt

    def _commit(self, carriers: list[Value], leaves: list[Any]) -> Any:
        """Writes what the program computed. Doing it twice is doing it once."""
        with state.using(state.gradients_enabled, False):
            for target, carrier in zip(self.targets, carriers, strict=True):
                self._deliver(target, carrier, leaves)
            for leaf, gradient in self.other_gradients:
                self._leaf(leaf, leaves).gradient = gradient
        for (module, name), value in self.effects.items():  # `model.eval()` inside the function holds after it
            if (found := module()) is not None and vars(found).get(name) is not value:
                setattr(found, name, value)
        delivery = Delivery(carriers, leaves, lambda leaf: self._leaf(leaf, leaves))
        return unflatten(self.structure, [delivery.result(recipe) for recipe in self.recipes])

    def _deliver(self, target: Target, carrier: Value, leaves: list[Any]) -> None:
        kind, thing = target
        if kind == "cell":
            thing.write(carrier)
        elif kind == "argument":
            leaves[thing].write(carrier)
        elif kind == "gradient":
            self._leaf(thing, leaves).gradient.write(carrier)
        elif kind == "new gradient":
            self._leaf(thing, leaves).gradient = Tensor(carrier)


def sources_of(tracing: Tracing) -> dict[Node, Source]:
    """Where each input node of a trace comes from."""
    trace = tracing.trace
    sources = {node: Source("argument", position) for node, position in tracing.argument_nodes.items()}
    sources |= {cell.input: Source("cell", cell.handle) for cell in trace.cells.values()}
    sources |= {node: Source("array", array) for array, node in trace.constants.values()}
    for entry in trace.gradients.values():
        if entry.entry is not None:
            sources[entry.entry] = Source("gradient", tracing.argument_leaves.get(entry.leaf, entry.leaf))
    return sources


def is_foreign(source: Source, tracing: Tracing) -> bool:
    """Whether an input is an array of the user's, who may write to it after the call."""
    if source.kind == "argument":
        return isinstance(tracing.leaves[source.thing], np.ndarray)
    return source.kind == "array" and id(source.thing) in tracing.trace.foreign


def apart_from(carrier: Value, foreign: list[Array]) -> Value:
    """The value in memory of its own: a result must not change when the caller's array does."""
    array = carrier.array
    if any(array is other or (array.base is not None and np.may_share_memory(array, other)) for other in foreign):
        return Value(array.copy(), carrier.primitive, carrier.inputs, carrier.params, carrier.needs_grad, carrier.order)
    return carrier


def behind(nodes: list[Node]) -> set[Node]:
    """The nodes that nodes depend on, and they themselves."""
    seen = set(nodes)
    stack = list(seen)
    while stack:
        for source in stack.pop().inputs:
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return seen
