"""A primitive: the meaning of one operation. What it computes, of which type, and its derivative; no backend.

    reference(*arrays, **params) -> array            the only statement of what the operation means, in NumPy
    infer(*types, **params) -> Type                  the type rule; raises ShapeError / DTypeError
    vjp(g, y, *inputs, **params) -> tuple            one cotangent per input, None where there is no derivative;
                                                     g is the cotangent of the result y. Written in primitives.
    expand(*inputs, **params) -> carrier             the same in other primitives, for backends without a row
    samples(rng) -> [(arrays, params), ...]          inputs on which the registry-wide tests hold it to all of this
    computes                                         False if the reference only moves elements: no NumPy warning can
                                                     come of it, so that eager calls need not switch them off
    cost(*arrays) -> nanoseconds                     about what the reference takes, if it can take long: from
                                                     `heavy.WORTH` on eager calls run in machine code, if there is any

A primitive never broadcasts or promotes: the family's constructor has done so. One with several results has a tuple
of types and returns a tuple of arrays; `control.item` picks one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.heavy import WORTH, accelerated
from chainrule.ir.quiet import QUIET, after
from chainrule.ir.types import FLOATING
from chainrule.ir.value import Carrier, Value, next_order

Rule = Callable[..., Any]

REGISTRY: dict[str, Primitive] = {}

# Bound once: every eager op asks both.
_active_trace = state.trace.get
_recording = state.gradients_enabled.get


class Primitive:
    """One operation of the engine; calling it computes (eager) or records (in a trace)."""

    __slots__ = ("computes", "cost", "domain", "expand", "infer", "name", "reference", "samples", "vjp")

    def __init__(
        self,
        name: str,
        reference: Rule,
        infer: Rule,
        vjp: Rule | None = None,
        *,
        expand: Rule | None = None,
        samples: Rule | None = None,
        domain: tuple[float, float] | None = None,
        computes: bool = True,
        cost: Rule | None = None,
        register: bool = True,
    ) -> None:
        self.name = name
        self.reference = reference
        self.infer = infer
        self.vjp = vjp
        self.expand = expand
        self.samples = samples
        self.domain = domain
        self.computes = computes
        self.cost = cost
        if register:
            assert name not in REGISTRY, f"two primitives are named {name}"
            REGISTRY[name] = self

    def __call__(self, *operands: Carrier, **params: Any) -> Carrier:
        trace = _active_trace()
        if trace is not None:
            return trace.add(self, operands, params)
        arrays = [operand.array for operand in operands]
        cost, array = self.cost, None
        if cost is not None and cost(*arrays) >= WORTH:
            array = accelerated(self, arrays, params)
        if array is not None:
            pass
        elif self.computes:
            try:  # `quietly`, written out: this is the path of every eager op
                array = QUIET.context.run(self.reference, *arrays, **params)
            except RuntimeError as error:
                array = after(error, self.reference, arrays, params)
        else:
            array = self.reference(*arrays, **params)
        kind = array.__class__
        if kind is not np.ndarray and kind is not tuple:
            array = np.asarray(array)
        if self.vjp is not None and _recording():
            for operand in operands:
                if operand.needs_grad:
                    if is_differentiable(array) if kind is tuple else array.dtype.kind == "f":
                        return Value(array, self, operands, params, True, next_order())
                    break
        return Value(array)

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


def is_differentiable(result: Any) -> bool:
    """Whether a result (an array, a type, or a tuple with one such) is of floating point."""
    if result.__class__ is tuple:
        return any(is_differentiable(part) for part in result)
    if result.__class__ is np.ndarray:
        return bool(result.dtype.kind == "f")
    return bool(result.dtype.category == FLOATING)
