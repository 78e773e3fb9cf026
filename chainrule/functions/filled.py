"""Tensors from nothing: filled with one value, ranges, the unit matrix; and the default element type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.functions.device import check_device
from chainrule.functions.sizes import integer, lengths
from chainrule.functions.table import FUNCTIONS, METHODS, as_handle, is_carrier, on_handle, unwrap
from chainrule.functions.traced import scalar
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, DTypeError, NotYetError, ShapeError
from chainrule.ir.types import FLOATING, DType, Shape, dtype_of, float64, int64
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops.creation import default_dtype, full, iota, number_dtype
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor

# Settings -------------------------------------------------------------------------------------------------------------


def get_default_dtype() -> DType:
    """The floating type of what is made without a dtype: float32 unless it was set."""
    return default_dtype()


def set_default_dtype(d: DType) -> None:
    """Sets the floating type of what is made without a dtype."""
    dtype = dtype_of(d)
    if dtype.category != FLOATING:
        raise DTypeError(f"set_default_dtype: a floating type is needed, not {dtype}.")
    state.default_dtype.set(dtype)
    state.bump_version()


def finished(carrier: Carrier, requires_grad: bool, device: Any = None, layout: Any = None) -> Tensor:
    """The tensor on a fresh carrier, with what every factory's last arguments ask for."""
    check_device(device)
    if layout is not None and "strided" not in str(layout):
        raise NotYetError(f"layout={layout!r} is not there yet; tensors are dense.")
    result = Tensor(carrier)
    return result.requires_grad_(True) if requires_grad else result


def chosen(dtype: Any, default: DType | None = None) -> DType:
    """The element type that `dtype=` asks for, or the default one."""
    return dtype_of(dtype) if dtype is not None else default or default_dtype()


# Filled with one value ------------------------------------------------------------------------------------------------


def filled(what: str, value: float) -> Callable[..., Tensor]:
    """zeros, ones and empty."""

    def make(
        *size: Any,
        out: Tensor | None = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        memory_format: Any = None,
        **named: Any,
    ) -> Tensor:
        given = (named.pop("size"),) if not size and "size" in named else size
        if named or not given:
            raise ArgumentError(
                f"{what}: a size is needed, e.g. `{what}(2, 3)`; arguments {sorted(named)} are unknown."
            )
        carrier = full(lengths(what, given), value, chosen(dtype))
        return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))

    make.__name__ = make.__qualname__ = what
    make.__doc__ = f"A tensor of that size filled with {value}." + (
        " (What PyTorch leaves uninitialised is 0 here.)" if what == "empty" else ""
    )
    return make


