"""Recording a program: while a trace is active, primitives make nodes instead of arrays.

A trace stands between the user's handles and what they held when it began. A handle from outside that is read becomes
an input; one that is written gets a new value here alone, and the handle itself is written when the program has run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet, ref

import numpy as np

from chainrule.ir import origin, state
from chainrule.ir.errors import LeakedTensorError
from chainrule.ir.primitive import Primitive, is_differentiable
from chainrule.ir.quiet import quietly
from chainrule.ir.types import Array, Type, type_of
from chainrule.ir.value import Carrier, Leaf, Node, Value


def _not_evaluated(*_: Any, **__: Any) -> Any:
    raise AssertionError("an input has no reference: its value is given")


INPUT = Primitive("input", _not_evaluated, _not_evaluated, register=False)


def make_input(
    name: str, type: Type, *, needs_grad: bool = False, weak: bool = False, leaf: Leaf | None = None
) -> Node:
    """A node that stands for a value given from outside."""
    return Node(INPUT, (), {"name": name}, type, None, needs_grad, weak, leaf)


class Ended:
    """What a handle holds when the trace that made it is over."""

    __slots__ = ("origin",)

    def __init__(self, origin: origin.Origin | None) -> None:
        self.origin = origin

    def __getattr__(self, name: str) -> Any:
        raise leaked(self)


class Cell:
    """A handle from outside that the program reads: its input node, what it holds now, how often it was written."""

    __slots__ = ("current", "handle", "input", "writes")

    def __init__(self, handle: Any, input: Node) -> None:
        self.handle = handle
        self.input = input
        self.current: Node = input
        self.writes = 0


class Gradient:
    """The `.grad` of a leaf from outside: what it was on entry (if that was asked for), and what it is now."""

    __slots__ = ("current", "entry", "leaf", "original", "was", "was_read")

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf
        self.entry: Node | None = None
        self.current: Any = None  # a local handle, None, or the mark of a gradient that was not kept
        self.was_read = False
        self.was: Any = None  # the class of what it was on entry
        self.original: Any = None  # the local handle on what it was on entry


class Trace:
    """What is being recorded."""

    def __init__(self) -> None:
        self.constants: dict[int, tuple[Array, Node]] = {}  # arrays met on the way, by identity
        self.cells: dict[int, Cell] = {}
        self.gradients: dict[int, Gradient] = {}
        self.leaves: set[Leaf] = set()  # of handles from outside
        self.effects: list[tuple[ref[Any], str, Any]] = []  # attributes that modules were given
        self.inner_leaves: list[Leaf] = []  # made while tracing, and given a gradient
        self.handles: WeakSet[Any] = WeakSet()  # made while tracing
        self.freed: set[Node] = set()  # what a backward without retain_graph has used up
        self.foreign: set[int] = set()  # ids of those constants that the user may write to
        self.computed: dict[Node, str] = {}  # inputs behind which the tape goes on, and what they are
        self.made: dict[int, ref[Any]] = {}  # cells constructed while tracing
        self.called_optimizer = False
        self.place: origin.Origin | None = None  # where nodes come from now, if that is known without looking
        self.given: dict[Node, Array] = {}  # the arguments of the call that is being traced
        self.values: dict[Node, Callable[[], Array]] = {}  # of the other inputs, in that call
        self._once: dict[tuple[Primitive, tuple[Node, ...], str], Node] = {}

    # operations

    def add(self, primitive: Primitive, operands: tuple[Carrier, ...], params: dict[str, Any]) -> Node:
        """The node of one operation.

        Of single numbers that need no gradient it is made once: an optimiser asks the same of its settings for every
        parameter.
        """
        inputs = tuple([operand if operand.__class__ is Node else self.lift(operand.array) for operand in operands])
        for node in inputs:
            if node.shape != () or node.needs_grad:
                return self._made(primitive, inputs, params)
        return self.once(primitive, inputs, params) if inputs else self._made(primitive, inputs, params)

    def once(self, primitive: Primitive, inputs: tuple[Node, ...], params: dict[str, Any]) -> Node:
        """The node of an operation, the same one whenever it is asked for."""
        key = primitive, inputs, str(params)  # exact, as values are not: 0.0 == -0.0
        found = self._once.get(key)
        if found is None:
            found = self._once[key] = self._made(primitive, inputs, params)
        return found

    def _made(self, primitive: Primitive, inputs: tuple[Node, ...], params: dict[str, Any]) -> Node:
        type = primitive.infer(*[node.type for node in inputs], **params)
        needs_grad = (
            primitive.vjp is not None
            and any([node.needs_grad for node in inputs])
            and state.gradients_enabled.get()
            and is_differentiable(type)
        )
        return Node(primitive, inputs, params, type, self.place or origin.here(1), needs_grad)

    def lift(self, array: Array) -> Node:
        """The input that stands for an array met while tracing; later calls read the same array object again."""
        found = self.constants.get(id(array))
        if found is None:
            found = self.constants[id(array)] = (array, make_input(f"constant{len(self.constants)}", type_of(array)))
            self.values[found[1]] = lambda: array
        return found[1]

    def lift_foreign(self, array: Array) -> Node:
        """The input that stands for an array of the user's, who may write to it between calls."""
        self.foreign.add(id(array))
        return self.lift(array)

    # handles

    def read(self, handle: Any) -> Node:
        """The node that a handle stands for now."""
        carrier = handle._carrier
        if carrier.__class__ is Node:
            return carrier
        if carrier.__class__ is Ended:
            raise leaked(carrier)
        return self.cell(handle).current

    def cell(self, handle: Any) -> Cell:
        """The cell of a handle from outside, entered at first use."""
        found = self.cells.get(id(handle))
        if found is None:
            value: Value = handle._carrier
            node = make_input(
                handle.name_in_graph(),
                value.type,
                needs_grad=value.needs_grad,
                weak=handle.is_scalar_cell,
                leaf=value.leaf,
            )
            found = self.cells[id(handle)] = Cell(handle, node)
            self.values[node] = lambda: found.handle.read_outside().array
            if value.leaf is not None:
                self.leaves.add(value.leaf)
            if value.needs_grad and value.primitive is not None:
                self.computed[node] = "a tensor from outside"
        return found

    def require_grad(self, handle: Any, node: Node) -> None:
        """For a part of the trace a leaf from outside requires a gradient, or none: `node` is its value so."""
        cell = self.cell(handle)
        as_before = not cell.writes and cell.input.needs_grad == node.needs_grad
        cell.current = cell.input if as_before else node
        if node.leaf is not None:
            self.leaves.add(node.leaf)

    def write(self, handle: Any, carrier: Node) -> None:
        """Gives a handle a new value, for the rest of the trace."""
        if handle._carrier.__class__ is Node:
            handle._carrier = carrier
            return
        cell = self.cell(handle)
        cell.current = carrier
        cell.writes += 1

    def version(self, handle: Any) -> int:
        """How often a handle was written, before the trace and in it."""
        cell = self.cells.get(id(handle))
        writes: int = handle._writes
        return writes + (cell.writes if cell is not None else 0)

    def gradient(self, leaf: Leaf) -> Gradient:
        """The `.grad` of a leaf, entered at first use."""
        return self.gradients.setdefault(id(leaf), Gradient(leaf))

    def gradient_input(self, entry: Gradient) -> Node:
        """The input that stands for the `.grad` that a leaf had on entry."""
        value: Value = entry.leaf.gradient.read_outside()
        entry.entry = make_input("grad", value.type)
        self.values[entry.entry] = lambda: entry.leaf.gradient.read_outside().array
        return entry.entry

    # values, for what is constructed while tracing

    def evaluate(self, carrier: Carrier) -> Array:
        """The array that a carrier has in the call that is being traced."""
        if carrier.__class__ is Value:
            array: Array = carrier.array
            return array
        known: dict[Node, Any] = {}
        stack = [carrier]
        while stack:
            node = stack[-1]
            missing = [source for source in node.inputs if source not in known]
            if node in known:
                stack.pop()
            elif missing:
                stack.extend(missing)
            elif node.primitive is INPUT:
                known[node] = self.given[node] if node in self.given else self.values[node]()
            else:
                known[node] = quietly(node.primitive.reference, *[known[x] for x in node.inputs], **node.params)
        return np.asarray(known[carrier])


def leaked(carrier: Ended) -> LeakedTensorError:
    """The error of using a handle whose trace is over."""
    made = f" It was made at {carrier.origin}." if carrier.origin is not None else ""
    return LeakedTensorError(
        "this tensor was made inside a compiled function and outlived it, so it has no value."
        f"{made} Return it from the function, or keep it in a buffer: "
        "`self.register_buffer('name', initial)` once, then assign to `self.name` inside."
    )
