"""Arrays from nothing: `full` and `iota`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, DType, Shape, Type, bool_, float32, int64
from chainrule.ir.value import Carrier, Node, Value

Number = bool | int | float


def default_dtype() -> DType:
    """The floating type of what is made without a dtype: float32 unless `set_default_dtype` changed it."""
    return state.default_dtype.get() or float32


def repeated(array: Array, shape: Shape) -> Array:
    """A view that shows the one element of `array` at every place of `shape`."""
    return np.ndarray(shape, array.dtype, array, 0, (0,) * len(shape))


def _full_reference(*, shape: Shape, value: Number, dtype: DType) -> Array:
    return repeated(np.array(value, dtype.numpy), shape)


_full = Primitive(
    "full",
    _full_reference,
    lambda *, shape, value, dtype: Type(shape, dtype),
    samples=lambda rng: [
        ((), {"shape": shape, "value": value, "dtype": dtype})
        for shape in ((), (2, 3), (0, 2))
        for value, dtype in ((1.5, float32), (2.5, default_dtype()))
    ],
)

_iota = Primitive(
    "iota",
    lambda *, length, dtype: np.arange(length, dtype=dtype.numpy),
    lambda *, length, dtype: Type((length,), dtype),
    samples=lambda rng: [((), {"length": length, "dtype": float32}) for length in (0, 1, 5)],
)


def full(shape: Shape, value: Number, dtype: DType) -> Carrier:
    """`value` at every place of `shape`."""
    return _full(shape=shape, value=value, dtype=dtype)


@functools.lru_cache(512)
def _kept(shape: Shape, value: Number, dtype: DType) -> Value:
    return Value(_full_reference(shape=shape, value=value, dtype=dtype))


def number(shape: Shape, value: Number, dtype: DType) -> Carrier:
    """`full` for a number in an operation: made once and kept, since values never change."""
    trace = state.trace.get()
    if trace is not None:
        return trace.once(_full, (), {"shape": shape, "value": value, "dtype": dtype})
    if value or value.__class__ is int:  # 0.0 is not kept: it is equal to -0.0
        return _kept(shape, value, dtype)
    return _full(shape=shape, value=value, dtype=dtype)


def iota(length: int, dtype: DType) -> Carrier:
    """0, 1, ..., length - 1."""
    return _iota(length=length, dtype=dtype)


def zeros_like(x: Carrier) -> Carrier:
    """Zeros of the shape and type of x."""
    return _full(shape=x.shape, value=0, dtype=x.dtype)


def number_dtype(value: Any) -> DType | None:
    """The type that a Python number asks for; None for anything else."""
    kind = value.__class__
    if kind is Value or kind is Node:
        return None
    if kind is float or isinstance(value, float | np.floating):
        return default_dtype()
    if isinstance(value, bool | np.bool):
        return bool_
    if isinstance(value, int | np.integer):
        return int64
    return None
