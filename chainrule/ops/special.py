"""Special functions: the error function and its like, the logarithm of gamma and its derivatives, and GELU.

Their values are computed in `special_reference.py`. At poles derivatives are infinite: a zero cotangent gives zero.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.ir.errors import ArgumentError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier
from chainrule.ops import special_reference
from chainrule.ops.elementwise import exp, square, tanh, times, unary
from chainrule.ops.promotion import SAMPLE_SHAPES, draw, floating

SQRT_PI = math.sqrt(math.pi)
DENSITY = 1 / math.sqrt(2 * math.pi)  # of a standard normal number at 0
NANOSECONDS = 50  # an element of the error function takes, at least

# Error function -------------------------------------------------------------------------------------------------------

# erf'(x) = 2 / sqrt(pi) exp(-x^2), and so erfinv'(x) = sqrt(pi) / 2 exp(y^2)
erf = unary(
    "erf",
    special_reference.erf,
    lambda g, y, x: (g * (exp(-square(x)) * (2 / SQRT_PI)),),
    cost=lambda x: NANOSECONDS * x.size,
)
erfc = unary(
    "erfc",
    special_reference.erfc,
    lambda g, y, x: (g * (exp(-square(x)) * (-2 / SQRT_PI)),),
    expand=lambda x: 1 - erf(x),
)
erfinv = unary(
    "erfinv",
    special_reference.erfinv,
    lambda g, y, x: (times(g, exp(square(y)) * (SQRT_PI / 2)),),
    domain=(-0.9, 0.9),
)


def _ndtr_reference(x: Array) -> Array:
    below: Array = special_reference.erfc(x.astype(np.float64) * -math.sqrt(0.5)) / 2
    return below.astype(x.dtype)


# Phi(x), the probability that a standard normal number is below x; its derivative is the density
ndtr = unary(
    "ndtr",
    _ndtr_reference,
    lambda g, y, x: (g * (exp(square(x) * -0.5) * DENSITY),),
    expand=lambda x: (erf(x * math.sqrt(0.5)) + 1) * 0.5,
)

# Gamma function -------------------------------------------------------------------------------------------------------

digamma = unary("digamma", special_reference.digamma, lambda g, y, x: (times(g, polygamma(1, x)),), domain=(0.3, 4))
lgamma = unary("lgamma", special_reference.lgamma, lambda g, y, x: (times(g, digamma(x)),), domain=(0.3, 4))

_polygamma = Primitive(
    "polygamma",
    lambda x, *, n: special_reference.polygamma(n, x),
    lambda x, *, n: x,
    lambda g, y, x, *, n: (times(g, polygamma(n + 1, x)),),
    domain=(0.5, 4),
    samples=lambda rng: [((draw(rng, shape, (0.5, 4)),), {"n": n}) for shape in SAMPLE_SHAPES for n in (1, 2)],
)


def polygamma(n: int, x: Carrier) -> Carrier:
    """The n-th derivative of digamma, which is digamma itself for n = 0."""
    if n < 0:
        raise ArgumentError(f"polygamma: n must be at least 0, not {n}.")
    return _polygamma(floating(x), n=n) if n else digamma(x)


# GELU -----------------------------------------------------------------------------------------------------------------
# Exact: x Phi(x). Approximate: Phi(x) = (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3). Hendrycks & Gimpel,
# arXiv:1606.08415. At -inf 0, where PyTorch has NaN.

CUBE = 0.044715
SLOPE = math.sqrt(2 / math.pi)


def _gelu_reference(x: Array, *, approximate: str) -> Array:
    wide = x.astype(np.float64)
    u = SLOPE * (wide + CUBE * wide**3)
    below = (1 + np.tanh(u)) / 2 if approximate == "tanh" else _ndtr_reference(wide)
    return np.where(below == 0, 0.0, wide * below).astype(x.dtype)


def _tanh_part(x: Carrier) -> Carrier:
    return tanh((x + x * square(x) * CUBE) * SLOPE)


def _gelu_expand(x: Carrier, *, approximate: str) -> Carrier:
    return times((_tanh_part(x) + 1) * 0.5 if approximate == "tanh" else ndtr(x), x)


def _gelu_vjp(g: Carrier, y: Carrier, x: Carrier, *, approximate: str) -> tuple[Carrier]:
    if approximate == "tanh":
        t = _tanh_part(x)
        slope = times(1 - t * t, (square(x) * (3 * CUBE) + 1) * SLOPE)
        return (g * ((t + 1) * 0.5 + times(slope, x) * 0.5),)
    return (g * (ndtr(x) + times(exp(square(x) * -0.5) * DENSITY, x)),)


_gelu = Primitive(
    "gelu",
    _gelu_reference,
    lambda x, *, approximate: x,
    _gelu_vjp,
    cost=lambda x: NANOSECONDS * x.size,
    expand=_gelu_expand,
    domain=(-3, 3),
    samples=lambda rng: [
        ((draw(rng, shape, (-3, 3)),), {"approximate": approximate})
        for shape in SAMPLE_SHAPES
        for approximate in ("none", "tanh")
    ],
)


def gelu(x: Carrier, approximate: str = "none") -> Carrier:
    """x times the probability that a standard normal number is below x; "tanh" approximates it."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}.')
    return _gelu(floating(x), approximate=approximate)
