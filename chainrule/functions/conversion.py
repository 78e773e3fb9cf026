"""From a tensor to Python and NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.functions.parts import unbind
from chainrule.functions.table import METHODS
from chainrule.functions.traced import array_of, python_bool, scalar
from chainrule.ir.errors import ArgumentError, DTypeError, GradientError, ShapeError
from chainrule.ir.types import (
    FLOATING,
    Array,
)
from chainrule.ir.value import Carrier, Value
from chainrule.ops.reduction import any_
from chainrule.tensor import Tensor, from_array

# Numbers --------------------------------------------------------------------------------------------------------------


def one_element(what: str, self: Tensor) -> Carrier:
    """The carrier of a tensor that must have one element."""
    carrier = self.read()
    if math.prod(carrier.shape) != 1:
        raise ArgumentError(f"{what}: a tensor of one element is needed, not {carrier.type}. Pick one, or reduce it.")
    return carrier


def item(self: Tensor) -> Any:
    """The one element as a Python number."""
    return scalar("item", one_element("item", self))


def to_float(self: Tensor) -> float:
    """float(x), of one element."""
    return float(scalar("float", one_element("float", self)))


def to_int(self: Tensor) -> int:
    """int(x), of one element."""
    return int(scalar("int", one_element("int", self)))


def to_complex(self: Tensor) -> complex:
    """complex(x), of one element."""
    return complex(scalar("float", one_element("complex", self)))


def to_bool(self: Tensor) -> bool:
    """bool(x), of one element: whether it is not 0."""
    carrier = self.read()
    if carrier.__class__ is Value and carrier.type.size != 1:
        raise ArgumentError(
            f"bool: the truth of {carrier.type} is ambiguous: it has {carrier.type.size} elements. "
            "Say which is meant: `x.any()` or `x.all()`."
        )
    return python_bool("bool", carrier)


def to_index(self: Tensor) -> int:
    """The int that a tensor of one integer is where Python needs one."""
    carrier = one_element("index", self)
    if carrier.dtype.category == FLOATING:
        raise DTypeError(f"index: only integers can count or index, not {carrier.type}. Convert it: `int(x)`.")
    return int(scalar("index", carrier))


def tolist(self: Tensor) -> Any:
    """The elements as nested lists of Python numbers."""
    return array_of("tolist", self.read()).tolist()


METHODS.update(
    item=item, tolist=tolist, __float__=to_float, __int__=to_int, __bool__=to_bool, __index__=to_index,
    __complex__=to_complex,
)  # fmt: skip

# NumPy ----------------------------------------------------------------------------------------------------------------


def read_only(array: Array) -> Array:
    """The same memory, which cannot be written through the result."""
    view = array.view()
    view.flags.writeable = False
    return view


def numpy(self: Tensor, *, force: bool = False) -> Array:
    """The elements as a NumPy array that shares memory and so is read-only; `.numpy().copy()` can be written.

    Raises GradientError for a tensor that requires a gradient, unless `force`.
    """
    carrier = self.read()
    if carrier.needs_grad and not force and carrier.__class__ is Value:
        raise GradientError(
            "numpy: this tensor requires a gradient, and what NumPy does with it would not be recorded. "
            "Write `x.detach().numpy()`."
        )
    # what repeats one element is written out: who reads its memory past NumPy (safetensors) expects rows
    return read_only(np.asarray(array_of("numpy", carrier), order="C"))


def as_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Array:
    """What `np.asarray(x)` gives: read-only, unless it had to be converted or `copy` is True."""
    array = numpy(self)
    wanted = array.dtype if dtype is None else np.dtype(dtype)
    if copy or (wanted != array.dtype and copy is not False):
        return array.astype(wanted)
    if wanted != array.dtype:
        raise ArgumentError(f"numpy: {array.dtype} cannot become {wanted} without a copy.")
    return array


def wrap_array(self: Tensor, array: Array, context: Any = None, return_scalar: bool = False) -> Tensor:
    """What NumPy's own functions return for a tensor: `np.exp(x)` is a tensor again."""
    return from_array(array)


METHODS.update(numpy=numpy, __array__=as_array, __array_wrap__=wrap_array)

# As a sequence --------------------------------------------------------------------------------------------------------


def length(self: Tensor) -> int:
    """len(x): the length of the first dimension."""
    shape = self.shape
    if not shape:
        raise ShapeError("len: the tensor has no dimension.")
    return shape[0]


def iterate(self: Tensor) -> Iterator[Tensor]:
    """The slices along the first dimension."""
    if not self.shape:
        raise ShapeError("iteration over a tensor without dimensions; `x.item()` is its number.")
    return iter(unbind(self, 0))


def contains(self: Tensor, element: Any) -> bool:
    """element in x: whether some element is equal to it."""
    if not isinstance(element, Tensor | bool | int | float):
        raise ArgumentError(f"in: a tensor holds numbers, and {element!r} is none.")
    equal = METHODS["eq"](self, element).read()
    return python_bool("contains", any_(equal, tuple(range(len(equal.shape)))))


METHODS.update(__len__=length, __iter__=iterate, __contains__=contains)
