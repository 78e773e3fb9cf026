"""Reverse mode: walks back from outputs over whatever was recorded and applies each primitive's VJP rule.

Rules are written in primitives, so under a trace the walk adds nodes, and eagerly it computes arrays; with
`create_graph` what it computes is itself recorded and can be differentiated again. Under a trace, what a rule adds is
said to come from the line and layer of what it is the derivative of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chainrule.ir import state
from chainrule.ir.errors import GradientError
from chainrule.ir.heavy import accelerated_vjp
from chainrule.ir.value import Carrier, Node, Value
from chainrule.ops.control import CUSTOM, ITEM
from chainrule.ops.creation import zeros_like
from chainrule.ops.elementwise import add


def reverse(
    outputs: Sequence[Carrier],
    cotangents: Sequence[Carrier],
    wanted: Sequence[Carrier] | None = None,
    *,
    create_graph: bool = False,
    keep_tape: bool = True,
    hooks_of_wanted: bool = True,
) -> dict[Carrier, Carrier]:
    """The cotangents of `wanted` carriers (None: of every leaf); missing where nothing flows.

    With `keep_tape=False` the tape behind the outputs is freed: it cannot be walked again.
    """
    found = reachable(outputs)
    order = found if wanted is None else leading_to(found, wanted)
    sums: dict[Carrier, Carrier] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        _accumulate(sums, output, cotangent)
    kept: dict[Carrier, Carrier] = {}
    keep = None if wanted is None else set(wanted)
    token = state.gradients_enabled.set(create_graph)
    trace = state.trace.get()
    try:
        for carrier in order:
            g = sums.pop(carrier, None)
            if g is None:
                continue
            leaf = carrier.leaf
            if leaf is not None and leaf.hooks and (hooks_of_wanted or keep is None or carrier not in keep):
                g = _hooked(leaf.hooks, g)
            if (leaf is not None and leaf.kept) if keep is None else carrier in keep:
                kept[carrier] = g
            if carrier.inputs and carrier.primitive.vjp is not None:
                if trace is not None and carrier.__class__ is Node and carrier.primitive is not CUSTOM:
                    trace.place = carrier.origin  # a derivative that the user wrote has lines of its own
                _step(carrier, g, sums)
                if trace is not None:
                    trace.place = None
    finally:
        state.gradients_enabled.reset(token)
        if trace is not None:
            trace.place = None
    if not keep_tape:
        free(found)
    return kept


def _hooked(hooks: Iterable[Callable[[Carrier], Carrier | None]], g: Carrier) -> Carrier:
    for hook in hooks:
        changed = hook(g)
        g = g if changed is None else changed
    return g


def _step(carrier: Carrier, g: Carrier, sums: dict[Carrier, Carrier]) -> None:
    """Adds what flows from one carrier to its inputs."""
    primitive, inputs = carrier.primitive, carrier.inputs
    if primitive is ITEM:
        index = carrier.params["index"]
        slots = sums.setdefault(inputs[0], [None] * carrier.params["count"])
        slots[index] = g if slots[index] is None else add(slots[index], g)
        return
    if g.__class__ is list:  # a primitive of several results: zeros where no cotangent came
        g = tuple([zeros_like(type) if one is None else one for type, one in zip(carrier.type, g, strict=True)])
    flows = None if primitive.cost is None else accelerated_vjp(primitive, g, carrier, inputs, carrier.params)
    if flows is None:
        flows = primitive.vjp(g, carrier, *inputs, **carrier.params)
    for source, flow in zip(inputs, flows, strict=True):
        if flow is not None and source.needs_grad:
            _accumulate(sums, source, flow)


def _accumulate(sums: dict[Carrier, Carrier], carrier: Carrier, flow: Carrier) -> None:
    known = sums.get(carrier)
    sums[carrier] = flow if known is None else add(known, flow)


def reachable(outputs: Sequence[Carrier]) -> list[Carrier]:
    """Every carrier behind the outputs through which a gradient flows, later ones first."""
    trace = state.trace.get()
    freed = trace.freed if trace is not None else ()
    found: set[Carrier] = set()
    stack = [output for output in outputs if output.needs_grad]
    while stack:
        carrier = stack.pop()
        if carrier in found:
            continue
        if carrier.params is FREED or carrier in freed:
            raise GradientError(
                "backward: this part of the tape was freed by an earlier backward; pass retain_graph=True to that one "
                "if the same forward pass is to be differentiated twice."
            )
        found.add(carrier)
        stack.extend([source for source in carrier.inputs if source.needs_grad])
    return sorted(found, key=_creation, reverse=True)


def leading_to(carriers: Sequence[Carrier], wanted: Sequence[Carrier]) -> list[Carrier]:
    """Those of `carriers` (later ones first) that are wanted or were computed from something wanted."""
    useful = set(wanted)
    for carrier in reversed(carriers):
        if any([source in useful for source in carrier.inputs]):
            useful.add(carrier)
    return [carrier for carrier in carriers if carrier in useful]


def _creation(carrier: Carrier) -> int:
    order: int = carrier.order
    return order


FREED: dict[str, object] = {}  # the params of a value whose tape was freed; recognised by identity


def free(carriers: Iterable[Carrier]) -> None:
    """Drops how values were computed, so that memory goes. Of a trace's nodes it only notes that they are used up."""
    trace = state.trace.get()
    for carrier in carriers:
        if not carrier.inputs or carrier.primitive.vjp is None:
            continue
        if carrier.__class__ is Value:
            carrier.inputs, carrier.params = (), FREED
        elif trace is not None:
            trace.freed.add(carrier)
