"""Tensor(...), FloatTensor(...), LongTensor(...): how tensors were made before `tensor` and `empty`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.functions.casting import TENSOR_TYPES
from chainrule.functions.factories import carrier_of
from chainrule.functions.sizes import lengths
from chainrule.functions.table import FUNCTIONS, METHODS
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import DType
from chainrule.ir.value import Carrier
from chainrule.ops.creation import default_dtype, full
from chainrule.tensor import Size, Tensor


def constructed(what: str, dtype: DType, given: tuple[Any, ...]) -> Carrier:
    """What a list, array or tensor holds, in the type; or of the sizes, then zeros."""
    if len(given) == 1 and not isinstance(given[0], int | np.integer | Size):
        if not isinstance(given[0], list | tuple | range | np.ndarray | Tensor):
            raise ArgumentError(f"{what}: data or sizes are needed, not {given[0]!r}. Write `chainrule.tensor(...)`.")
        return carrier_of(given[0], dtype)
    return full(lengths(what, given) if given else (0,), 0, dtype)


def from_data(self: Tensor, data: Any, sizes: tuple[Any, ...]) -> Carrier:
    """The carrier of `Tensor([1, 2])` and `Tensor(2, 3)`."""
    return constructed("Tensor", default_dtype(), () if data is None else (data, *sizes))


def constructor(name: str, dtype: DType) -> Callable[..., Tensor]:
    """One of PyTorch's constructors for one type."""

    def construct(*data: Any) -> Tensor:
        return Tensor(constructed(name, dtype, data))

    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = f"`tensor(data, dtype={dtype.name})`, or zeros of the sizes that are given."
    return construct


FUNCTIONS.update({name: constructor(name, dtype) for name, dtype in TENSOR_TYPES.items()})
METHODS["from_data"] = from_data
