"""Elementwise primitives: a row each, read as a table of derivatives.

    name = unary(name, reference, vjp, domain=...)          f(x), one operand
    name = binary(name, reference, vjp, ...)                f(a, b), operands broadcast and promoted by the constructor

`domain` is where the samples of the tests come from. Kinks take PyTorch's value; a zero cotangent gives zero even where
the derivative is infinite (`times` and `over` see to it).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir.errors import DTypeError
from chainrule.ir.operators import operator
from chainrule.ir.primitive import Primitive, Rule
from chainrule.ir.types import FLOATING, Array, Type, bool_
from chainrule.ir.value import Carrier, Node
from chainrule.ops.creation import default_dtype, number_dtype
from chainrule.ops.movement import broadcast_shapes, broadcast_to, fill_from
from chainrule.ops.promotion import SAMPLE_SHAPES, Domain, cast, draw, fit, operands, plain_pair, promoted, result_dtype

Unary = Callable[[Carrier], Carrier]  # rows that are named before they stand are annotated with these
Binary = Callable[[Any, Any], Carrier]
LOG_2, LOG_10 = math.log(2), math.log(10)

# The constructors -----------------------------------------------------------------------------------------------------


def _weakly(result: Carrier, *xs: Any) -> Carrier:
    """Marks the result of weak scalars and numbers alone as weak too: Python's own arithmetic, traced."""
    if result.__class__ is Node:
        for x in xs:
            if number_dtype(x) is None and not x.weak:
                return result
        if any([x.__class__ is Node and x.weak for x in xs]):
            result.weak = True
    return result


def _same(x: Type, *others: Type, **params: Any) -> Type:
    for other in others:
        assert other == x, f"the constructor left operands of types {x} and {other}"
    return x


def _truth(x: Type, *others: Type, **params: Any) -> Type:
    return Type(_same(x, *others).shape, bool_)


def unary(
    name: str,
    reference: Rule,
    vjp: Rule | None,
    *,
    domain: Domain = (-3.0, 3.0),
    expand: Rule | None = None,
    integers: bool = False,
    truth: bool = False,
    cost: Rule | None = None,
) -> Callable[[Carrier], Carrier]:
    """A primitive of one operand and its constructor. Unless it takes `integers`, they become floating first."""
    primitive = Primitive(
        name,
        reference,
        _truth if truth else _same,
        vjp,
        expand=expand,
        domain=domain,
        cost=cost,
        samples=lambda rng: [((draw(rng, shape, domain),), {}) for shape in SAMPLE_SHAPES],
    )

    def construct(x: Carrier) -> Carrier:
        if not integers and x.dtype.category != FLOATING:
            x = cast(x, default_dtype())
        result = primitive(x)
        return _weakly(result, x) if x.weak else result

    construct.__name__ = name
    return operator(name)(construct)


def binary(
    name: str,
    reference: Rule,
    vjp: Rule | None,
    *,
    domain: Domain = (-3.0, 3.0),
    second: Domain | None = None,
    expand: Rule | None = None,
    truth: bool = False,
    floats: bool = False,
    integers_only: bool = False,
    samples: Rule | None = None,
) -> Callable[[Any, Any], Carrier]:
    """A primitive of two operands and its constructor. With `floats`, integers become floating first."""
    primitive = Primitive(
        name,
        reference,
        _truth if truth else _same,
        vjp,
        expand=expand,
        domain=domain,
        samples=samples
        or (
            lambda rng: [
                ((draw(rng, shape, domain), draw(rng, shape, second or domain)), {}) for shape in SAMPLE_SHAPES
            ]
        ),
    )

    thin = not floats and not integers_only

    def construct(a: Any, b: Any) -> Carrier:
        pair = plain_pair(name, a, b)
        if pair is not None and (thin or (floats and pair[0].dtype.category == FLOATING)):
            return primitive(*pair)
        x, y = pair or promoted(name, a, b)
        if integers_only and x.dtype.category == FLOATING:
            raise DTypeError(f"{name}: integers or bools are needed, not {x.dtype.name}.")
        if floats and x.dtype.category != FLOATING:
            x, y = cast(x, default_dtype()), cast(y, default_dtype())
        return _weakly(primitive(x, y), a, b)

    construct.__name__ = name
    return operator(name)(construct)


def zero_where(condition: Carrier, x: Carrier) -> Carrier:
    """x, but zero where the condition holds."""
    return where(condition, fill_from(x, 0), x)


def zero_unless(condition: Carrier, x: Carrier) -> Carrier:
    """x where the condition holds, else zero."""
    return where(condition, x, fill_from(x, 0))


# Choices --------------------------------------------------------------------------------------------------------------