def filled_like(what: str, value: float) -> Callable[..., Tensor]:
    """zeros_like, ones_like and empty_like."""

    def make(
        input: Tensor,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        x = as_handle(what, input).read()
        return finished(full(x.shape, value, chosen(dtype, x.dtype)), requires_grad, device, layout)

    make.__name__ = make.__qualname__ = what
    make.__doc__ = f"A tensor of the input's shape and type filled with {value}."
    return make


def new_filled(what: str, value: float) -> Callable[..., Tensor]:
    """new_zeros, new_ones and new_empty."""

    def make(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        return finished(full(lengths(what, size), value, chosen(dtype, self.dtype)), requires_grad, device)

    make.__name__ = make.__qualname__ = what
    make.__doc__ = f"A tensor of that size and self's type filled with {value}."
    return make


for name, value in (("zeros", 0), ("ones", 1), ("empty", 0)):
    FUNCTIONS[name] = filled(name, value)
    FUNCTIONS[f"{name}_like"] = filled_like(f"{name}_like", value)
    METHODS[f"new_{name}"] = new_filled(f"new_{name}", value)


def _full(what: str, shape: Shape, value: Any, dtype: DType | None) -> Carrier:
    carrier = unwrap(value)
    if is_carrier(carrier):
        if carrier.shape:
            raise ShapeError(f"{what}: the value must be a number or have no dimension, it is {carrier.type}.")
        own = default_dtype() if carrier.weak else carrier.dtype  # a traced float is still Python's
        return cast(carrier, dtype or own).broadcast_to(shape)
    kind = number_dtype(value)
    if kind is None:
        raise DTypeError(f"{what}: the value must be a number, not {value!r}.")
    return full(shape, value, dtype or kind)


@on_handle("full_like", method=False)
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of the input's shape and type filled with a value."""
    x = input.read()
    return finished(_full("full_like", x.shape, fill_value, chosen(dtype, x.dtype)), requires_grad, device, layout)


def full_(
    size: Any,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of that size filled with a value, of its type: int64, bool or the default floating type."""
    carrier = _full("full", lengths("full", (size,)), fill_value, None if dtype is None else dtype_of(dtype))
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


@on_handle("new_full", free=False)
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of that size and self's type filled with a value."""
    carrier = _full("new_full", lengths("new_full", (size,)), fill_value, chosen(dtype, self.dtype))
    return finished(carrier, requires_grad, device)


# Ranges ---------------------------------------------------------------------------------------------------------------


def number_of(what: str, given: Any) -> Any:
    """A Python number, of a number or a tensor of one element."""
    carrier = unwrap(given)
    if is_carrier(carrier):
        return scalar("item", carrier)
    if number_dtype(carrier) is None:
        raise DTypeError(f"{what}: a number is needed, not {given!r}.")
    return carrier.item() if isinstance(carrier, np.generic) else carrier


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end (`arange(end)` begins at 0): int64 if all three are ints."""
    first, last = (0, start) if end is None else (start, end)
    first, last, step = (number_of("arange", given) for given in (first, last, step))
    if dtype is not None and dtype_of(dtype).category != FLOATING:
        first, last, step = int(first), int(last), int(step)
    if step == 0:
        raise ArgumentError("arange: the step cannot be 0.")
    if (last - first) * step < 0:
        raise ArgumentError(f"arange: with the step {step} there is no way from {first} to {last}.")
    whole = all(isinstance(given, int) for given in (first, last, step))
    result = chosen(dtype, int64 if whole else None)
    length = len(range(first, last, step)) if whole else math.ceil((last - first) / step)
    carrier = cast(_progression(first, step, length, int64 if whole else float64), result)
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


def _progression(first: Any, step: Any, length: int, dtype: DType) -> Carrier:
    places = iota(length, dtype)
    steps = places if step == 1 else ops.mul(places, step)
    return steps if first == 0 else ops.add(steps, first)


def _spaced(what: str, start: Any, end: Any, steps: Any) -> Carrier:
    """Evenly spaced numbers in float64, counted from the nearer end, so that both ends are exact."""
    first, last = float(number_of(what, start)), float(number_of(what, end))
    count = integer(what, steps, "steps")
    if count < 0:
        raise ArgumentError(f"{what}: the number of steps cannot be negative: {count}.")
    if count == 1:
        return full((1,), first, float64)
    places = iota(count, float64)
    step = (last - first) / max(count - 1, 1)
    return ops.where(places < count // 2, places * step + first, (places - (count - 1)) * step + last)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` evenly spaced numbers from start to end, both included."""
    carrier = cast(_spaced("linspace", start, end, steps), chosen(dtype))
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """base^start to base^end, both included, with evenly spaced exponents."""
    carrier = cast(ops.pow_(base, _spaced("logspace", start, end, steps)), chosen(dtype))
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A matrix with ones on its diagonal and zeros elsewhere."""
    rows, columns = lengths("eye", (n, n if m is None else m))
    ones = ops.eq(iota(rows, int64).reshape((rows, 1)), iota(columns, int64))
    carrier = cast(ones, chosen(dtype))
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


for make in (get_default_dtype, set_default_dtype, arange, linspace, logspace, eye):
    FUNCTIONS[make.__name__] = make
FUNCTIONS["full"] = full_
