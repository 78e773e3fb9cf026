"""One element type and one shape for the operands of an operation, by PyTorch's rules; and casts.

Primitives never promote and never broadcast: what stands here has done so before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.ir.operators import operator
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import BOOL, FLOATING, INTEGER, Array, DType, Shape, Type, bool_, float32, float64, promote
from chainrule.ir.value import Carrier, Node, Value
from chainrule.ops.creation import default_dtype, number, number_dtype
from chainrule.ops.movement import BROADCAST_TO, broadcast_shapes, broadcast_to

Domain = tuple[float, float]
SAMPLE_SHAPES: tuple[Shape, ...] = ((2, 3), (), (1,), (0, 2))


def draw(rng: np.random.Generator, shape: Shape, domain: Domain) -> Array:
    """Values for a sample, evenly from the domain."""
    return np.asarray(rng.uniform(*domain, shape))


def _cast_reference(x: Array, *, dtype: DType) -> Array:
    return x.astype(dtype.numpy)


def _cast_vjp(g: Carrier, y: Carrier, x: Carrier, *, dtype: DType) -> tuple[Carrier | None]:
    return (cast(g, x.dtype) if x.dtype.category == FLOATING else None,)


_cast = Primitive(
    "cast",
    _cast_reference,
    lambda x, *, dtype: Type(x.shape, dtype),
    _cast_vjp,
    samples=lambda rng: [
        ((draw(rng, shape, (-3.0, 3.0)),), {"dtype": dtype})
        for shape in SAMPLE_SHAPES
        for dtype in (float64, float32, bool_)
    ],
)


@operator("cast")
def cast(x: Carrier, dtype: DType) -> Carrier:
    """The same values as another element type; floats are truncated towards zero, non-zero is True."""
    return x if x.dtype is dtype else _cast(x, dtype=dtype)


def operands(name: str, *xs: Any) -> list[Carrier]:
    """xs promoted to one element type and broadcast to one shape, by PyTorch's rules.

    A tensor with dimensions outweighs one without, and that outweighs a Python number, within a category.
    """
    return (plain_pair(name, *xs) if len(xs) == 2 else None) or promoted(name, *xs)


def promoted(name: str, *xs: Any) -> list[Carrier]:
    """`operands`, of whatever they are."""
    dtype = result_dtype(*xs)
    carriers = [x for x in xs if number_dtype(x) is None]
    if all(x.weak for x in carriers):
        dtype = promote(dtype, float64) if dtype.category == FLOATING else dtype
    shape = broadcast_shapes(*(x.shape for x in carriers), what=name)
    return [fit(x, shape, dtype) for x in xs]


def plain_pair(name: str, a: Any, b: Any) -> list[Carrier] | None:
    """The operands in the cases that nearly all calls are: two carriers of one type, or one and a number; else None."""
    kind, other = a.__class__, b.__class__
    if kind is other and (kind is Value or kind is Node):
        if a.dtype is not b.dtype or a.weak or b.weak:
            return None
        of_a, of_b = a.shape, b.shape
        if of_a == of_b:
            return [a, b]
        shape = _shape_of_both(name, of_a, of_b)
        return [
            a if of_a == shape else BROADCAST_TO(a, shape=shape),
            b if of_b == shape else BROADCAST_TO(b, shape=shape),
        ]
    if (other is float or other is int) and (kind is Value or kind is Node):
        dtype = a.dtype
        if not a.weak and (dtype.category == FLOATING or (other is int and dtype.category == INTEGER)):
            return [a, number(a.shape, b, dtype)]
    elif (kind is float or kind is int) and (other is Value or other is Node):
        dtype = b.dtype
        if not b.weak and (dtype.category == FLOATING or (kind is int and dtype.category == INTEGER)):
            return [number(b.shape, a, dtype), b]
    return None


@lru_cache(maxsize=4096)
def _shape_of_both(name: str, a: Shape, b: Shape) -> Shape:
    return broadcast_shapes(a, b, what=name)


def fit(x: Any, shape: Shape, dtype: DType) -> Carrier:
    """An operand (a carrier or a number) in a given shape and type."""
    if number_dtype(x) is not None:
        return number(shape, x if dtype.category != BOOL else bool(x), dtype)
    return broadcast_to(cast(x, dtype), shape)


def result_dtype(*xs: Any) -> DType:
    """The element type of an operation on tensors and Python numbers."""
    ranks: list[DType | None] = [None, None, None]  # with dimensions, without, numbers
    for x in xs:
        number = number_dtype(x)
        rank = 2 if number is not None or x.weak else 0 if x.shape else 1
        dtype = default_dtype() if number is None and x.weak else number or x.dtype
        known = ranks[rank]
        ranks[rank] = dtype if known is None else promote(known, dtype)
    result: DType | None = None
    for dtype_ in ranks:
        if dtype_ is not None and (result is None or dtype_.category > result.category):
            result = dtype_
    assert result is not None
    return result


def floating(x: Carrier) -> Carrier:
    """x itself if it is of floating point, else cast to the default floating type."""
    return x if x.dtype.category == FLOATING else cast(x, default_dtype())
