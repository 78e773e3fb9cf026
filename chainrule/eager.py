"""Heavy calls of eager mode, each as a program of its own in machine code, and so on all cores.

What a call does stays that of its primitive (or of its derivative rule, traced): this only says who computes it. The
programs are kept by operation, types and parameters, and found on the disk by the next process. On the reference
executor NumPy computes everything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from chainrule.executor import Executor, compile_native, native
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.heavy import Accelerator
from chainrule.ir.primitive import Primitive
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Array, type_of
from chainrule.ir.value import Node, Value
from chainrule.ops.movement import permute

KEPT = 512  # programs, those that were used last

Order = tuple[int, ...]
Traced = Callable[[list[Node]], Sequence[Node]]


class Programs:
    """The programs, the one that was used last at the end."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Executor | None] = {}
        self._lock = threading.RLock()

    def find(self, key: Hashable, traced: Traced, arrays: Sequence[Array], orders: Sequence[Order]) -> Executor | None:
        """The program of that key, made if it is met for the first time. None if there is no machine code for it."""
        with self._lock:
            if key in self._known:
                self._known[key] = found = self._known.pop(key)
                return found
            self._known[key] = made = compile_native(graph_of(traced, arrays, orders))
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
            return made


_programs = Programs()


def result_of(primitive: Primitive, arrays: Sequence[Array], params: dict[str, Any]) -> Array | None:
    """The primitive's result, or None if NumPy has to compute it."""
    found = _run(primitive, (), lambda nodes: [primitive(*nodes, **params)], arrays, params)
    return None if found is None else found[0]


def cotangents_of(
    primitive: Primitive, g: Value, y: Value, inputs: Sequence[Value], params: dict[str, Any]
) -> list[Value | None] | None:
    """What the derivative rule gives those inputs that need a gradient; None if it has to run op by op."""
    assert primitive.vjp is not None
    rule = primitive.vjp
    wanted = tuple([k for k, source in enumerate(inputs) if source.needs_grad])

    def traced(nodes: list[Node]) -> list[Node]:
        flows = rule(nodes[0], nodes[1], *nodes[2:], **params)
        return [flows[k] for k in wanted]

    found = _run(primitive, wanted, traced, [g.array, y.array, *[source.array for source in inputs]], params)
    if found is None:
        return None
    flows: list[Value | None] = [None] * len(inputs)
    for k, array in zip(wanted, found, strict=True):
        flows[k] = Value(array)
    return flows


def words_of(seed: int, draw: int, first: int, last: int) -> Array | None:
    """The words of some blocks of a stream of random numbers, or None if NumPy has to make them. The bits are equal."""
    backend = native() if state.executor.get() == "native" else None
    return None if backend is None else backend.words.words(seed, draw, first, last)


def _run(
    primitive: Primitive, wanted: tuple[int, ...], traced: Traced, arrays: Sequence[Array], params: dict[str, Any]
) -> list[Array] | None:
    if state.executor.get() != "native":
        return None
    orders = [order_of(array) for array in arrays]
    shapes = tuple([(array.dtype, array.shape, order) for array, order in zip(arrays, orders, strict=True)])
    program = _programs.find((primitive, wanted, shapes, *params.items()), traced, arrays, orders)
    if program is None:
        return None
    return program([array.transpose(order) if order else array for array, order in zip(arrays, orders, strict=True)])


def order_of(array: Array) -> Order:
    """The order of axes in which an array lies in memory without gaps; () if that is its own, or there is none."""
    if array.flags.c_contiguous:
        return ()
    order = tuple(sorted(range(array.ndim), key=lambda k: -array.strides[k]))
    return order if array.transpose(order).flags.c_contiguous else ()


def graph_of(traced: Traced, arrays: Sequence[Array], orders: Sequence[Order]) -> Graph:
    """The graph of an operation. Operands whose axes are permuted come as they lie, so that nobody copies them."""
    lying = [array.transpose(order) if order else array for array, order in zip(arrays, orders, strict=True)]
    inputs = [make_input(f"x{k}", type_of(array)) for k, array in enumerate(lying)]
    with state.using(state.trace, Trace()), state.using(state.gradients_enabled, False):
        nodes = [permute(node, inverse(order)) if order else node for node, order in zip(inputs, orders, strict=True)]
        outputs = tuple(traced(nodes))
    return Graph(tuple(inputs), outputs)


def inverse(order: Order) -> Order:
    """The permutation that undoes another."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


ACCELERATOR = Accelerator(result_of, cotangents_of, words_of)
