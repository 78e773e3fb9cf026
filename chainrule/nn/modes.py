"""What is said to a whole model at once: train or eval, gradients on or off, another element type.

The public functions here are Module's methods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from chainrule.functions.device import check_device, device
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, DTypeError
from chainrule.ir.types import DType, float32, float64
from chainrule.ops.creation import zeros_like
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module

M = TypeVar("M", bound="Module")


def train(self: M, mode: bool = True) -> M:
    """Sets training mode here and in all modules below: dropout drops, batch norm uses the batch's statistics."""
    if not isinstance(mode, bool):
        raise ArgumentError(f"train: mode must be True or False, not {mode!r}.")
    self.training = mode
    for child in self.children():
        child.train(mode)
    return self


def evaluate(self: M) -> M:
    """Sets evaluation mode, which is train(False)."""
    return self.train(False)


def requires_grad_(self: M, requires_grad: bool = True) -> M:
    """Says whether the parameters here and below are trained."""
    for parameter in self.parameters():
        parameter.requires_grad_(requires_grad)
    return self


def zero_grad(self: Module, set_to_none: bool = True) -> None:
    """Drops the gradients of all parameters, or with set_to_none=False makes them zero."""
    for parameter in self.parameters():
        gradient = None if set_to_none else parameter.grad
        if gradient is None:
            parameter.grad = None
        else:
            gradient.write(zeros_like(gradient.read()))


def apply(self: M, fn: Callable[[Module], Any]) -> M:
    """Calls fn on every module below, children first, then on this one."""
    for child in self.children():
        child.apply(fn)
    fn(self)
    return self


# Element types and devices --------------------------------------------------------------------------------------------


def to(self: M, *args: Any, **kwargs: Any) -> M:
    """Converts the floating parameters and buffers in place: to(dtype), to(device), to(device, dtype), to(tensor)."""
    dtype = _wanted_dtype(*args, **kwargs)
    if dtype is not None:
        if not dtype.is_floating_point:
            raise DTypeError(f"to: a module is converted to floating types only, not to {dtype.name}.")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.is_floating_point and tensor.dtype is not dtype:
                _convert(tensor, dtype)
        state.bump_version()
    return self


def _wanted_dtype(*args: Any, **kwargs: Any) -> DType | None:
    others = set(kwargs) - {"device", "dtype", "non_blocking", "memory_format"}
    if others:
        raise ArgumentError(f"to: unknown arguments {sorted(others)}; it takes device, dtype and non_blocking.")
    check_device(kwargs.get("device"))
    dtype: DType | None = kwargs.get("dtype")
    for arg in args:
        if isinstance(arg, Tensor | DType):
            dtype = arg.dtype if isinstance(arg, Tensor) else arg
        elif isinstance(arg, str | device):
            check_device(arg)
        elif arg is not None and not isinstance(arg, bool):
            raise ArgumentError(f"to: a dtype, a device or a tensor is needed, not {arg!r}.")
    return dtype


def _convert(tensor: Tensor, dtype: DType) -> None:
    """Gives a cell, and its gradient if it has one, another element type."""
    if state.trace.get() is not None:
        raise DTypeError("to: inside a compiled function a module keeps its element type; convert it before the call.")
    leaf = tensor._leaf
    gradient = leaf.gradient if leaf is not None else None
    with state.using(state.gradients_enabled, False):
        tensor.write(cast(tensor.read(), dtype))
        if isinstance(gradient, Tensor):
            tensor.grad = Tensor(cast(gradient.read(), dtype))


def to_float(self: M) -> M:
    """Converts to float32."""
    return self.to(float32)


def to_double(self: M) -> M:
    """Converts to float64."""
    return self.to(float64)


def to_cpu(self: M) -> M:
    """Does nothing: everything is on the CPU."""
    return self