def _infer_where(condition: Type, a: Type, b: Type) -> Type:
    assert condition == Type(a.shape, bool_), f"where: condition {condition}, branches {a}"
    return _same(a, b)


BITS = {4: np.int32, 8: np.int64}  # by the size of an element
MANY = 8192  # elements; below, np.where is faster


def _where_reference(condition: Array, a: Array, b: Array) -> Array:
    """np.where; of many elements without its branch for each, which costs 4 ns where nobody can guess the way."""
    if condition.size < MANY or a.itemsize not in BITS:
        return np.where(condition, a, b)
    bits = BITS[a.itemsize]
    otherwise = b.view(bits)
    chosen: Array = np.bitwise_xor(a.view(bits), otherwise)
    chosen *= condition
    chosen ^= otherwise
    return chosen.view(a.dtype)


_where = Primitive(
    "where",
    _where_reference,
    _infer_where,
    lambda g, y, c, a, b: (None, where(c, g, fill_from(g, 0)), where(c, fill_from(g, 0), g)),
    samples=lambda rng: [
        ((rng.uniform(size=shape) < 0.5, rng.standard_normal(shape), rng.standard_normal(shape)), {})
        for shape in ((2, 3), (0,), (1,))
    ],
)


def where(condition: Carrier, a: Any, b: Any) -> Carrier:
    """a where the condition holds, else b."""
    if condition.dtype is not bool_:
        raise DTypeError(f"where: the condition must be bool, not {condition.dtype.name}. Compare it, e.g. `x != 0`.")
    pair = plain_pair("where", a, b)
    if pair is not None and pair[0].shape == condition.shape:
        return _where(condition, *pair)
    dtype = result_dtype(a, b)
    shape = broadcast_shapes(condition.shape, *(x.shape for x in (a, b) if number_dtype(x) is None), what="where")
    return _where(broadcast_to(condition, shape), fit(a, shape, dtype), fit(b, shape, dtype))


# Arithmetic -----------------------------------------------------------------------------------------------------------

add = binary("add", np.add, lambda g, y, a, b: (g, g))
sub = binary("sub", np.subtract, lambda g, y, a, b: (g, -g))
mul = binary("mul", np.multiply, lambda g, y, a, b: (g * b, g * a))
div = binary(
    "div",
    np.divide,
    lambda g, y, a, b: (over(g, b), -over(times(g, y), b)),
    domain=(-3, 3),
    second=(0.5, 3),
    floats=True,
)
neg = unary("neg", np.negative, lambda g, y, x: (-g,), integers=True)


def _zero_where_zero(result: Any, g: Array) -> Any:
    """The result, in place, with zeros where g is zero."""
    if not g.ndim:  # NumPy made a scalar of it
        return np.zeros_like(g) if g == 0 else np.asarray(result)
    result[g == 0] = 0
    return result


# Products and quotients in a rule whose derivative may be infinite: zero times anything is zero.
times: Binary = binary(
    "times",
    lambda g, d: _zero_where_zero(g * d, g),
    lambda c, y, g, d: (times(c, d), times(c, g)),
)
over: Binary = binary(
    "over",
    lambda g, d: _zero_where_zero(g / d, g),
    lambda c, y, g, d: (over(c, d), -over(times(c, y), d)),
    second=(0.5, 3),
)


def _pow_vjp(g: Carrier, y: Carrier, a: Carrier, b: Carrier) -> tuple[Carrier, Carrier]:
    # PyTorch: d/da is 0 where b = 0; d/db is 0 where y * log(a) would be 0 * -inf
    one_less = pow_(a, b - 1)
    by_base = zero_where(eq(b, 0), times(g, b * one_less))
    flat = logical_and(eq(a, 0), ge(b, 0))
    by_exponent = zero_where(flat, times(g, times(y, log(a))))
    return by_base, by_exponent


