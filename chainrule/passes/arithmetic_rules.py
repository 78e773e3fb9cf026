"""Rewrites of arithmetic: only those that give the same bits, zeros' signs and infinities included.

So x + 0 stays (of -0.0 it makes +0.0), and so does x * 0; x - 0 and x * 1 go.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.types import FLOATING, Shape, Type, bool_
from chainrule.ir.value import Node
from chainrule.ops import control, elementwise, reduction  # noqa: F401 - enter the primitives named below
from chainrule.ops.creation import Number, full
from chainrule.ops.movement import broadcast_shapes, broadcast_to, pad, reshape
from chainrule.passes.families import is_elementwise
from chainrule.passes.fold import number
from chainrule.passes.rewrite import Every, Rule

ADD, SUB, MUL, DIV, NEG, ABS = map(REGISTRY.__getitem__, ("add", "sub", "mul", "div", "neg", "abs"))
SQUARE, SQRT, RECIPROCAL, NE, WHERE = map(REGISTRY.__getitem__, ("square", "sqrt", "reciprocal", "ne", "where"))
FULL, POW = REGISTRY["full"], REGISTRY["pow"]

# What is no computation -----------------------------------------------------------------------------------------------


def _given_result(y: Node, custom: Node) -> Node:
    result: Node = custom.inputs[y.params["index"]]
    return result


IDENTITIES = (
    Rule("detach", "detach", (None,), lambda y, x: x),
    Rule("alias", "alias", (None,), lambda y, x: x),
    Rule("result of custom", "item", ("custom",), _given_result),
)

# Sums and signs -------------------------------------------------------------------------------------------------------


def _like(y: Node, value: Number) -> Node:
    node: Node = full(y.shape, value, y.dtype)
    return node


def _is_zero(value: Number, negative: bool) -> bool:
    return value == 0 and (math.copysign(1, value) < 0) == negative


def _plus_number(y: Node, x: Node, constant: Node) -> Node | None:
    """x + 0 of integers, x + -0.0 of floats."""
    return x if _is_zero(number(constant), y.dtype.category == FLOATING) and y.dtype is not bool_ else None


def _minus_number(y: Node, x: Node, constant: Node) -> Node | None:
    return x if _is_zero(number(constant), False) else None


def _sum_of_pads(y: Node, a: Node, b: Node) -> Node | None:
    """Of one form, around it 0 + 0 (or -0 + 0, for Python calls those equal)."""
    params = a.params
    if params != b.params or not _is_zero(b.params["value"], False):
        return None
    node: Node = pad(ADD(a.inputs[0], b.inputs[0]), params["low"], params["high"], params["interior"])
    return node


SUMS = (
    Rule("neg of neg", "neg", ("neg",), lambda y, x: x.inputs[0]),
    Rule("x + -y", "add", (None, "neg"), lambda y, a, b: SUB(a, b.inputs[0])),
    Rule("-x + y", "add", ("neg", None), lambda y, a, b: SUB(b, a.inputs[0])),
    Rule("x - -y", "sub", (None, "neg"), lambda y, a, b: ADD(a, b.inputs[0])),
    Rule("-x * -y", "mul", ("neg", "neg"), lambda y, a, b: MUL(a.inputs[0], b.inputs[0])),
    Rule("-x / -y", "div", ("neg", "neg"), lambda y, a, b: DIV(a.inputs[0], b.inputs[0])),
    Rule("square of neg", "square", ("neg",), lambda y, x: SQUARE(x.inputs[0])),
    Rule("abs of neg", "abs", ("neg",), lambda y, x: ABS(x.inputs[0]) if y.dtype.category == FLOATING else None),
    Rule("x + nothing", "add", (None, "full"), _plus_number),
    Rule("nothing + x", "add", ("full", None), lambda y, a, b: _plus_number(y, b, a)),
    Rule("x - nothing", "sub", (None, "full"), _minus_number),
    Rule("sum of pads of one form", "add", ("pad", "pad"), _sum_of_pads),
)

# Products, quotients and powers ---------------------------------------------------------------------------------------


def _times_number(y: Node, x: Node, constant: Node) -> Node | None:
    value = number(constant)
    if abs(value) == 1:
        return x if value == 1 else NEG(x)
    return MUL(x.inputs[0], _like(y, -value)) if x.primitive is NEG and y.dtype.category == FLOATING else None


def _by_number(y: Node, x: Node, constant: Node) -> Node | None:
    """A power of two divides as its inverse multiplies: both round the same number."""
    value = number(constant)
    if abs(value) == 1:
        return x if value == 1 else NEG(x)
    if x.primitive is NEG:
        quotient: Node = DIV(x.inputs[0], _like(y, -value))
        return quotient
    smallest = float(np.finfo(y.dtype.numpy).tiny)  # the inverse is to be a normal number
    is_power = math.frexp(value)[0] in (0.5, -0.5) and smallest <= abs(value) <= 1 / smallest
    return MUL(x, _like(y, 1 / value)) if is_power else None


def _over_number(y: Node, constant: Node, d: Node) -> Node | None:
    return DIV(constant, d) if number(constant) != 0 else None


def _to_the_number(y: Node, x: Node, constant: Node) -> Node | None:
    """What NumPy takes for these powers of a number that is the same everywhere."""
    value = number(constant)
    if value in (0, 1):
        return x if value else _like(y, 1)
    function = {2: SQUARE, 0.5: SQRT, -1: RECIPROCAL}.get(value)
    return function(x) if function and (value == 2 or y.dtype.category == FLOATING) else None


PRODUCTS = (
    Rule("x * number", "mul", (None, "full"), _times_number),
    Rule("number * x", "mul", ("full", None), lambda y, a, b: _times_number(y, b, a)),
    Rule("x / number", "div", (None, "full"), _by_number),
    Rule("number over x", "over", ("full", None), _over_number),
    Rule("x to the power of a number", "pow", (None, "full"), _to_the_number),
)

# Choices and truths ---------------------------------------------------------------------------------------------------


def _and_constant(y: Node, x: Node, constant: Node) -> Node | None:
    if not number(constant):
        return _like(y, False)
    return x if x.dtype is bool_ else None


def _or_constant(y: Node, x: Node, constant: Node) -> Node | None:
    if number(constant):
        return _like(y, True)
    return x if x.dtype is bool_ else None


def _not_not(y: Node, x: Node) -> Node | None:
    return x.inputs[0] if x.inputs[0].dtype is bool_ else None


CHOICES = (
    Rule("where of one branch", "where", (None, None, None), lambda y, c, a, b: a if a is b else None),
    Rule("where of a constant", "where", ("full", None, None), lambda y, c, a, b: a if number(c) else b),
    Rule("where not", "where", ("logical_not", None, None), lambda y, c, a, b: _where_not(c, a, b)),
    Rule("not not", "logical_not", ("logical_not",), _not_not),
    Rule("x and constant", "logical_and", (None, "full"), _and_constant),
    Rule("constant and x", "logical_and", ("full", None), lambda y, a, b: _and_constant(y, b, a)),
    Rule("x or constant", "logical_or", (None, "full"), _or_constant),
    Rule("constant or x", "logical_or", ("full", None), lambda y, a, b: _or_constant(y, b, a)),
)


def _where_not(condition: Node, a: Node, b: Node) -> Node | None:
    return WHERE(condition.inputs[0], b, a) if condition.inputs[0].dtype is bool_ else None


# Reductions of nothing ------------------------------------------------------------------------------------------------


def _folds_nothing(y: Node, x: Node) -> bool:
    return all([x.shape[axis] == 1 for axis in y.params["axes"]])


def _sum_of_one(y: Node, x: Node) -> Node | None:
    """The sum begins with 0: of -0.0 alone it is 0.0."""
    if not _folds_nothing(y, x):
        return None
    alone: Node = reshape(x, y.shape)
    return ADD(alone, _like(y, 0)) if y.params["axes"] and y.dtype.category == FLOATING else alone


def _extreme_of_one(y: Node, x: Node) -> Node | None:
    return reshape(x, y.shape) if _folds_nothing(y, x) else None


def _truth_of_one(y: Node, x: Node) -> Node | None:
    return reshape(NE(x, _like(x, 0)), y.shape) if _folds_nothing(y, x) else None


REDUCTIONS = (
    Rule("sum of one", "sum", (None,), _sum_of_one),
    *[Rule(f"{name} of one", name, (None,), _extreme_of_one) for name in ("prod", "max", "min")],
    *[Rule(f"{name} of one", name, (None,), _truth_of_one) for name in ("any", "all")],
)

# Arithmetic before repetition -----------------------------------------------------------------------------------------


def _is_repeated(primitive: Primitive) -> bool:
    return primitive.name in ("broadcast_to", "full")


def _before_broadcast(y: Node, *operands: Node) -> Node | None:
    """Compute the few elements, then repeat them."""
    given = [() if x.primitive is FULL else x.inputs[0].shape for x in operands]
    shape = broadcast_shapes(*given)
    size = Type(shape, y.dtype).size
    if size >= y.type.size or (y.primitive is POW and size > 1 and operands[1].primitive is not FULL):
        return None  # of powers, NumPy computes one by one otherwise than many with one exponent
    node: Node = broadcast_to(y.primitive(*[_fewer(x, shape) for x in operands], **y.params), y.shape)
    return node


def _fewer(x: Node, shape: Shape) -> Node:
    node: Node = full(shape, x.params["value"], x.dtype) if x.primitive is FULL else broadcast_to(x.inputs[0], shape)
    return node


REPETITIONS = (Rule("elementwise of broadcasts", is_elementwise, Every(_is_repeated), _before_broadcast),)

ARITHMETIC = (*SUMS, *PRODUCTS, *CHOICES, *REDUCTIONS, *REPETITIONS)
