"""Elementary and special functions of vectors: name(f, x) -> Reg, for "float" and "double" and any lane count.

They are written in `float_math.py`, `double_math.py`, `circular.py`, `power.py` and `special_math.py`, without calls
into a C library. Where float32 has no version of its own, it is computed in float64 and rounded.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.backends.native import circular, double_math, float_math, special_math
from chainrule.backends.native.formulas import Lanes
from chainrule.backends.native.power import power
from chainrule.backends.native.text import Function, Reg

Formula = Callable[[Lanes], Lanes]
Emit = Callable[[Function, Reg], Reg]

# The largest error, in ULP, that tests allow: (float32, float64), over all exponents.
BOUNDS = {
    "exp": (2, 2),
    "exp2": (2, 2),
    "expm1": (2, 3),
    "log": (1, 1),
    "log2": (1, 2),
    "log10": (1, 3),
    "log1p": (2, 2),
    "sqrt": (1, 1),
    "rsqrt": (2, 2),
    "tanh": (3, 3),
    "sigmoid": (3, 3),
    "sin": (2, 3),
    "cos": (2, 3),
    "tan": (4, 4),
    "asin": (1, 3),
    "acos": (1, 2),
    "atan": (1, 2),
    "atan2": (1, 3),
    "sinh": (1, 4),
    "cosh": (1, 4),
    "asinh": (1, 4),
    "acosh": (1, 4),
    "atanh": (1, 3),
    "erf": (3, 3),
    "erfc": (1, 7),  # the last bits of exp(-x^2)
    "pow": (1, 2),
}


def through_double(formula: Formula) -> Formula:
    """A formula of float64 for both types."""

    def either(x: Lanes) -> Lanes:
        if x.element == "double":
            return formula(x)
        return formula(x.converted("fpext", "double")).converted("fptrunc", "float")

    return either


def _of_both(single: Formula, double: Formula) -> Formula:
    return lambda x: single(x) if x.element == "float" else double(x)


def _function(formula: Formula, doc: str) -> Emit:
    def emit(f: Function, x: Reg) -> Reg:
        return formula(Lanes(f, x)).reg

    emit.__doc__ = doc
    return emit


def _rsqrt(x: Lanes) -> Lanes:
    return 1.0 / x.intrinsic("sqrt")


FORMULAS: dict[str, Formula] = {
    "exp": _of_both(float_math.exp, double_math.exp),
    "exp2": _of_both(float_math.exp2, double_math.exp2),
    "expm1": _of_both(float_math.expm1, double_math.expm1),
    "log": _of_both(float_math.log, double_math.log),
    "log2": through_double(double_math.log2),
    "log10": through_double(double_math.log10),
    "log1p": _of_both(float_math.log1p, double_math.log1p),
    "sqrt": lambda x: x.intrinsic("sqrt"),
    "rsqrt": _rsqrt,
    "tanh": _of_both(float_math.tanh, double_math.tanh),
    "sigmoid": _of_both(float_math.sigmoid, double_math.sigmoid),
    "sin": circular.sin,
    "cos": circular.cos,
    "tan": circular.tan,
    "asin": through_double(double_math.asin),
    "acos": through_double(double_math.acos),
    "atan": through_double(double_math.atan),
    "sinh": through_double(double_math.sinh),
    "cosh": through_double(double_math.cosh),
    "asinh": through_double(double_math.asinh),
    "acosh": through_double(double_math.acosh),
    "atanh": through_double(double_math.atanh),
    "erf": _of_both(float_math.erf, special_math.erf),
    "erfc": through_double(special_math.erfc),
    "erfinv": through_double(special_math.erfinv),
    "lgamma": through_double(special_math.lgamma),
    "digamma": through_double(special_math.digamma),
}

exp = _function(FORMULAS["exp"], "e^x.")
exp2 = _function(FORMULAS["exp2"], "2^x.")
expm1 = _function(FORMULAS["expm1"], "e^x - 1.")
log = _function(FORMULAS["log"], "The natural logarithm.")
log2 = _function(FORMULAS["log2"], "The logarithm to base 2.")
log10 = _function(FORMULAS["log10"], "The logarithm to base 10.")
log1p = _function(FORMULAS["log1p"], "log(1 + x).")
sqrt = _function(FORMULAS["sqrt"], "The square root, correctly rounded.")
rsqrt = _function(FORMULAS["rsqrt"], "1 / sqrt(x), each rounded.")
tanh = _function(FORMULAS["tanh"], "The hyperbolic tangent.")
sigmoid = _function(FORMULAS["sigmoid"], "1 / (1 + e^-x).")
sin = _function(FORMULAS["sin"], "The sine.")
cos = _function(FORMULAS["cos"], "The cosine.")
tan = _function(FORMULAS["tan"], "The tangent.")
asin = _function(FORMULAS["asin"], "The inverse of sin.")
acos = _function(FORMULAS["acos"], "The inverse of cos.")
atan = _function(FORMULAS["atan"], "The inverse of tan.")
sinh = _function(FORMULAS["sinh"], "The hyperbolic sine.")
cosh = _function(FORMULAS["cosh"], "The hyperbolic cosine.")
asinh = _function(FORMULAS["asinh"], "The inverse of sinh.")
acosh = _function(FORMULAS["acosh"], "The inverse of cosh.")
atanh = _function(FORMULAS["atanh"], "The inverse of tanh.")
erf = _function(FORMULAS["erf"], "The error function.")
erfc = _function(FORMULAS["erfc"], "1 - erf(x).")
erfinv = _function(FORMULAS["erfinv"], "The inverse of erf.")
lgamma = _function(FORMULAS["lgamma"], "log |Gamma(x)|.")
digamma = _function(FORMULAS["digamma"], "The derivative of lgamma.")


def polygamma(f: Function, x: Reg, n: int) -> Reg:
    """The n-th derivative of digamma, n >= 1."""
    return through_double(lambda wide: special_math.polygamma(wide, n))(Lanes(f, x)).reg


def atan2(f: Function, y: Reg, x: Reg) -> Reg:
    """The angle of the point (x, y)."""
    return arctangent(Lanes(f, y), Lanes(f, x)).reg


def arctangent(y: Lanes, x: Lanes) -> Lanes:
    """`atan2` of lanes."""
    if y.element == "double":
        return double_math.atan2(y, x)
    wide = double_math.atan2(y.converted("fpext", "double"), x.converted("fpext", "double"))
    return wide.converted("fptrunc", "float")


def pow_(f: Function, x: Reg, y: Reg) -> Reg:
    """x^y."""
    return power(Lanes(f, x), Lanes(f, y)).reg
