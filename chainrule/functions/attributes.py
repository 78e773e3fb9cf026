"""detach and data, and what is known of a tensor without its elements."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from chainrule.functions.conversion import to_bool
from chainrule.functions.device import CPU, device
from chainrule.functions.table import FUNCTIONS, METHODS, needs_tensor, on_handle
from chainrule.ir import state
from chainrule.ir.errors import DTypeError, NotYetError, ShapeError
from chainrule.ir.types import (
    FLOATING,
    Type,
)
from chainrule.ir.value import Node, Value
from chainrule.ops.control import detach
from chainrule.tensor import Size, Tensor
from chainrule.views import Detached

# Outside the tape -----------------------------------------------------------------------------------------------------


@on_handle("detach")
def detached(input: Tensor) -> Tensor:
    """The same elements outside the tape: no gradient flows through it. A write to it is a write to the tensor."""
    return input.view_as_rule(Detached())


def detach_(self: Tensor) -> Tensor:
    """Cuts the tensor itself from what it was computed from."""
    if self._view is not None:
        raise NotYetError("detach_: a view cannot be cut off in place; use `x.detach()`.")
    if self.requires_grad:
        self._leaf = None
        self.write(detach(self.read()))
    return self


def set_data(self: Tensor, new: Tensor) -> None:
    """x.data = new: x takes new's value (a copy of it, unlike PyTorch), and stays the leaf that it is."""
    carrier, held = needs_tensor("data", new), self.read()
    if held.needs_grad and carrier.dtype.category != FLOATING:
        raise DTypeError(f"data: a tensor that requires a gradient must be of floating point, not {carrier.type}.")
    if carrier.type != held.type:
        state.bump_version()
        self._view = None  # another shape or type shows no part of the base any longer
    with state.using(state.gradients_enabled, False):
        self.write(detach(carrier))


METHODS["detach_"] = detach_
METHODS["data"] = property(detached, set_data)

# What is known of it --------------------------------------------------------------------------------------------------


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the length of one dimension."""
    shape = self.shape
    if dim is None:
        return shape
    place = operator.index(dim)
    if not -len(shape) <= place < len(shape):
        raise ShapeError(f"size: dimension {dim} does not exist in {list(shape)}.")
    return shape[place]


@on_handle("numel")
def numel(input: Tensor) -> int:
    """The number of elements."""
    return type_of(input).size


def type_of(x: Tensor) -> Type:
    """The type of what a handle holds; asking makes no input of it in a trace."""
    carrier = x._carrier
    found: Type = carrier.type if x._view is None and carrier.__class__ in (Value, Node) else x.read().type
    return found


def retains_grad(self: Tensor) -> bool:
    """Whether backward leaves a gradient here although this is no leaf."""
    leaf = self._carrier.leaf
    return not self.is_leaf and leaf is not None and leaf.kept


Attribute = Callable[[Tensor], Any]

ASKED: tuple[tuple[str, Attribute, str], ...] = (
    ("dim", lambda self: len(self.shape), "The number of dimensions."),
    ("ndimension", lambda self: len(self.shape), "The number of dimensions."),
    ("element_size", lambda self: self.dtype.itemsize, "The bytes of one element."),
    ("is_floating_point", lambda self: self.dtype.is_floating_point, "Whether the elements are of floating point."),
    ("is_signed", lambda self: self.dtype.numpy.kind in "if", "Whether the elements can be negative."),
    ("is_complex", lambda self: False, "False: there are no complex tensors."),
    ("is_inference", lambda self: False, "False: every tensor can be recorded."),
    ("is_shared", lambda self: False, "False: memory is not shared between processes."),
    ("is_pinned", lambda self: False, "False: there is no memory to be copied to a device."),
    ("get_device", lambda self: -1, "-1, as PyTorch says of the CPU."),
)
KNOWN: tuple[tuple[str, Attribute, str], ...] = (
    ("ndim", lambda self: len(self.shape), "The number of dimensions."),
    ("itemsize", lambda self: self.dtype.itemsize, "The bytes of one element."),
    ("nbytes", lambda self: self.dtype.itemsize * type_of(self).size, "The bytes of all elements."),
    ("device", lambda self: CPU, "Where the elements are: the CPU."),
    ("real", lambda self: self, "The tensor itself."),
    ("is_cpu", lambda self: True, "True: tensors are on the CPU."),
    ("is_cuda", lambda self: False, "False: tensors are on the CPU."),
    ("is_meta", lambda self: False, "False: every tensor has elements."),
    ("is_sparse", lambda self: False, "False: every tensor is dense."),
    ("is_quantized", lambda self: False, "False: there are no quantised tensors."),
    ("retains_grad", retains_grad, retains_grad.__doc__ or ""),
)
for name, answer, text in ASKED:
    answer.__name__, answer.__doc__ = name, text
    METHODS[name] = answer
for name, answer, text in KNOWN:
    METHODS[name] = property(answer, doc=text)


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


@on_handle("is_same_size", free=False)
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    return input.shape == other.shape


@on_handle("is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not 0."""
    return to_bool(input)


@on_handle("is_floating_point", method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are of floating point."""
    return input.dtype.is_floating_point


@on_handle("is_complex", method=False)
def is_complex(input: Tensor) -> bool:
    """False: there are no complex tensors."""
    return False


METHODS.update(size=size, nelement=numel)
FUNCTIONS.update(is_tensor=is_tensor, device=device, Size=Size)