def _pow_reference(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and b.size and b.min() < 0:
        raise DTypeError("pow: integers cannot be raised to negative powers; make one of them floating first.")
    return np.asarray(np.power(a, b))


pow_ = binary("pow", _pow_reference, _pow_vjp, domain=(0.3, 3), second=(-2, 3))


def _remainder_reference(a: Array, b: Array) -> Array:
    return np.asarray(np.remainder(a, b))


remainder = binary(
    "remainder",
    _remainder_reference,
    lambda g, y, a, b: (g, -times(g, floor_divide(a, b))),
    domain=(-3, 3),
    second=(0.7, 2),
)
floor_divide: Binary = binary(
    "floor_divide", np.floor_divide, lambda g, y, a, b: (fill_from(g, 0), fill_from(g, 0)), second=(0.7, 2)
)
fmod = binary("fmod", np.fmod, lambda g, y, a, b: (g, -times(g, trunc(div(a, b)))), domain=(-3, 3), second=(0.7, 2))

# Exponentials and roots -----------------------------------------------------------------------------------------------

exp = unary("exp", np.exp, lambda g, y, x: (times(g, y),))
expm1 = unary("expm1", np.expm1, lambda g, y, x: (times(g, y + 1),))
log = unary("log", np.log, lambda g, y, x: (over(g, x),), domain=(0.1, 3))
log1p = unary("log1p", np.log1p, lambda g, y, x: (over(g, x + 1),), domain=(-0.9, 3))
exp2 = unary("exp2", np.exp2, lambda g, y, x: (times(g, y * LOG_2),), expand=lambda x: exp(x * LOG_2))
log2 = unary("log2", np.log2, lambda g, y, x: (over(g, x * LOG_2),), domain=(0.1, 3), expand=lambda x: log(x) / LOG_2)
log10 = unary(
    "log10", np.log10, lambda g, y, x: (over(g, x * LOG_10),), domain=(0.1, 3), expand=lambda x: log(x) / LOG_10
)
logaddexp2 = binary(
    "logaddexp2",
    np.logaddexp2,
    lambda g, y, a, b: (times(g, sigmoid((a - b) * LOG_2)), times(g, sigmoid((b - a) * LOG_2))),
    floats=True,
    expand=lambda a, b: maximum(a, b) + log1p(exp2(-abs_(a - b))) / LOG_2,
)
sqrt = unary("sqrt", np.sqrt, lambda g, y, x: (over(g, y * 2),), domain=(0.1, 3))  # sqrt'(0) = inf
rsqrt = unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, y, x: (times(g * -0.5, y * y * y),), domain=(0.1, 3))
square = unary("square", np.square, lambda g, y, x: (g * 2 * x,), integers=True)
reciprocal = unary("reciprocal", np.reciprocal, lambda g, y, x: (-times(times(g, y), y),), domain=(0.3, 3))

# Trigonometric and hyperbolic -----------------------------------------------------------------------------------------

sin = unary("sin", np.sin, lambda g, y, x: (g * cos(x),))
cos: Unary = unary("cos", np.cos, lambda g, y, x: (-g * sin(x),))
tan = unary("tan", np.tan, lambda g, y, x: (times(g, y * y + 1),), domain=(-1.3, 1.3))
asin = unary("asin", np.arcsin, lambda g, y, x: (over(g, sqrt(1 - x * x)),), domain=(-0.9, 0.9))
acos = unary("acos", np.arccos, lambda g, y, x: (-over(g, sqrt(1 - x * x)),), domain=(-0.9, 0.9))
atan = unary("atan", np.arctan, lambda g, y, x: (g / (x * x + 1),))
atan2 = binary(
    "atan2",
    np.arctan2,
    lambda g, y, a, b: (over(g * b, a * a + b * b), -over(g * a, a * a + b * b)),
    second=(0.5, 3),
    floats=True,
)
sinh = unary("sinh", np.sinh, lambda g, y, x: (times(g, cosh(x)),))
cosh: Unary = unary("cosh", np.cosh, lambda g, y, x: (times(g, sinh(x)),))
tanh = unary("tanh", np.tanh, lambda g, y, x: (g * (1 - y * y),))
asinh = unary(
    "asinh",
    np.arcsinh,
    lambda g, y, x: (g * rsqrt(x * x + 1),),
    expand=lambda x: sign(x) * log1p(abs_(x) + x * x / (sqrt(x * x + 1) + 1)),
)
acosh = unary(
    "acosh",
    np.arccosh,
    lambda g, y, x: (over(g, sqrt(x * x - 1)),),
    domain=(1.1, 3),
    expand=lambda x: log(x + sqrt(x - 1) * sqrt(x + 1)),
)
atanh = unary(
    "atanh",
    np.arctanh,
    lambda g, y, x: (over(g, 1 - x * x),),
    domain=(-0.9, 0.9),
    expand=lambda x: (log1p(x) - log1p(-x)) * 0.5,
)


def _sigmoid_reference(x: Array) -> Array:
    """e^min(x, 0) / (1 + e^-|x|): both powers are at most 1, so that nothing overflows on either side."""
    return np.asarray(np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))))


sigmoid: Unary = unary("sigmoid", _sigmoid_reference, lambda g, y, x: (g * (y * (1 - y)),))
softplus = unary(
    "softplus",
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    lambda g, y, x: (g * sigmoid(x),),
    expand=lambda x: maximum(x, 0) + log1p(exp(-abs_(x))),
)

# Kinks and steps ------------------------------------------------------------------------------------------------------

