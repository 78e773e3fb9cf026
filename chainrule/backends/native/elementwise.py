"""The elementwise primitives as vector code: a row each.

    ROWS[name].emit(f, operands, dtype, operand_dtypes, **params) -> Reg

`operands` are vectors (or scalars) of one lane count, `dtype` is the result's element type; bools are i1. A row means
what the primitive's `reference` means, for every element type that the reference takes. Primitives that are not here
have an `expand`. gelu is one of them on purpose: expanded, its derivative shares its erf, or tanh. An integer to a
negative power, for which the reference raises, is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chainrule.backends.native import division, float_math, special_math, vector_math
from chainrule.backends.native.casts import cast
from chainrule.backends.native.formulas import Lanes, where
from chainrule.backends.native.power import power
from chainrule.backends.native.text import BITS, Function, Reg
from chainrule.ir.types import BOOL, FLOATING, DType, uint8

Emit = Callable[..., Reg]  # (f, operands, dtype, operand_dtypes, /, **params): cast has a parameter `dtype` too


class Row(NamedTuple):
    """How a primitive is written."""

    emit: Emit


# Makers of rows -------------------------------------------------------------------------------------------------------


def _plain(formula: Callable[..., Lanes]) -> Row:
    """formula(*lanes): the same for all types."""
    return Row(lambda f, operands, dtype, of, /, **params: formula(*_lanes(f, operands), **params).reg)


def _typed(formula: Callable[..., Lanes]) -> Row:
    """formula(dtype of the operands, *lanes)."""
    return Row(lambda f, operands, dtype, of, /, **params: formula(of[-1], *_lanes(f, operands), **params).reg)


def _by_category(floats: Callable[..., Lanes], integers: Callable[..., Lanes]) -> Row:
    """floats(*lanes) or integers(*lanes, signed)."""

    def emit(f: Function, operands: Sequence[Reg], dtype: DType, of: Sequence[DType], /, **params: Any) -> Reg:
        lanes = _lanes(f, operands)
        return floats(*lanes).reg if of[0].category == FLOATING else integers(*lanes, of[0] is not uint8).reg

    return Row(emit)


def _lanes(f: Function, operands: Sequence[Reg]) -> list[Lanes]:
    return [Lanes(f, operand) for operand in operands]


def _compared(of_floats: str, of_integers: str, of_unsigned: str) -> Row:
    return _typed(lambda dtype, a, b: a.compare(of_floats, of_unsigned if _unsigned(dtype) else of_integers, b))


def _unsigned(dtype: DType) -> bool:
    return dtype is uint8 or dtype.category == BOOL


def _below(dtype: DType, a: Lanes, b: Lanes) -> Lanes:
    return a.compare("olt", "ult" if _unsigned(dtype) else "slt", b)


# Arithmetic -----------------------------------------------------------------------------------------------------------


def _add(dtype: DType, a: Lanes, b: Lanes) -> Lanes:
    return a | b if dtype.category == BOOL else a + b


def _mul(dtype: DType, a: Lanes, b: Lanes) -> Lanes:
    return a & b if dtype.category == BOOL else a * b


def _times(dtype: DType, g: Lanes, d: Lanes) -> Lanes:
    return where(g.equals(0), 0, g * d) if dtype.category == FLOATING else _mul(dtype, g, d)


def _integer_power(base: Lanes, exponent: Lanes, signed: bool) -> Lanes:
    """By squares, modulo 2^bits; 0 for negative exponents."""
    f, bits = base.f, BITS[base.element]

    def body(_: Reg, carried: list[Reg]) -> list[Reg]:
        result, square, left = _lanes(f, carried)
        return [where((left & 1).differs(0), result * square, result).reg, (square * square).reg, (left >> 1).reg]

    result = Lanes(f, f.loop(0, bits, 1, body, [base.like(1).reg, base.reg, exponent.reg])[0])
    return where(exponent < 0, 0, result) if signed else result


# Choices and steps ----------------------------------------------------------------------------------------------------


def _maximum(dtype: DType, a: Lanes, b: Lanes) -> Lanes:
    larger = where(_below(dtype, b, a), a, b)
    return where(a.is_nan(), a, larger) if dtype.category == FLOATING else larger


def _minimum(dtype: DType, a: Lanes, b: Lanes) -> Lanes:
    smaller = where(_below(dtype, a, b), a, b)
    return where(a.is_nan(), a, smaller) if dtype.category == FLOATING else smaller


def _relu(dtype: DType, x: Lanes) -> Lanes:
    return x if _unsigned(dtype) else where(x < 0, 0, x)  # hands NaN on


def _abs(dtype: DType, x: Lanes) -> Lanes:
    if dtype.category == FLOATING:
        return x.abs()
    return x if _unsigned(dtype) else where(x < 0, -x, x)


def _sign(dtype: DType, x: Lanes) -> Lanes:
    if _unsigned(dtype):
        return where(x.equals(0), x, 1)
    return where(x > 0, x.like(1), where(x < 0, x.like(-1), 0))


def _rounding(name: str) -> Row:
    return _typed(lambda dtype, x: getattr(x, name)() if dtype.category == FLOATING else x)


# Truth ----------------------------------------------------------------------------------------------------------------


def _truth(dtype: DType, x: Lanes) -> Lanes:
    return x if dtype.category == BOOL else x.differs(0)


def _is_nan(dtype: DType, x: Lanes) -> Lanes:
    return x.is_nan() if dtype.category == FLOATING else _nowhere(x)


def _is_infinite(dtype: DType, x: Lanes) -> Lanes:
    return x.abs().equals(math.inf) if dtype.category == FLOATING else _nowhere(x)


def _nowhere(x: Lanes) -> Lanes:
    return Lanes(x.f, x.f.const(0, x.type_with("i1")))


def _logical(name: str) -> Row:
    return _typed(lambda dtype, a, b: _truth(dtype, a).binary(name, _truth(dtype, b)))


# Composites -----------------------------------------------------------------------------------------------------------


def _ndtr(x: Lanes) -> Lanes:
    return float_math.ndtr(x) if x.element == "float" else special_math.erfc(x * -math.sqrt(0.5)) * 0.5


def _logaddexp2(a: Lanes, b: Lanes) -> Lanes:
    small = vector_math.FORMULAS["exp2"](-(a - b).abs())
    larger = where(a > b, a, b)
    apart = larger + vector_math.FORMULAS["log1p"](small) * (1 / math.log(2))
    return where(a.equals(b), a + 1.0, apart)  # infinities too


def _polygamma(x: Lanes, *, n: int) -> Lanes:
    return vector_math.through_double(lambda wide: special_math.polygamma(wide, n))(x)


def _cast(f: Function, operands: Sequence[Reg], dtype: DType, of: Sequence[DType], /, **params: Any) -> Reg:
    return cast(Lanes(f, operands[0]), of[0], dtype).reg


_MATH = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "tanh", "sigmoid"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("erf", "erfc", "erfinv", "lgamma", "digamma"),
)

ROWS: dict[str, Row] = {
    "add": _typed(_add),
    "sub": _plain(lambda a, b: a - b),
    "mul": _typed(_mul),
    "div": _plain(lambda a, b: a / b),
    "neg": _plain(lambda x: -x),
    "times": _typed(_times),
    "over": _plain(lambda g, d: where(g.equals(0), 0, g / d)),
    "square": _plain(lambda x: x * x),
    "reciprocal": _plain(lambda x: 1 / x),
    "pow": _by_category(power, _integer_power),
    "remainder": _by_category(division.remainder, division.remainder_of_integers),
    "floor_divide": _by_category(division.floor_divide, division.floor_divide_integers),
    "fmod": _by_category(division.fmod, division.fmod_of_integers),
    **{name: _plain(vector_math.FORMULAS[name]) for name in _MATH},
    "atan2": _plain(vector_math.arctangent),
    "logaddexp2": _plain(_logaddexp2),
    "polygamma": _plain(_polygamma),
    "ndtr": _plain(_ndtr),
    "abs": _typed(_abs),
    "sign": _typed(_sign),
    "floor": _rounding("floor"),
    "ceil": _rounding("ceil"),
    "trunc": _rounding("trunc"),
    "round": _rounding("rounded"),
    "relu": _typed(_relu),
    "maximum": _typed(_maximum),
    "minimum": _typed(_minimum),
    "at_least": _typed(_maximum),
    "at_most": _typed(_minimum),
    "clamp": _typed(lambda dtype, x, low, high: _minimum(dtype, _maximum(dtype, x, low), high)),
    "where": _plain(where),
    "eq": _compared("oeq", "eq", "eq"),
    "ne": _compared("une", "ne", "ne"),
    "lt": _compared("olt", "slt", "ult"),
    "le": _compared("ole", "sle", "ule"),
    "gt": _compared("ogt", "sgt", "ugt"),
    "ge": _compared("oge", "sge", "uge"),
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "logical_not": _typed(lambda dtype, x: ~_truth(dtype, x)),
    "isnan": _typed(_is_nan),
    "isinf": _typed(_is_infinite),
    "bitwise_and": _plain(lambda a, b: a & b),
    "bitwise_or": _plain(lambda a, b: a | b),
    "bitwise_xor": _plain(lambda a, b: a ^ b),
    "cast": Row(_cast),
    "detach": _plain(lambda x: x),
    "alias": _plain(lambda x: x),
}
