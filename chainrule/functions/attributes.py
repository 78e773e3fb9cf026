"""detach and data, and what is known of a tensor without its elements."""

from __future__ import annotations

import operator
from typing import Any

from chainrule.functions.conversion import to_bool
from chainrule.functions.device import CPU, device
from chainrule.functions.table import FUNCTIONS, METHODS, as_handle, needs_tensor, on_handle
from chainrule.ir import state
from chainrule.ir.errors import DTypeError, NotYetError, ShapeError
from chainrule.ir.types import (
    BOOL,
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


METHODS.update(
    size=size,
    dim=lambda self: len(self.shape),
    ndimension=lambda self: len(self.shape),
    nelement=numel,
    element_size=lambda self: self.dtype.itemsize,
    is_floating_point=lambda self: self.dtype.is_floating_point,
    is_complex=lambda self: False,
    is_signed=lambda self: self.dtype.numpy.kind != "u" and self.dtype.category != BOOL,
    is_same_size=lambda self, other: self.shape == other.shape,
    is_inference=lambda self: False,
    is_shared=lambda self: False,
    is_pinned=lambda self: False,
    get_device=lambda self: -1,
    ndim=property(lambda self: len(self.shape)),
    itemsize=property(lambda self: self.dtype.itemsize),
    nbytes=property(lambda self: self.dtype.itemsize * numel(self)),
    device=property(lambda self: CPU),
    real=property(lambda self: self),
    is_cpu=property(lambda self: True),
    is_cuda=property(lambda self: False),
    is_sparse=property(lambda self: False),
    is_quantized=property(lambda self: False),
    is_meta=property(lambda self: False),
    retains_grad=property(lambda self: not self.is_leaf and self._carrier.leaf is not None and self._carrier.leaf.kept),
)
FUNCTIONS.update(
    is_tensor=lambda obj: isinstance(obj, Tensor),
    is_floating_point=lambda input: as_handle("is_floating_point", input).dtype.is_floating_point,
    is_complex=lambda input: False,
    is_nonzero=lambda input: to_bool(as_handle("is_nonzero", input)),
    device=device,
    Size=Size,
)
METHODS["is_nonzero"] = to_bool
