"""Functions of each element by itself. A row each where the primitive says it all; the rest below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.functions.arithmetic import scaled
from chainrule.functions.table import function, is_carrier, unary
from chainrule.ir.errors import ArgumentError, DTypeError
from chainrule.ir.types import BOOL, FLOATING, int64
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import promotion, special
from chainrule.ops.control import alias
from chainrule.ops.elementwise import where
from chainrule.ops.promotion import cast


def not_of_bools(what: str, operation: Any, remedy: str = "convert it: `x.long()`") -> Any:
    """An operation of one or two operands that refuses tensors of bools, as PyTorch does."""

    def checked(*operands: Any) -> Carrier:
        for x in operands:
            if is_carrier(x) and x.dtype.category == BOOL:
                raise DTypeError(f"{what}: a tensor of bools has no {what}; {remedy}.")
        return operation(*operands)

    return checked


INVERT = "to invert a mask use `~mask`, else " + "convert it: `x.long()`"

# One operand ----------------------------------------------------------------------------------------------------------

for names, operation, formula in (
    (("abs", "absolute"), not_of_bools("abs", ops.abs_), "|x|. Its derivative at 0 is 0."),
    (("neg", "negative"), not_of_bools("negation", ops.neg, INVERT), "-x."),
    (("sign", "sgn"), lambda x: x if x.dtype.category == BOOL else ops.sign(x), "-1, 0 or 1."),
    (("floor",), not_of_bools("floor", ops.floor), "The integer below."),
    (("ceil",), not_of_bools("ceil", ops.ceil), "The integer above."),
    (("trunc", "fix"), not_of_bools("trunc", ops.trunc), "The integer towards zero."),
    (("frac",), lambda x: x - ops.trunc(x), "x - trunc(x)."),
    (("square",), lambda x: ops.square(cast(x, int64) if x.dtype.category == BOOL else x), "x^2."),
    (("reciprocal",), ops.reciprocal, "1 / x."),
    (("sqrt",), ops.sqrt, "x^(1/2). Its derivative at 0 is infinite."),
    (("rsqrt",), ops.rsqrt, "x^(-1/2)."),
    (("exp",), ops.exp, "e^x."),
    (("exp2",), ops.exp2, "2^x."),
    (("expm1",), ops.expm1, "e^x - 1, exact near 0."),
    (("log",), ops.log, "The natural logarithm."),
    (("log2",), ops.log2, "The logarithm to base 2."),
    (("log10",), ops.log10, "The logarithm to base 10."),
    (("log1p",), ops.log1p, "log(1 + x), exact near 0."),
    (("sin",), ops.sin, "The sine."),
    (("cos",), ops.cos, "The cosine."),
    (("tan",), ops.tan, "The tangent."),
    (("asin", "arcsin"), ops.asin, "The inverse of sin."),
    (("acos", "arccos"), ops.acos, "The inverse of cos."),
    (("atan", "arctan"), ops.atan, "The inverse of tan."),
    (("sinh",), ops.sinh, "(e^x - e^-x) / 2."),
    (("cosh",), ops.cosh, "(e^x + e^-x) / 2."),
    (("tanh",), ops.tanh, "(e^x - e^-x) / (e^x + e^-x)."),
    (("asinh", "arcsinh"), ops.asinh, "The inverse of sinh."),
    (("acosh", "arccosh"), ops.acosh, "The inverse of cosh."),
    (("atanh", "arctanh"), ops.atanh, "The inverse of tanh."),
    (("sigmoid",), ops.sigmoid, "1 / (1 + e^-x)."),
    (("relu",), not_of_bools("relu", ops.relu), "max(x, 0). Its derivative at 0 is 0."),
    (("erf",), special.erf, "2 / sqrt(pi) times the integral of e^-t^2 from 0 to x."),
    (("erfc",), special.erfc, "1 - erf(x), exact where that is small."),
    (("erfinv",), special.erfinv, "The inverse of erf."),
    (("lgamma",), special.lgamma, "log |gamma(x)|."),
    (("digamma",), special.digamma, "The derivative of lgamma."),
    (("deg2rad",), lambda x: x * (math.pi / 180), "x pi / 180."),
    (("rad2deg",), lambda x: x * (180 / math.pi), "x 180 / pi."),
):
    unary(*names, operation=operation, formula=formula)
unary("positive", operation=not_of_bools("positive", alias), formula="+x.", in_place_too=False)


@function("round", method=True, in_place_too=True)
def round_(input: Carrier, *, decimals: int = 0) -> Carrier:
    """The nearest integer, or multiple of 10^-decimals; a half goes to the even one."""
    if decimals == 0:
        return not_of_bools("round", ops.round_)(input)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return ops.div(ops.round_(ops.mul(input, scale)), scale)
    return ops.mul(ops.round_(ops.div(input, scale)), scale)


@function("logit", method=True, in_place_too=True)
def logit(input: Carrier, eps: float | None = None) -> Carrier:
    """log(x / (1 - x)), of x held between eps and 1 - eps if that is given."""
    x = input if eps is None else ops.clamp(input, eps, 1 - eps)
    return ops.log(ops.div(x, 1 - x))


@function("sinc", method=True, in_place_too=True)
def sinc(input: Carrier) -> Carrier:
    """sin(pi x) / (pi x), and 1 at 0."""
    angle = ops.mul(promotion.floating(input), math.pi)
    zero = ops.eq(angle, 0)
    angle = where(zero, 1.0, angle)
    return where(zero, 1.0, ops.div(ops.sin(angle), angle))


@function("nan_to_num", method=True, in_place_too=True)
def nan_to_num(
    input: Carrier, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Carrier:
    """NaN as `nan` (0), infinities as the largest and smallest numbers of the type unless others are given."""
    if input.dtype.category != FLOATING:
        return input
    limits = np.finfo(input.dtype.numpy)
    result = where(ops.isnan(input), 0.0 if nan is None else nan, input)
    result = where(ops.eq(input, math.inf), float(limits.max) if posinf is None else posinf, result)
    return where(ops.eq(input, -math.inf), float(limits.min) if neginf is None else neginf, result)


@function("polygamma", tensor_first=False)
def polygamma(n: int, input: Carrier) -> Carrier:
    """The n-th derivative of digamma."""
    return special.polygamma(n, input)


@function("polygamma", method=True, free=False)
def polygamma_method(self: Carrier, n: int) -> Carrier:
    """The n-th derivative of digamma."""
    return special.polygamma(n, self)


# Bounds, choices, three operands --------------------------------------------------------------------------------------


@function("clamp", "clip", method=True, in_place_too=True)
def clamp(input: Carrier, min: Any = None, max: Any = None) -> Carrier:
    """input held between min and max (numbers, tensors, or None for no bound). At a bound the derivative is 1."""
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max is needed, e.g. `x.clamp(min=0)`.")
    return ops.clamp(input, min, max)


@function("clamp_min", method=True, in_place_too=True)
def clamp_min(input: Carrier, min: Any) -> Carrier:
    """input, but at least min."""
    return ops.clamp(input, min, None)


@function("clamp_max", method=True, in_place_too=True)
def clamp_max(input: Carrier, max: Any) -> Carrier:
    """input, but at most max."""
    return ops.clamp(input, None, max)


@function("addcmul", method=True, in_place_too=True)
def addcmul(input: Carrier, tensor1: Carrier, tensor2: Carrier, *, value: Any = 1) -> Carrier:
    """input + value tensor1 tensor2."""
    product = ops.mul(tensor1, tensor2)
    return ops.add(input, scaled("addcmul", value, product, product.dtype.category))


@function("addcdiv", method=True, in_place_too=True)
def addcdiv(input: Carrier, tensor1: Carrier, tensor2: Carrier, *, value: Any = 1) -> Carrier:
    """input + value tensor1 / tensor2."""
    return ops.add(input, scaled("addcdiv", value, ops.div(tensor1, tensor2), FLOATING))


@function("lerp", method=True, in_place_too=True)
def lerp(input: Carrier, end: Carrier, weight: Any) -> Carrier:
    """input + weight (end - input): input at weight 0, end at weight 1."""
    if end.dtype is not input.dtype:
        raise DTypeError(f"lerp: input {input.type} and end {end.type} must be of one element type.")
    return ops.add(input, ops.mul(weight, end - input))
