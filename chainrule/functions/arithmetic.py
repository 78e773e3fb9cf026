"""Arithmetic of two operands, tensors or numbers, and Python's operators on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.functions.comparison import signbit
from chainrule.functions.table import METHODS, binary, function, is_carrier, unwrap
from chainrule.ir.errors import ArgumentError, DTypeError
from chainrule.ir.types import BOOL, FLOATING, float64
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import promotion
from chainrule.ops.contraction import matmul
from chainrule.ops.control import alias
from chainrule.ops.creation import number_dtype
from chainrule.ops.elementwise import where
from chainrule.ops.movement import concatenate
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import logsumexp
from chainrule.tensor import Tensor


def floor_divide(a: Any, b: Any) -> Carrier:
    """floor(a / b) in the type of the operands."""
    if b.__class__ is int and b == 0 and a.dtype.category != FLOATING:
        raise ArgumentError("floor_divide: an integer tensor is divided by 0.")
    return ops.floor_divide(a, b)


def remainder(a: Any, b: Any) -> Carrier:
    """a - b floor(a / b): of b's sign, as Python's %."""
    if b.__class__ is int and b == 0 and a.dtype.category != FLOATING:
        raise ArgumentError("remainder: an integer tensor is divided by 0.")
    return ops.remainder(a, b)


def power(a: Any, b: Any) -> Carrier:
    """a^b. Small powers by a number go without a logarithm in the derivative."""
    if number_dtype(b) is None or not is_carrier(a):
        return ops.pow_(a, b)
    if b == 2 and a.dtype.category != BOOL and (a.dtype.category == FLOATING or b.__class__ is int):
        return ops.square(a)
    if a.dtype.category == FLOATING and not a.weak and b in POWERS:
        return POWERS[b](a)
    return ops.pow_(a, b)


POWERS = {1: alias, 0.5: ops.sqrt, -0.5: ops.rsqrt, -1: ops.reciprocal}


def float_power(a: Any, b: Any) -> Carrier:
    """a^b in float64."""
    return power(*[cast(x, float64) if is_carrier(x) else x for x in (a, b)])


def logaddexp(a: Carrier, b: Carrier) -> Carrier:
    """log(e^a + e^b), without overflow."""
    x, y = promotion.operands("logaddexp", promotion.floating(a), promotion.floating(b))
    return logsumexp(concatenate([x.reshape((1, *x.shape)), y.reshape((1, *y.shape))], 0), (0,))


def xlogy(a: Any, b: Any) -> Carrier:
    """a log(b), and 0 where a is 0 (unless b is NaN)."""
    x, y = promotion.operands("xlogy", a, b)
    x, y = promotion.floating(x), promotion.floating(y)
    nothing = ops.logical_and(ops.eq(x, 0), ops.logical_not(ops.isnan(y)))
    return where(nothing, 0.0, ops.mul(x, ops.log(where(nothing, 1.0, y))))


def fmax(a: Any, b: Any) -> Carrier:
    """The larger of a and b, ignoring NaN."""
    x, y = promotion.operands("fmax", a, b)
    return where(ops.logical_or(ops.ge(x, y), ops.isnan(y)), x, y)


def copysign(a: Any, b: Any) -> Carrier:
    """|a| with the sign of b."""
    x, y = promotion.operands("copysign", a, b)
    size = ops.abs_(promotion.floating(x))
    return where(signbit(y), -size, size)


def heaviside(a: Any, b: Any) -> Carrier:
    """0 below 0, 1 above, b at 0."""
    x, y = promotion.operands("heaviside", a, b)
    return where(ops.eq(x, 0), y, cast(ops.gt(x, 0), x.dtype))


def hypot(a: Any, b: Any) -> Carrier:
    """sqrt(a^2 + b^2), without overflow; its derivative at (0, 0) is 0."""
    x, y = promotion.operands("hypot", a, b)
    size = ops.maximum(ops.abs_(x), ops.abs_(y))
    scale = where(ops.logical_and(ops.gt(size, 0), ops.ne(size, math.inf)), size, 1.0)
    total = ops.square(x / scale) + ops.square(y / scale)
    zero = ops.eq(total, 0)
    return where(zero, 0.0, ops.mul(scale, ops.sqrt(where(zero, 1.0, total))))


for names, operation, formula in (
    (("mul", "multiply"), ops.mul, "a b."),
    (("true_divide",), ops.div, "a / b, of floating point."),
    (("floor_divide",), floor_divide, "floor(a / b), in the type of the operands. Its derivative is 0."),
    (("remainder",), remainder, "a - b floor(a / b): of b's sign, as Python's %."),
    (("fmod",), ops.fmod, "a - b trunc(a / b): of a's sign, as C's fmod."),
    (("pow",), power, "a^b."),
    (("float_power",), float_power, "a^b in float64."),
    (("atan2", "arctan2"), ops.atan2, "The angle of the point (b, a), from -pi to pi."),
    (("xlogy",), xlogy, "a log(b), and 0 where a is 0."),
    (("hypot",), hypot, "sqrt(a^2 + b^2), without overflow."),
):
    binary(*names, operation=operation, formula=formula)

for names, operation, formula in (
    (("maximum",), ops.maximum, "The larger of a and b; NaN if one is. A tie shares the gradient."),
    (("minimum",), ops.minimum, "The smaller of a and b; NaN if one is. A tie shares the gradient."),
    (("fmax",), fmax, "The larger of a and b, ignoring NaN. At a tie a gets the gradient."),
    (("fmin",), lambda a, b: -fmax(-a, -b), "The smaller of a and b, ignoring NaN. At a tie a gets the gradient."),
    (("copysign",), copysign, "|a| with the sign of b."),
    (("heaviside",), heaviside, "0 below 0, 1 above, b at 0."),
    (("logaddexp",), logaddexp, "log(e^a + e^b)."),
    (("logaddexp2",), ops.logaddexp2, "log2(2^a + 2^b), without overflow."),
):
    binary(*names, operation=operation, formula=formula, in_place_too=False)


def scaled(what: str, alpha: Any, x: Any, dtype_category: int) -> Any:
    """alpha x, for add and sub."""
    if alpha.__class__ is int and alpha == 1:
        return x
    if isinstance(alpha, float) and dtype_category != FLOATING:
        raise DTypeError(
            f"{what}: alpha={alpha} is of floating point, the operands are not. Convert them: `x.float()`."
        )
    return ops.mul(x, alpha) if is_carrier(x) else x * alpha


def _category(a: Any, b: Any) -> int:
    return promotion.result_dtype(a, b).category


@function("add", method=True, in_place_too=True, tensor_first=False)
def add(input: Any, other: Any, *, alpha: Any = 1) -> Carrier:
    """input + alpha other."""
    return ops.add(input, other if alpha == 1 else scaled("add", alpha, other, _category(input, other)))


def subtract(a: Any, b: Any) -> Carrier:
    """a - b."""
    for x in (a, b):
        if is_carrier(x) and x.dtype.category == BOOL:
            raise DTypeError("sub: bools have no difference; for masks use `a ^ b` or `~a`, else convert: `x.long()`.")
    return ops.sub(a, b)


@function("sub", "subtract", method=True, in_place_too=True, tensor_first=False)
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Carrier:
    """input - alpha other."""
    return subtract(input, other if alpha == 1 else scaled("sub", alpha, other, _category(input, other)))


@function("rsub", method=False)
def rsub(input: Carrier, other: Any, *, alpha: Any = 1) -> Carrier:
    """other - alpha input."""
    return subtract(other, input if alpha == 1 else scaled("rsub", alpha, input, _category(input, other)))


@function("div", "divide", method=True, in_place_too=True, tensor_first=False)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Carrier:
    """input / other, of floating point; rounded towards zero ("trunc") or down ("floor") in the operands' type."""
    if rounding_mode is None:
        return ops.div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ArgumentError(f'div: rounding_mode must be None, "trunc" or "floor", not {rounding_mode!r}.')
    return cast(ops.trunc(ops.div(input, other)), promotion.result_dtype(input, other))


