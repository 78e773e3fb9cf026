"""Methods that overwrite a tensor: fill_, zero_, copy_, uniform_, normal_, bernoulli_, random_, and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.functions.generator import Generator
from chainrule.functions.random import bernoulli_carrier, normal_carrier, randint_carrier, uniform_carrier
from chainrule.functions.sizes import integer
from chainrule.functions.table import FUNCTIONS, METHODS, is_carrier, tensor_or_number, unwrap
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import BOOL, FLOATING
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops.creation import default_dtype, full
from chainrule.ops.movement import broadcast_to, check_broadcast
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor


def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element becomes the value, a number or a tensor without dimensions."""
    held, new = self.read(), tensor_or_number("fill_", value, "value")
    if is_carrier(new):
        if new.shape:
            raise ShapeError(f"fill_: the value must be a number or have no dimension, it is {new.type}. Use copy_.")
        return self.write_in_place(broadcast_to(cast(new, held.dtype), held.shape), "fill_")
    number = bool(new) if held.dtype.category == BOOL else int(new) if held.dtype.category != FLOATING else new
    return self.write_in_place(full(held.shape, number, held.dtype), "fill_")


def zero_(self: Tensor) -> Tensor:
    """Every element becomes 0."""
    held = self.read()
    return self.write_in_place(full(held.shape, 0, held.dtype), "zero_")


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The elements become those of src, which is cast and broadcast."""
    held, source = self.read(), tensor_or_number("copy_", src, "src")
    if not is_carrier(source):
        return fill_(self, source)
    try:
        check_broadcast(source.shape, held.shape)
    except ShapeError:
        raise ShapeError(f"copy_: the source {source.type} cannot be repeated to {held.type}.") from None
    return self.write_in_place(broadcast_to(cast(source, held.dtype), held.shape), "copy_")


def floating(what: str, x: Carrier) -> Carrier:
    """x, which must be of floating point."""
    if x.dtype.category != FLOATING:
        raise DTypeError(f"{what}: a floating tensor is needed, not {x.type}.")
    return x


def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **named: float
) -> Tensor:
    """Uniform numbers from `from` (0) to `to` (1)."""
    low = named.pop("from", from_)
    held = floating("uniform_", self.read())
    if named or not low <= to:
        raise ArgumentError(
            f"uniform_: `from` must be at most `to`: {low}, {to}." if not named else f"uniform_: {named}"
        )
    unit = uniform_carrier(held.shape, held.dtype, generator)
    return self.write_in_place(unit if (low, to) == (0, 1) else ops.add(ops.mul(unit, to - low), low), "uniform_")


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Normal numbers."""
    held = floating("normal_", self.read())
    if std < 0:
        raise ArgumentError(f"normal_: the standard deviation cannot be negative: {std}.")
    unit = normal_carrier(held.shape, held.dtype, generator)
    return self.write_in_place(unit if (mean, std) == (0, 1) else ops.add(ops.mul(unit, std), mean), "normal_")


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """e to the power of normal numbers."""
    held = floating("log_normal_", self.read())
    unit = normal_carrier(held.shape, held.dtype, generator)
    return self.write_in_place(ops.exp(ops.add(ops.mul(unit, std), mean)), "log_normal_")


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Exponentially distributed numbers of the rate lambd."""
    held = floating("exponential_", self.read())
    if not lambd > 0:
        raise ArgumentError(f"exponential_: the rate must be above 0, it is {lambd}.")
    unit = uniform_carrier(held.shape, held.dtype, generator)
    return self.write_in_place(ops.div(-ops.log1p(-unit), lambd), "exponential_")


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability p, a number or a tensor, else 0."""
    held, chance = self.read(), unwrap(p)
    if is_carrier(chance):
        chance = broadcast_to(floating("bernoulli_", chance), held.shape)
    else:
        chance = full(held.shape, float(p), default_dtype())
    return self.write_in_place(bernoulli_carrier(chance, held.dtype, generator), "bernoulli_")


def random_(
    self: Tensor, from_: int = 0, to: int | None = None, *, generator: Generator | None = None, **named: int
) -> Tensor:
    """Integers: random_(to) from 0, random_(from, to); without either, all that the type holds from 0 on."""
    held = self.read()
    low = named.pop("from", from_)
    if to is None and low:
        low, to = 0, low
    if to is None:
        digits = np.finfo(held.dtype.numpy).nmant + 1 if held.dtype.category == FLOATING else 0
        largest = 1 if held.dtype.category == BOOL else 2**digits if digits else np.iinfo(held.dtype.numpy).max
        to = int(largest) + 1
    first, last = integer("random_", low), integer("random_", to)
    return self.write_in_place(randint_carrier(first, last, held.shape, held.dtype, generator), "random_")


for method in (
    fill_, zero_, copy_, uniform_, normal_, log_normal_, exponential_, bernoulli_, random_,
):  # fmt: skip
    METHODS[method.__name__] = method
FUNCTIONS.update(fill_=fill_, zero_=zero_)
