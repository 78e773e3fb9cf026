"""The sum, or the mean, of squared differences: one primitive, since it is the loss of every eager regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.errors import ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, Type
from chainrule.ir.value import Carrier
from chainrule.ops.elementwise import square, sub
from chainrule.ops.movement import broadcast_to
from chainrule.ops.promotion import floating, operands
from chainrule.ops.reduction import mean, sum_


def _reference(a: Array, b: Array, *, reduction: str) -> Array:
    difference = np.ascontiguousarray(a - b)
    total = np.add.reduce(difference * difference, axis=None)
    return np.asarray(total / a.size if reduction == "mean" else total)


def _infer(a: Type, b: Type, *, reduction: str) -> Type:
    if a != b:
        raise ShapeError(f"squared_error: operands of one type are needed, not {a} and {b}.")
    return Type((), a.dtype)


def _vjp(g: Carrier, y: Carrier, a: Carrier, b: Carrier, *, reduction: str) -> tuple[Carrier, Carrier]:
    slope = g * (2 / max(a.type.size, 1) if reduction == "mean" else 2)
    flow = sub(a, b) * broadcast_to(slope, a.shape)
    return flow, -flow


def _expand(a: Carrier, b: Carrier, *, reduction: str) -> Carrier:
    axes = tuple(range(len(a.shape)))
    return (mean if reduction == "mean" else sum_)(square(sub(a, b)), axes)


def _samples(rng: np.random.Generator) -> list[Any]:
    return [
        ((rng.standard_normal(shape), rng.standard_normal(shape)), {"reduction": reduction})
        for shape, reductions in (
            ((2, 3), ("mean", "sum")),
            ((), ("mean",)),
            ((2, 1, 3), ("mean", "sum")),
            ((2, 0), ("sum",)),  # the mean is NaN
        )
        for reduction in reductions
    ]


_squared_error = Primitive("squared_error", _reference, _infer, _vjp, expand=_expand, samples=_samples)


def squared_error(a: Carrier, b: Carrier, reduction: str) -> Carrier:
    """The "sum" or the "mean" of (a - b)^2 over all elements; the mean of none is NaN."""
    a, b = operands("squared_error", a, b)
    return _squared_error(floating(a), floating(b), reduction=reduction)
