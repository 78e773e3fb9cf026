"""Comparisons, logic, bits, and tests for what a number is."""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.table import binary, function, is_carrier, unary
from chainrule.functions.traced import python_bool
from chainrule.ir.errors import DTypeError
from chainrule.ir.types import BOOL, FLOATING, bool_, uint8
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import promotion
from chainrule.ops.creation import full
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import all_

for names, operation, formula in (
    (("eq",), ops.eq, "a == b, element by element."),
    (("ne", "not_equal"), ops.ne, "a != b, element by element."),
    (("lt", "less"), ops.lt, "a < b, element by element."),
    (("le", "less_equal"), ops.le, "a <= b, element by element."),
    (("gt", "greater"), ops.gt, "a > b, element by element."),
    (("ge", "greater_equal"), ops.ge, "a >= b, element by element."),
    (("logical_and",), ops.logical_and, "Whether both are other than 0."),
    (("logical_or",), ops.logical_or, "Whether one of the two is other than 0."),
    (("logical_xor",), ops.logical_xor, "Whether just one of the two is other than 0."),
    (("bitwise_and",), ops.bitwise_and, "The bits that both have; of bools `and`."),
    (("bitwise_or",), ops.bitwise_or, "The bits that one of the two has; of bools `or`."),
    (("bitwise_xor",), ops.bitwise_xor, "The bits that just one of the two has; of bools `!=`."),
):
    binary(*names, operation=operation, formula=formula)


def bitwise_not(x: Carrier) -> Carrier:
    """All bits turned round; of bools `not`."""
    if x.dtype.category == BOOL:
        return ops.logical_not(x)
    if x.dtype.category == FLOATING:
        raise DTypeError(f"~x: integers or bools are needed, not {x.dtype.name}. For -x write `-x`.")
    return ops.bitwise_xor(x, 255 if x.dtype is uint8 else -1)


def isinf(x: Carrier, sign: int = 0) -> Carrier:
    """Whether x is infinite (of that sign, if it is given)."""
    return ops.eq(x, math.copysign(math.inf, sign)) if sign else ops.isinf(x)


def isfinite(x: Carrier) -> Carrier:
    """Whether x is neither infinite nor NaN."""
    return ops.logical_not(ops.logical_or(ops.isinf(x), ops.isnan(x)))


def signbit(x: Any) -> Carrier:
    """Whether x is below 0, or -0.0."""
    below = ops.lt(x, 0)
    return ops.logical_or(below, ops.lt(ops.reciprocal(x), 0)) if x.dtype.category == FLOATING else below


unary("bitwise_not", operation=bitwise_not, formula="All bits turned round; of bools `not`.")
unary("logical_not", operation=ops.logical_not, formula="Whether x is 0.")
test: Any
for names, test, formula in (
    (("isnan",), ops.isnan, "Whether x is NaN."),
    (("isinf",), isinf, "Whether x is infinite."),
    (("isposinf",), lambda x: isinf(x, 1), "Whether x is infinity."),
    (("isneginf",), lambda x: isinf(x, -1), "Whether x is minus infinity."),
    (("isfinite",), isfinite, "Whether x is neither infinite nor NaN."),
    (("isreal",), lambda x: full(x.shape, True, bool_), "True: there are no complex tensors."),
    (("signbit",), signbit, "Whether x is below 0, or -0.0."),
):
    unary(*names, operation=test, formula=formula, in_place_too=False)


def close_to(input: Carrier, other: Any, rtol: float, atol: float, equal_nan: bool) -> Carrier:
    """|input - other| <= atol + rtol |other|, or equal (infinities too; NaNs only with `equal_nan`)."""
    if is_carrier(other) and other.dtype is not input.dtype:
        raise DTypeError(f"isclose: input {input.type} and other {other.type} must be of one element type.")
    a, b = promotion.operands("isclose", input, other)
    close = ops.eq(a, b)
    if equal_nan and a.dtype.category == FLOATING:
        close = ops.logical_or(close, ops.logical_and(ops.isnan(a), ops.isnan(b)))
    if rtol == 0 and atol == 0:
        return close
    if a.dtype.category == BOOL:
        a, b = cast(a, uint8), cast(b, uint8)
    error, allowed = ops.abs_(ops.sub(a, b)), ops.add(ops.mul(ops.abs_(b), rtol), atol)
    near = ops.logical_and(ops.le(error, allowed), isfinite(promotion.floating(error)))
    return ops.logical_or(close, near)


@function("isclose", method=True)
def isclose(input: Carrier, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Carrier:
    """|input - other| <= atol + rtol |other|, or equal (infinities too; NaNs only with `equal_nan`)."""
    return close_to(input, other, rtol, atol, equal_nan)


@function("allclose", method=True)
def allclose(input: Carrier, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds for all elements: a Python bool."""
    close = close_to(input, other, rtol, atol, equal_nan)
    return python_bool("allclose", all_(close, tuple(range(len(close.shape)))))


@function("equal", method=True)
def equal(input: Carrier, other: Carrier) -> bool:
    """Whether shapes and all elements are equal: a Python bool."""
    if input.shape != other.shape:
        return False
    same = ops.eq(input, other)
    return python_bool("equal", all_(same, tuple(range(len(same.shape)))))
