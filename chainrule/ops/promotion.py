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
    kinds = [_kind(x) for x in xs]
    shape = broadcast_shapes(*[x.shape for x, kind in zip(xs, kinds, strict=True) if kind[0] != _NUMBER], what=name)
    dtype = _type_of_all(default_dtype(), *kinds)
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
    return _result_dtype(default_dtype(), *[_kind(x) for x in xs])


# What of an operand decides about types: with dimensions, without, a weak scalar, a Python number; and its own type.
_Kind = tuple[int, DType]
_DIMENSIONS, _SINGLE, _WEAK, _NUMBER = range(4)


def _kind(x: Any) -> _Kind:
    number = number_dtype(x)
    if number is not None:
        return _NUMBER, number
    return _WEAK if x.weak else _DIMENSIONS if x.shape else _SINGLE, x.dtype


@lru_cache(4096)
def _result_dtype(default: DType, *kinds: _Kind) -> DType:
    ranks: list[DType | None] = [None, None, None]  # with dimensions, without, numbers
    for kind, own in kinds:
        rank, dtype = min(kind, _WEAK), default if kind == _WEAK else own
        known = ranks[rank]
        ranks[rank] = dtype if known is None else promote(known, dtype)
    result: DType | None = None
    for dtype_ in ranks:
        if dtype_ is not None and (result is None or dtype_.category > result.category):
            result = dtype_
    assert result is not None
    return result


@lru_cache(4096)
def _type_of_all(default: DType, *kinds: _Kind) -> DType:
    """Arithmetic of weak scalars and numbers alone is in float64, as Python's."""
    dtype = _result_dtype(default, *kinds)
    python = all([kind >= _WEAK for kind, _ in kinds])
    return promote(dtype, float64) if python and dtype.category == FLOATING else dtype


def floating(x: Carrier) -> Carrier:
    """x itself if it is of floating point, else cast to the default floating type."""
    return x if x.dtype.category == FLOATING else cast(x, default_dtype())
