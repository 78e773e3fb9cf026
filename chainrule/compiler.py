"""`@compile`: a function is traced once, and from then on run as one program.

What a call does: its arguments give a key (shapes, element types, plain values); among the programs traced for that
key, the first whose observations still hold (`staleness.py`) is run; if there is none, the function is traced again.
Tensors from outside are cells: read by handle at every call, and written when the program has finished, so that an
error in the middle leaves everything as it was.
"""

from __future__ import annotations

import functools
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, GradientError, InPlaceError
from chainrule.ir.graph import Graph
from chainrule.ir.origin import user_frame
from chainrule.ir.trace import Ended, Trace, leaked, make_input
from chainrule.ir.tree import Structure, flatten, unflatten
from chainrule.ir.types import Array, Type, dtype_of, float64
from chainrule.ir.value import Leaf, Node, Value
from chainrule.program import CompiledDerivative, differentiable_outputs
from chainrule.staleness import Check, Observations
from chainrule.tensor import NOT_KEPT, Buffer, Parameter, Tensor

MANY_TRACES = 8  # past so many, something varies that should not

Key = tuple[Any, ...]
PLAIN = (bool, int, str, bytes, type(None))


def compile(  # noqa: A001 (PyTorch's name)
    function: Callable[..., Any] | None = None, *, keep_grads: bool = False, **speed_only: Any
) -> Any:
    """Turns a function of tensors (a training step, a module) into one program. Also a decorator, with or without ().

    function: ordinary chainrule code without Python branches on tensor values. Arguments: tensors, NumPy arrays and
    floats are inputs; int, bool, str and None are part of the key, so another value is another trace.
    keep_grads: store `.grad` after a step that calls an optimiser (otherwise such a step lets them go).
    PyTorch's options (fullgraph, dynamic, mode, backend, options) are accepted and have no effect.

    `compiled.traces` counts the traces made; `compiled.graph` is the last program, printable as text.
    Raises TracedValueError, LeakedTensorError where the function asks for what is not known while tracing.
    """
    unknown = set(speed_only) - {"fullgraph", "dynamic", "mode", "backend", "options", "disable"}
    if unknown:
        raise ArgumentError(f"compile: unknown arguments {sorted(unknown)}; see help(chainrule.compile).")
    if function is None:
        return functools.partial(compile, keep_grads=keep_grads)
    if not callable(function):
        raise ArgumentError(f"compile: a function or a module is needed, not {type(function).__name__}.")
    return Compiled(function, keep_grads)


