"""A traced function as a program, bound to the cells that it reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.backends import reference
from chainrule.derivative import CompiledDerivative, differentiable_outputs
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.trace import INPUT, Trace
from chainrule.ir.tree import Structure, unflatten
from chainrule.ir.types import Array
from chainrule.ir.value import Leaf, Node, Value
from chainrule.tensor import NOT_KEPT, Buffer, Parameter, Tensor

if TYPE_CHECKING:
    from chainrule.tracing import Tracing


class Source(NamedTuple):
    """Where an input of the program comes from: an argument, a cell, the gradient of a leaf, or an array."""

    kind: str
    thing: Any


class Target(NamedTuple):
    """Where an output of the program goes: the result, an argument's tensor, a cell, or the gradient of a leaf."""

    kind: str
    thing: Any


class Program:
    """A traced function, bound to the cells that it reads and writes."""

    def __init__(
        self, tracing: Tracing, outputs: list[tuple[Target, Node]], structure: Structure, constants: list[Any]
    ) -> None:
        trace = tracing.trace
        self.observations = tracing.observations
        self.structure, self.constants = structure, constants
        self.targets = [target for target, _ in outputs]
        self.other_gradients = tracing.other_gradients
        self.effects = {(id(module), name): (module, name, value) for module, name, value in trace.effects}
        self.needs_none = [(leaf, entry.was_none) for leaf, entry in self._gradients_read(tracing)]
        sources = {node: Source("argument", position) for node, position in tracing.argument_nodes.items()}
        sources |= {cell.input: Source("cell", cell.handle) for cell in trace.cells.values()}
        sources |= {node: Source("array", array) for array, node in trace.constants.values()}
        for entry in trace.gradients.values():
            if entry.entry is not None:
                sources[entry.entry] = Source("gradient", tracing.argument_leaves.get(entry.leaf, entry.leaf))
        nodes = [node for _, node in outputs]
        used = inputs_of(nodes)
        self.inputs = [node for node in sources if node in used]
        self.sources = [sources[node] for node in self.inputs]
        self.cell_ids = {id(source.thing) for source in self.sources if source.kind == "cell"}
        self.cells = [
            (source.thing, node.type, node.needs_grad, hooks_of(node.leaf))
            for node, source in zip(self.inputs, self.sources, strict=True)
            if source.kind == "cell"
        ]
        self.graph = Graph(tuple(self.inputs), tuple(nodes), self._aliases(trace))
        self.execute = reference.compile(self.graph)
        self.recording = state.gradients_enabled.get()
        self.differentiable = differentiable_outputs(nodes, trace.freed) if self.recording else []
        self.derivative = CompiledDerivative(self.graph, self.differentiable) if self.differentiable else None
        self.own_arguments = {position for position, leaf in enumerate(tracing.leaves) if isinstance(leaf, np.ndarray)}

    @staticmethod
    def _gradients_read(tracing: Tracing) -> list[tuple[Any, Any]]:
        return [
            (tracing.argument_leaves.get(entry.leaf, entry.leaf), entry)
            for entry in tracing.trace.gradients.values()
            if entry.was_read
        ]

    def _aliases(self, trace: Trace) -> dict[int, int]:
        """Which output overwrites which input."""
        position = {id(source.thing): k for k, source in enumerate(self.sources) if source.kind == "cell"}
        return {
            k: position[id(target.thing)]
            for k, target in enumerate(self.targets)
            if target.kind == "cell" and id(target.thing) in position
        }

    def fits(self, leaves: list[Any]) -> bool:
        """Whether the cells and gradients are still of the kind that the trace saw."""
        for handle, type, needs_grad, hooks in self.cells:
            carrier = handle.read()
            if carrier.type != type or carrier.needs_grad != needs_grad or hooks_of(carrier.leaf) != hooks:
                return False
        for leaf, was_none in self.needs_none:
            gradient = self._leaf(leaf, leaves).gradient
            if gradient is NOT_KEPT or (gradient is None) != was_none:
                return False
        return not any(id(leaf) in self.cell_ids for leaf in leaves if isinstance(leaf, Tensor) and not is_cell(leaf))

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
            if leaf.__class__ is not np.ndarray:
                return Value(np.asarray(leaf, np.float64))
            return Value(leaf if self.derivative is None else leaf.copy())  # the tape must not see the caller's writes
        if kind == "gradient":
            return self._leaf(thing, leaves).gradient.read()  # type: ignore[no-any-return]
        return Value(thing)

    def run(self, leaves: list[Any]) -> Any:
        """Computes everything, then writes everything, and returns the result."""
        values = [self._value(source, leaves) for source in self.sources]
        if self.derivative is not None:
            carriers = self.derivative.run(values)
        else:
            carriers = [Value(array) for array in self.execute([value.array for value in values])]
        if self.own_arguments:
            foreign = [leaves[position] for position in self.own_arguments]
            carriers = [apart_from(carrier, foreign) for carrier in carriers]
        try:
            return self._commit(carriers, leaves)
        except KeyboardInterrupt:  # a step is written whole: the same writes again, then the interrupt
            self._commit(carriers, leaves)
            raise

    def _commit(self, carriers: list[Value], leaves: list[Any]) -> Any:
        """Writes what the program computed. Doing it twice is doing it once."""
        results = list(self.constants)
        with state.using(state.gradients_enabled, False):
            for target, carrier in zip(self.targets, carriers, strict=True):
                self._deliver(target, carrier, leaves, results)
            for leaf, gradient in self.other_gradients:
                self._leaf(leaf, leaves).gradient = gradient
        for module, name, value in self.effects.values():  # `model.eval()` inside the function holds after it
            if vars(module).get(name) is not value:
                setattr(module, name, value)
        return unflatten(self.structure, results)

    def _deliver(self, target: Target, carrier: Value, leaves: list[Any], results: list[Any]) -> None:
        kind, thing = target
        if kind == "result":
            results[thing] = Tensor(carrier)
        elif kind == "cell":
            thing.write(carrier)
        elif kind == "argument":
            leaves[thing].write(carrier)
        else:
            leaf = self._leaf(thing, leaves)
            if isinstance(leaf.gradient, Tensor):
                leaf.gradient.write(carrier)
            else:
                leaf.gradient = Tensor(carrier)


def hooks_of(leaf: Leaf | None) -> tuple[Any, ...]:
    """The hooks of a leaf: they are traced with the backward pass, so other hooks need another trace."""
    return () if leaf is None or leaf.hooks is None else tuple(leaf.hooks)


def is_cell(tensor: Tensor) -> bool:
    """Whether a tensor passed as an argument is read by handle anyway."""
    return isinstance(tensor, Parameter | Buffer)


def apart_from(carrier: Value, foreign: list[Array]) -> Value:
    """The value in memory of its own: a result must not change when the caller's array does."""
    array = carrier.array
    if any(array is other or (array.base is not None and np.may_share_memory(array, other)) for other in foreign):
        return Value(array.copy(), carrier.primitive, carrier.inputs, carrier.params, carrier.needs_grad, carrier.order)
    return carrier


def inputs_of(nodes: list[Node]) -> set[Node]:
    """The inputs that nodes depend on."""
    found: set[Node] = set()
    seen: set[Node] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.primitive is INPUT:
            found.add(node)
        stack.extend(node.inputs)
    return found
