"""Eager calls that are worth machine code: what decides it, and whom they are handed to.

A primitive that can be heavy says what its reference costs (`Primitive.cost`). A call that costs `WORTH` or more goes
to the accelerator, if there is one: the package sets it (`state.set_accelerator`), since operations know no backend.
Types and parameters alone decide, never times, so that the same program has the same bits in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.ir import state

if TYPE_CHECKING:
    from chainrule.ir.primitive import Primitive
    from chainrule.ir.value import Value

WORTH = 100_000  # nanoseconds: of NumPy's time, so that ten microseconds around the machine code do not matter


class Accelerator(NamedTuple):
    """Computes heavy calls; None where NumPy has to."""

    result: Callable[[Primitive, Sequence[Any], dict[str, Any]], Any]
    cotangents: Callable[[Primitive, Value, Value, Sequence[Value], dict[str, Any]], Any]
    words: Callable[[int, int, int, int], Any]  # of a stream of random numbers: seed, draw, first block, last


def accelerated(primitive: Primitive, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """The result of a call that costs `WORTH` or more, or None if NumPy computes it."""
    accelerator = state.accelerator()
    return None if accelerator is None else accelerator.result(primitive, arrays, params)


def accelerated_vjp(
    primitive: Primitive, g: Value, y: Value, inputs: Sequence[Value], params: dict[str, Any]
) -> Sequence[Value | None] | None:
    """What the primitive's derivative rule gives, or None if it is to be run op by op: always if that is recorded."""
    if primitive.cost is None or state.gradients_enabled.get() or state.trace.get() is not None:
        return None
    if primitive.cost(*[source.array for source in inputs]) < WORTH:
        return None
    accelerator = state.accelerator()
    return None if accelerator is None else accelerator.cotangents(primitive, g, y, inputs, params)