# Python's operators ---------------------------------------------------------------------------------------------------

Operation = Callable[[Any, Any], Carrier]


def operand(other: Any) -> Any:
    """The carrier or number that stands on the other side of an operator; NotImplemented if it is neither."""
    kind = other.__class__
    if kind is float or kind is int or kind is bool:
        return other
    if isinstance(other, Tensor):
        return other.read()
    if isinstance(other, np.ndarray | np.generic):
        return unwrap(other)
    return NotImplemented


def operator_method(name: str, operation: Operation) -> Callable[[Tensor, Any], Any]:
    """`x op other`."""

    def method(self: Tensor, other: Any) -> Any:
        b = other.read() if isinstance(other, Tensor) else operand(other)
        return NotImplemented if b is NotImplemented else Tensor(operation(self.read(), b))

    method.__name__ = name
    return method


def reflected_method(name: str, operation: Operation) -> Callable[[Tensor, Any], Any]:
    """`other op x`."""

    def method(self: Tensor, other: Any) -> Any:
        a = operand(other)
        return NotImplemented if a is NotImplemented else Tensor(operation(a, self.read()))

    method.__name__ = name
    return method


def in_place_method(name: str, operation: Operation) -> Callable[[Tensor, Any], Any]:
    """`x op= other`: the handle stays, its value changes."""

    def method(self: Tensor, other: Any) -> Any:
        b = operand(other)
        if b is NotImplemented:
            return NotImplemented
        return self.write_in_place(operation(self.read(), b), name)

    method.__name__ = name
    return method


for name, operation in (
    ("add", ops.add),
    ("sub", subtract),
    ("mul", ops.mul),
    ("truediv", ops.div),
    ("floordiv", floor_divide),
    ("mod", remainder),
    ("pow", power),
    ("matmul", matmul),
    ("and", ops.bitwise_and),
    ("or", ops.bitwise_or),
    ("xor", ops.bitwise_xor),
):
    METHODS[f"__{name}__"] = operator_method(f"__{name}__", operation)
    METHODS[f"__r{name}__"] = reflected_method(f"__r{name}__", operation)
    METHODS[f"__i{name}__"] = in_place_method(f"__i{name}__", operation)

for name, operation in (
    ("lt", ops.lt),
    ("le", ops.le),
    ("gt", ops.gt),
    ("ge", ops.ge),
    ("eq", ops.eq),
    ("ne", ops.ne),
):
    METHODS[f"__{name}__"] = operator_method(f"__{name}__", operation)

METHODS["__hash__"] = object.__hash__  # by identity, although == compares elements
METHODS["__neg__"] = lambda self: METHODS["neg"](self)
METHODS["__pos__"] = lambda self: METHODS["positive"](self)
METHODS["__abs__"] = lambda self: METHODS["abs"](self)
METHODS["__invert__"] = lambda self: METHODS["bitwise_not"](self)
