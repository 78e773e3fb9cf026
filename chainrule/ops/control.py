"""What is no arithmetic: cutting the gradient, giving a function its own derivative, picking one of several results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Type
from chainrule.ir.value import Carrier

# detach: the same value, through which no gradient flows.
_detach = Primitive(
    "detach",
    lambda x: x,
    lambda x: x,
    samples=lambda rng: [((rng.standard_normal(shape),), {}) for shape in ((2,), ())],
)


def detach(x: Carrier) -> Carrier:
    """x as a constant: no gradient flows through it."""
    return _detach(x)


# alias: the same value as another carrier, through which the gradient flows: a point to differentiate at.
_alias = Primitive(
    "alias",
    lambda x: x,
    lambda x: x,
    lambda g, y, x: (g,),
    samples=lambda rng: [((rng.standard_normal(shape),), {}) for shape in ((2,), ())],
)


def alias(x: Carrier) -> Carrier:
    """x again, as a carrier of its own."""
    return _alias(x)


# item: one result of a primitive that has several. Reverse mode gathers the cotangents itself.
def _item_reference(results: tuple[Any, ...], *, index: int, count: int) -> Any:
    return results[index]


def _item_vjp(g: Carrier, y: Carrier, results: Carrier, *, index: int, count: int) -> tuple[Carrier]:
    raise AssertionError("reverse mode handles item itself")


ITEM = Primitive("item", _item_reference, lambda types, *, index, count: types[index], _item_vjp)


# custom: results that are given, together with the inputs that they are to be differentiated by.
def _custom_reference(*values: Any, derivative: Any, results: int) -> tuple[Any, ...]:
    return values[:results]


def _infer_custom(*types: Type, derivative: Any, results: int) -> tuple[Type, ...]:
    return types[:results]


def _custom_vjp(g: Any, y: Carrier, *values: Carrier, derivative: Any, results: int) -> tuple[Carrier | None, ...]:
    return (None,) * results + tuple(derivative(g, values[:results], values[results:]))


CUSTOM = Primitive("custom", _custom_reference, _infer_custom, _custom_vjp, samples=lambda rng: _custom_samples(rng))

Derivative = Callable[[tuple[Carrier, ...], tuple[Carrier, ...], tuple[Carrier, ...]], Sequence[Carrier | None]]


def with_derivative(results: Sequence[Carrier], inputs: Sequence[Carrier], derivative: Derivative) -> list[Carrier]:
    """`results`, to be differentiated by `inputs` through derivative(cotangents, results, inputs) and not otherwise."""
    constants = [detach(result) for result in results]
    together = CUSTOM(*constants, *inputs, derivative=derivative, results=len(results))
    return [ITEM(together, index=index, count=len(results)) for index in range(len(results))]


def _linear(g: tuple[Carrier, ...], results: tuple[Carrier, ...], inputs: tuple[Carrier, ...]) -> list[Carrier]:
    return [g[0] * 2.0, g[0].sum((1,), True)]


def _custom_samples(rng: np.random.Generator) -> list[Any]:
    x, z = rng.standard_normal((2, 3)), rng.standard_normal((2, 1))
    return [((2 * x + z, x, z), {"derivative": _linear, "results": 1})]
