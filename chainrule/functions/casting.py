"""Tensors of other element types."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.functions.device import check_device, device
from chainrule.functions.table import FUNCTIONS, METHODS, on_handle, tensor_or_number
from chainrule.ir.errors import ArgumentError, DTypeError, NotYetError
from chainrule.ir.types import (
    FLOATING,
    INTEGER,
    DType,
    bool_,
    dtype_of,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    promote,
    uint8,
)
from chainrule.ops import promotion
from chainrule.ops.control import alias
from chainrule.ops.creation import default_dtype
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor


def converted(x: Tensor, dtype: DType, copy: bool = False) -> Tensor:
    """x itself if it is of that type (and no copy is asked for)."""
    carrier = x.read()
    if carrier.dtype is not dtype:
        return Tensor(cast(carrier, dtype))
    return Tensor(alias(carrier)) if copy else x


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """to(dtype), to(device), to(device, dtype), to(other): the tensor itself if nothing changes and copy is not set."""
    dtype, place, copy = kwargs.pop("dtype", None), kwargs.pop("device", None), kwargs.pop("copy", False)
    other = kwargs.pop("other", None)
    kwargs.pop("non_blocking", None), kwargs.pop("memory_format", None)
    if kwargs:
        raise ArgumentError(f"to: unknown arguments {sorted(kwargs)}.")
    for position, given in enumerate(args):
        if isinstance(given, Tensor):
            other = given
        elif isinstance(given, bool):  # non_blocking, then copy
            copy = copy or (given and isinstance(args[position - 1], bool))
        elif given is None or isinstance(given, device) or (isinstance(given, str) and not is_dtype_name(given)):
            place = given
        else:
            dtype = given
    check_device(place)
    if other is not None:
        dtype = other.dtype
    return converted(self, self.dtype if dtype is None else dtype_of(dtype), copy)


def is_dtype_name(text: str) -> bool:
    """Whether a string names an element type rather than a device."""
    try:
        dtype_of(text)
    except DTypeError:
        return False
    return True


TENSOR_TYPES = {
    "FloatTensor": float32, "DoubleTensor": float64, "LongTensor": int64, "IntTensor": int32, "ShortTensor": int16,
    "CharTensor": int8, "ByteTensor": uint8, "BoolTensor": bool_,
}  # fmt: skip


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the type, as PyTorch called it of old; with a dtype or such a name, the tensor converted."""
    if dtype is None:
        return f"chainrule.{next(name for name, dtype in TENSOR_TYPES.items() if dtype is self.dtype)}"
    name = getattr(dtype, "__name__", str(dtype)).rpartition(".")[2]  # of "torch.LongTensor" or LongTensor
    return converted(self, TENSOR_TYPES.get(name) or dtype_of(dtype))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """`x.to(other.dtype)`."""
    return converted(self, other.dtype)


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself."""
    return self


def not_there(name: str, remedy: str) -> Any:
    """A method that says by name that it is not there yet."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise NotYetError(f"{name}: not there yet. {remedy}")

    method.__name__ = name
    method.__doc__ = "Not there yet."
    return method


for name, dtype in (
    ("float", float32), ("double", float64), ("long", int64), ("int", int32), ("short", int16), ("char", int8),
    ("byte", uint8), ("bool", bool_),
):  # fmt: skip
    METHODS[name] = lambda self, memory_format=None, dtype=dtype: converted(self, dtype)
    METHODS[name].__name__, METHODS[name].__doc__ = name, f"The tensor as {dtype.name}."
for name in ("half", "bfloat16", "cfloat", "cdouble"):
    METHODS[name] = not_there(name, "There are float32 and float64: `x.float()`.")
METHODS["cuda"] = not_there("cuda", "Tensors are on the CPU; leave the call out, or write `x.to('cpu')`.")
METHODS.update(to=to, type=type_, type_as=type_as, cpu=cpu)


@on_handle("result_type", method=False)
def result_type(input: Tensor, other: Any) -> DType:
    """The element type of an operation on both."""
    return promotion.result_dtype(input.read(), tensor_or_number("result_type", other))


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest type that both fit in."""
    return promote(dtype_of(type1), dtype_of(type2))


FUNCTIONS["promote_types"] = promote_types


FUNCTIONS["promote_types"] = promote_types

# Limits ---------------------------------------------------------------------------------------------------------------


class FloatLimits(NamedTuple):
    """What finfo knows of a floating type."""

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    resolution: float
    dtype: str

    @property
    def smallest_normal(self) -> float:
        """The smallest number of full precision."""
        return self.tiny


class IntegerLimits(NamedTuple):
    """What iinfo knows of an integer type."""

    bits: int
    max: int
    min: int
    dtype: str


def finfo(type: DType | None = None) -> FloatLimits:
    """The limits of a floating type (the default one)."""
    dtype = default_dtype() if type is None else dtype_of(type)
    if dtype.category != FLOATING:
        raise DTypeError(f"finfo: a floating type is needed, not {dtype}; see iinfo.")
    found: Any = np.finfo(dtype.numpy)
    return FloatLimits(
        bits=8 * dtype.itemsize,
        eps=float(found.eps),
        max=float(found.max),
        min=float(found.min),
        tiny=float(found.tiny),
        resolution=float(found.resolution),
        dtype=dtype.name,
    )


def iinfo(type: DType) -> IntegerLimits:
    """The limits of an integer type."""
    dtype = dtype_of(type)
    if dtype.category != INTEGER:
        raise DTypeError(f"iinfo: an integer type is needed, not {dtype}; see finfo.")
    found = np.iinfo(dtype.numpy)
    return IntegerLimits(8 * dtype.itemsize, int(found.max), int(found.min), dtype.name)


FUNCTIONS.update(finfo=finfo, iinfo=iinfo)