class Compiled:
    """A compiled function. Attributes that it does not have itself are those of the function or module."""

    def __init__(self, function: Callable[..., Any], keep_grads: bool) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._keep_grads = keep_grads
        self._programs: dict[Key, list[Program]] = {}
        self._lock = threading.RLock()
        self._warned = False
        self.traces = 0
        self.last: Program | None = None

    @property
    def graph(self) -> Graph:
        """The graph of the program that ran last."""
        if self.last is None:
            raise ArgumentError("compile: this function was not called yet, so it has no graph.")
        return self.last.graph

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.trace.get() is not None:  # inside another compiled function: part of its program
            return self._function(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        with self._lock:
            return self._program(leaves, structure).run(leaves)

    def _program(self, leaves: list[Any], structure: Structure) -> Program:
        key = call_key(leaves, structure)
        programs = self._programs.setdefault(key, [])
        stale: Check | None = None
        for program in programs:
            stale = program.observations.changed()
            if stale is None and program.fits(leaves):
                self.last = program
                return program
        program = Tracing(self._function, leaves, structure, self._keep_grads).program
        programs.insert(0, program)
        self.traces += 1
        self.last = program
        if self.traces > MANY_TRACES and not self._warned:
            self._warn(key, stale)
        return program

    def _warn(self, key: Key, stale: Check | None) -> None:
        self._warned = True
        others = [other for other in self._programs if other != key]
        varies = stale.label if stale is not None else difference(key, others[-1]) if others else "its surroundings"
        frame = user_frame()
        warnings.warn_explicit(
            f"{getattr(self._function, '__name__', 'the compiled function')} was traced {self.traces} times: "
            f"{varies} varies from call to call. Pass what varies as a tensor or a float, or pad to few shapes.",
            UserWarning,
            frame.f_code.co_filename if frame else "chainrule",
            frame.f_lineno if frame else 0,
        )


# Keys -----------------------------------------------------------------------------------------------------------------


def call_key(leaves: list[Any], structure: Structure) -> Key:
    """What of a call decides which program it runs."""
    recording = state.gradients_enabled.get()
    first: dict[int, int] = {}
    parts: list[Any] = [structure, recording, state.default_dtype.get()]
    for position, leaf in enumerate(leaves):
        kind = leaf.__class__
        if kind is np.ndarray:
            parts.append((leaf.shape, leaf.dtype))
        elif kind is float or isinstance(leaf, np.floating):
            parts.append(float)
        elif isinstance(leaf, Parameter | Buffer):
            parts.append(id(leaf))
        elif isinstance(leaf, Tensor):
            carrier = leaf.read()
            parts.append((carrier.type, recording and carrier.needs_grad, first.setdefault(id(leaf), position)))
        elif isinstance(leaf, PLAIN):
            parts.append((kind, leaf))
        else:
            parts.append((kind, id(leaf)))
    return tuple(parts)


def difference(key: Key, other: Key) -> str:
    """What differs between two keys, in words."""
    if key[0] != other[0]:
        return "the structure of the arguments"
    if key[1:3] != other[1:3]:
        return "whether gradients are recorded, or the default dtype,"
    for position, (part, before) in enumerate(zip(key[3:], other[3:], strict=True)):
        if part != before:
            return f"argument {position} ({_in_words(before)}, then {_in_words(part)})"
    return "its surroundings"


def _in_words(part: Any) -> str:
    if isinstance(part, tuple) and part and isinstance(part[0], type):
        return repr(part[1]) if issubclass(part[0], PLAIN) else f"another {part[0].__name__} object"
    return str(part[0]) if isinstance(part, tuple) and part else str(part)


# Tracing --------------------------------------------------------------------------------------------------------------


class Source(NamedTuple):
    """Where an input of the program comes from: an argument, a cell, the gradient of a leaf, or an array."""

    kind: str
    thing: Any


class Target(NamedTuple):
    """Where an output of the program goes: the result, an argument's tensor, a cell, or the gradient of a leaf."""

    kind: str
    thing: Any


def no_longer(g: Any, results: Any, inputs: Any) -> Any:
    """The derivative of a checkpoint inside a program, once the trace is over."""
    raise GradientError(
        "second derivatives through a compiled function that uses checkpoint cannot be taken outside it: take them "
        "inside the compiled function, or leave checkpoint out."
    )


class Tracing:
    """One trace of a function; `program` is what came of it."""

    def __init__(self, function: Callable[..., Any], leaves: list[Any], structure: Structure, keep_grads: bool) -> None:
        self.leaves = leaves
        self.keep_grads = keep_grads
        self.trace = Trace()
        self.argument_nodes: dict[Node, int] = {}
        self.argument_leaves: dict[Leaf, int] = {}
        self.stand_ins: dict[int, Tensor] = {}
        self.observations = Observations()
        self.observations.function(function)
        token = state.trace.set(self.trace)
        try:
            arguments = [self._argument(position, leaf) for position, leaf in enumerate(leaves)]
            args, kwargs = unflatten(structure, arguments)
            result = function(*args, **kwargs)
            del args, kwargs, arguments
            self._finish(result)
            del result
        except BaseException:
            self._end()
            raise
        finally:
            state.trace.reset(token)
        self._refuse_leaks()
        self.observations.finish()

    def _argument(self, position: int, leaf: Any) -> Any:
        """What the function gets for one argument."""
        if isinstance(leaf, Parameter | Buffer):
            return leaf
        if isinstance(leaf, Tensor):
            return self._stand_in(position, leaf)
        if isinstance(leaf, np.ndarray):
            return self._input(position, Type(leaf.shape, dtype_of(leaf.dtype)), np.asarray(leaf))
        if leaf.__class__ is float or isinstance(leaf, np.floating):
            return self._input(position, Type((), float64), np.asarray(leaf, np.float64), weak=True)
        if not isinstance(leaf, PLAIN):
            self.observations.thing(leaf, f"argument {position}", self.observations.always)
        return leaf

    def _stand_in(self, position: int, leaf: Tensor) -> Tensor:
        for earlier, tensor in self.stand_ins.items():
            if self.leaves[earlier] is leaf:
                return tensor
        with state.using(state.trace, None):
            carrier = leaf.read()
        proxy = None
        needs_grad = carrier.needs_grad and state.gradients_enabled.get()
        if needs_grad and carrier.leaf is not None:
            proxy = Leaf()
            proxy.gradient = carrier.leaf.gradient
            self.trace.leaves.add(proxy)
            self.argument_leaves[proxy] = position
        tensor = self._input(position, carrier.type, carrier.array, needs_grad=needs_grad, leaf=proxy)
        tensor._leaf = proxy
        self.stand_ins[position] = tensor
        return tensor

    def _input(self, position: int, type: Type, array: Array, **how: Any) -> Tensor:
        node = make_input(f"argument{position}", type, **how)
        self.argument_nodes[node] = position
        self.trace.given[node] = array
        return Tensor(node)

    def _finish(self, result: Any) -> None:
        """Gathers the program's inputs and outputs."""
        results, structure = flatten(result)
        outputs: list[tuple[Target, Node]] = []
        constants: list[Any] = []
        for position, leaf in enumerate(results):
            captured = isinstance(leaf, Tensor) and leaf._carrier.__class__ is Value
            if captured and id(leaf) not in self.trace.cells:
                constants.append(leaf)  # a tensor from outside, returned as it is
            elif captured and isinstance(leaf, Parameter | Buffer):
                constants.append(leaf)
            elif isinstance(leaf, Tensor):
                outputs.append((Target("result", position), leaf.read()))
                constants.append(None)
            else:
                constants.append(leaf)
        del results, result
        outputs += self._written_arguments() + self._written_cells() + self._gradients()
        self.program = Program(self, outputs, structure, constants)
        for node in self.program.graph.nodes:
            if getattr(node.params.get("derivative"), "bound_to_trace", False):
                node.params = {**node.params, "derivative": no_longer}

    def _written_arguments(self) -> list[tuple[Target, Node]]:
        found = []
        for position, tensor in self.stand_ins.items():
            node = tensor.read()
            if node not in self.argument_nodes:
                found.append((Target("argument", position), node))
        return found

    def _written_cells(self) -> list[tuple[Target, Node]]:
        return [
            (Target("cell", cell.handle), cell.current)
            for cell in self.trace.cells.values()
            if cell.writes and cell.current is not cell.input
        ]

    def _gradients(self) -> list[tuple[Target, Node]]:
        """The gradients that the program leaves; those that it lets go, or sets to None, need no node."""
        found = []
        kept = self.keep_grads or not self.trace.called_optimizer
        self.other_gradients: list[tuple[Any, Any]] = []
        for entry in self.trace.gradients.values():
            leaf = self.argument_leaves.get(entry.leaf, entry.leaf)
            if entry.current is None:
                self.other_gradients.append((leaf, None))
            elif not kept and not entry.was_read:
                self.other_gradients.append((leaf, NOT_KEPT))
            elif entry.current.read() is not entry.entry:
                found.append((Target("gradient", leaf), entry.current.read()))
            entry.current = None
        return found

    def _end(self) -> None:
        """Takes their nodes from the handles that the trace made: they mean nothing any more."""
        for handle in list(self.trace.handles):
            carrier = handle._carrier
            handle._carrier = Ended(carrier.origin if carrier.__class__ is Node else None)

    def _refuse_leaks(self) -> None:
        self.stand_ins = {}
        for leaf in (*self.argument_leaves, *self.trace.inner_leaves):
            leaf.gradient = None
        if not self.trace.handles:
            return
        gc.collect()
        alive = list(self.trace.handles)
        self._end()
        if alive:
            raise leaked(alive[0]._carrier)


# Programs -------------------------------------------------------------------------------------------------------------


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
        self.own_arguments = {
            position for position, leaf in enumerate(tracing.leaves) if isinstance(leaf, np.ndarray)
        }

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
            return leaf  # type: ignore[no-any-return]
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
        return unflatten(self.structure, results)

    def _deliver(self, target: Target, carrier: Value, leaves: list[Any], results: list[Any]) -> None:
        kind, thing = target
        if kind == "result":
            results[thing] = Tensor(carrier)
        elif kind == "cell":
            thing.write(carrier)
        elif kind == "argument":
            if not isinstance(leaves[thing], Tensor):
                raise InPlaceError("compile: a NumPy argument was written in place; pass a tensor instead.")
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
        if node.primitive.name == "input":
            found.add(node)
        stack.extend(node.inputs)
    return found