abs_: Unary = unary("abs", np.abs, lambda g, y, x: (g * sign(x),), integers=True)  # abs'(0) = 0
sign: Unary = unary(
    "sign", lambda x: np.subtract(x > 0, x < 0, dtype=x.dtype), lambda g, y, x: (fill_from(g, 0),), integers=True
)
floor = unary("floor", np.floor, lambda g, y, x: (fill_from(g, 0),), integers=True)
ceil = unary("ceil", np.ceil, lambda g, y, x: (fill_from(g, 0),), integers=True)
trunc: Unary = unary("trunc", np.trunc, lambda g, y, x: (fill_from(g, 0),), integers=True)
round_ = unary(  # half to even
    "round", lambda x: np.rint(x) if x.dtype.kind == "f" else x, lambda g, y, x: (fill_from(g, 0),), integers=True
)
relu = unary(
    "relu", lambda x: np.maximum(x, 0), lambda g, y, x: (zero_where(y <= 0, g),), integers=True
)  # relu'(0) = 0


def _shared_where_equal(g: Carrier, a: Carrier, b: Carrier) -> Carrier:
    return where(eq(a, b), g * 0.5, g)  # a tie shares the cotangent equally, as PyTorch does


maximum: Binary = binary(
    "maximum",
    np.maximum,
    lambda g, y, a, b: (
        zero_where(a < b, _shared_where_equal(g, a, b)),
        zero_where(b < a, _shared_where_equal(g, a, b)),
    ),
)
minimum = binary(
    "minimum",
    np.minimum,
    lambda g, y, a, b: (
        zero_where(a > b, _shared_where_equal(g, a, b)),
        zero_where(b > a, _shared_where_equal(g, a, b)),
    ),
)


def clamp(x: Carrier, low: Any = None, high: Any = None) -> Carrier:
    """x held between bounds (numbers, tensors, or None for no bound). At a bound the derivative is 1, as in PyTorch."""
    if low is None or high is None:
        return x if low is high else _at_most(x, high) if low is None else _at_least(x, low)
    pairs = [plain_pair("clamp", x, bound) for bound in (low, high)]
    plain = [pair[1] for pair in pairs if pair is not None and pair[0] is x]
    return _clamp(x, *plain) if len(plain) == 2 else _clamp(*operands("clamp", x, low, high))


_at_most = binary("at_most", np.minimum, lambda g, y, x, b: (zero_unless(x <= b, g), zero_unless(x > b, g)))
_at_least = binary("at_least", np.maximum, lambda g, y, x, b: (zero_unless(x >= b, g), zero_unless(x < b, g)))


def _clamp_vjp(g: Carrier, y: Carrier, x: Carrier, low: Carrier, high: Carrier) -> tuple[Carrier, Carrier, Carrier]:
    inside = logical_and(x >= low, x <= high)
    below = logical_and(x < low, low < high)
    above = logical_or(x > high, logical_and(x < low, high <= low))
    return zero_unless(inside, g), zero_unless(below, g), zero_unless(above, g)


_clamp = Primitive(
    "clamp",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    _same,
    _clamp_vjp,
    domain=(-3, 3),
    samples=lambda rng: [
        ((draw(rng, shape, (-3, 3)), draw(rng, shape, (-2, -0.5)), draw(rng, shape, (0.5, 2))), {})
        for shape in SAMPLE_SHAPES
    ],
)

# Comparisons and logic ------------------------------------------------------------------------------------------------

eq = binary("eq", np.equal, None, truth=True)
ne = binary("ne", np.not_equal, None, truth=True)
lt = binary("lt", np.less, None, truth=True)
le = binary("le", np.less_equal, None, truth=True)
gt = binary("gt", np.greater, None, truth=True)
ge = binary("ge", np.greater_equal, None, truth=True)
logical_and = binary("logical_and", np.logical_and, None, truth=True)
logical_or = binary("logical_or", np.logical_or, None, truth=True)
logical_xor = binary("logical_xor", np.logical_xor, None, truth=True)
logical_not = unary("logical_not", np.logical_not, None, integers=True, truth=True)
isnan = unary("isnan", np.isnan, None, integers=True, truth=True)
isinf = unary("isinf", np.isinf, None, integers=True, truth=True)


def _integer_samples(rng: np.random.Generator) -> list[Any]:
    return [((rng.integers(-9, 9, shape), rng.integers(-9, 9, shape)), {}) for shape in SAMPLE_SHAPES]


bitwise_and = binary("bitwise_and", np.bitwise_and, None, samples=_integer_samples, integers_only=True)
bitwise_or = binary("bitwise_or", np.bitwise_or, None, samples=_integer_samples, integers_only=True)
bitwise_xor = binary("bitwise_xor", np.bitwise_xor, None, samples=_integer_samples, integers_only=True)
