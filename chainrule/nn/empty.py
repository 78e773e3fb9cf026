"""The memory of a new parameter, before an initialiser fills it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.functions.device import check_device
from chainrule.ir.types import dtype_of
from chainrule.ops.creation import default_dtype, full
from chainrule.tensor import Parameter, Tensor


def empty(shape: Sequence[int], device: Any = None, dtype: Any = None) -> Tensor:
    """Zeros of a shape, of the default floating type unless `dtype` says another."""
    check_device(device)
    return Tensor(full(tuple(shape), 0, default_dtype() if dtype is None else dtype_of(dtype)))


def new_parameter(shape: Sequence[int], device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter of zeros, for an initialiser to fill."""
    return Parameter(empty(shape, device, dtype))
