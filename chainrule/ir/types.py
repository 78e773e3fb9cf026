"""Element types (`DType`) and array types (`Type`: a shape and an element type)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.ir.errors import DTypeError

Shape = tuple[int, ...]
Array = npt.NDArray[Any]

BOOL, INTEGER, FLOATING = 0, 1, 2


class DType:
    """An element type. There is one instance per type: compare with `is` or `==`.

    `name` is NumPy's name, `short` that in graph text and errors (f32, i64, bool), `numpy` the NumPy dtype, `category`
    one of BOOL < INTEGER < FLOATING (promotion climbs it).
    """

    __slots__ = ("category", "is_floating_point", "itemsize", "name", "numpy", "short")

    def __init__(self, name: str, category: int) -> None:
        self.name = name
        self.numpy = np.dtype(name)
        self.category = category
        self.is_floating_point = category == FLOATING
        self.itemsize = self.numpy.itemsize
        self.short = name if category == BOOL else f"{name[0]}{8 * self.itemsize}"

    def __repr__(self) -> str:
        return f"chainrule.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype_of, (self.name,)


bool_ = DType("bool", BOOL)
uint8 = DType("uint8", INTEGER)
int8 = DType("int8", INTEGER)
int16 = DType("int16", INTEGER)
int32 = DType("int32", INTEGER)
int64 = DType("int64", INTEGER)
float32 = DType("float32", FLOATING)
float64 = DType("float64", FLOATING)

DTYPES = (bool_, uint8, int8, int16, int32, int64, float32, float64)
_BY_NAME = {dtype.name: dtype for dtype in DTYPES} | {dtype.short: dtype for dtype in DTYPES}
BY_NUMPY = {dtype.numpy: dtype for dtype in DTYPES}


def dtype_of(thing: object) -> DType:
    """The DType for a DType, a NumPy dtype or scalar type, a name ("float32", "f32") or Python's bool, int, float."""
    if thing.__class__ is DType:
        return thing
    if thing.__class__ is str and thing in _BY_NAME:
        return _BY_NAME[thing]
    try:
        return BY_NUMPY[thing if isinstance(thing, np.dtype) else np.dtype(thing)]  # type: ignore[call-overload]
    except (KeyError, TypeError):
        names = ", ".join(dtype.name for dtype in DTYPES)
        raise DTypeError(f"this element type is not supported: {thing!r}. Use one of {names}.") from None


class Type(NamedTuple):
    """What is known of an array before it is computed."""

    shape: Shape
    dtype: DType

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.short}[{', '.join(map(str, self.shape))}]"


def type_of(array: Array) -> Type:
    """The type of an array that the engine made."""
    return Type(array.shape, BY_NUMPY[array.dtype])


def promote(a: DType, b: DType) -> DType:
    """The smallest type that both fit in, by PyTorch's table: the higher category wins; within one, the wider."""
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    return BY_NUMPY[np.promote_types(a.numpy, b.numpy)]
