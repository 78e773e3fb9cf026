"""softmax and its relatives: numbers along a dimension made into probabilities, or their logarithms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.functions.table import on_tensors
from chainrule.ir.origin import warn
from chainrule.ir.types import DType, dtype_of
from chainrule.ir.value import Carrier
from chainrule.ops import normalise
from chainrule.ops.promotion import cast


@on_tensors
def softmax(input: Carrier, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Carrier:
    """e^x / sum(e^x) along `dim`. `dtype`: convert to it first."""
    return _along(normalise.softmax, "softmax", input, dim, dtype)


@on_tensors
def log_softmax(input: Carrier, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Carrier:
    """log(softmax(x)) along `dim`, without underflow. `dtype`: convert to it first."""
    return _along(normalise.log_softmax, "log_softmax", input, dim, dtype)


@on_tensors
def softmin(input: Carrier, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Carrier:
    """softmax(-x) along `dim`."""
    return _along(normalise.softmax, "softmin", -input, dim, dtype)


def _along(operation: Callable[..., Carrier], name: str, x: Carrier, dim: int | None, dtype: Any) -> Carrier:
    if dim is None:
        dim = 0 if len(x.shape) in (0, 1, 3) else 1  # PyTorch's old rule
        warn(f"{name}: say along which dimension, here dim={dim}; it was not given.")
    return operation(x if dtype is None else cast(x, dtype_of(dtype)), dim)
