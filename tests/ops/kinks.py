"""What the derivative is at kinks, ties and poles, in numbers: PyTorch's, wherever that is not NaN.

`tests/oracle/test_kinks.py` compares the table with PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, nan
from typing import Any, NamedTuple

from chainrule.ops import elementwise as e
from chainrule.ops.ordering import cumprod, max_with_index, min_with_index, sort, topk
from chainrule.ops.reduction import amax, amin, logsumexp, prod
from chainrule.ops.special import digamma, erfinv, gelu, lgamma

Numbers = list[Any]


class Kink(NamedTuple):
    """A function at a point, and its gradients there for a cotangent of `weights` (ones if not given)."""

    function: Callable[..., Any]
    inputs: tuple[Numbers, ...]
    gradients: tuple[Numbers, ...]
    weights: Numbers | None = None


KINKS = {
    # kinks and steps
    "abs": Kink(e.abs_, ([-2.0, -0.0, 0.0, 2.0],), ([-1.0, 0.0, 0.0, 1.0],)),
    "sign": Kink(e.sign, ([-2.0, 0.0, 2.0, inf],), ([0.0, 0.0, 0.0, 0.0],)),
    "floor": Kink(e.floor, ([-1.0, 0.0, 1.5],), ([0.0, 0.0, 0.0],)),
    "ceil": Kink(e.ceil, ([-1.0, 0.0, 1.5],), ([0.0, 0.0, 0.0],)),
    "trunc": Kink(e.trunc, ([-1.0, 0.0, 1.5],), ([0.0, 0.0, 0.0],)),
    "round": Kink(e.round_, ([-0.5, 0.5, 1.5],), ([0.0, 0.0, 0.0],)),
    "relu": Kink(e.relu, ([-1.0, -0.0, 0.0, 1.0, inf, -inf],), ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0],)),
    "softplus": Kink(e.softplus, ([0.0, inf, -inf],), ([0.5, 1.0, 0.0],)),
    "logaddexp2": Kink(
        e.logaddexp2,
        ([0.0, inf, -inf, inf, -inf], [0.0, 1.0, 1.0, -inf, -inf]),
        ([0.5, 1.0, 0.0, 1.0, nan], [0.5, 0.0, 1.0, 0.0, nan]),
    ),
    "clamp": Kink(lambda x: e.clamp(x, -1, 1), ([-2.0, -1.0, 0.0, 1.0, 2.0],), ([0.0, 1.0, 1.0, 1.0, 0.0],)),
    "clamp from below": Kink(lambda x: e.clamp(x, -1), ([-2.0, -1.0, 0.0],), ([0.0, 1.0, 1.0],)),
    "clamp from above": Kink(lambda x: e.clamp(x, None, 1), ([0.0, 1.0, 2.0],), ([1.0, 1.0, 0.0],)),
    "clamp by tensors": Kink(
        e.clamp,  # the last two columns: the lower bound is the higher one
        ([-2.0, -1.0, 1.0, 2.0, 0.0, 5.0], [-1.0, -1.0, -1.0, -1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ([0.0, 1.0, 1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    ),
    "clamp from below by a tensor": Kink(
        lambda x, low: e.clamp(x, low), ([-2.0, -1.0, 0.0], [-1.0, -1.0, -1.0]), ([0.0, 1.0, 1.0], [1.0, 0.0, 0.0])
    ),
    "clamp from above by a tensor": Kink(
        lambda x, high: e.clamp(x, None, high), ([0.0, 1.0, 2.0], [1.0, 1.0, 1.0]), ([1.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    ),
    "remainder": Kink(e.remainder, ([4.0, -4.0, 0.0], [2.0, 2.0, 2.0]), ([1.0, 1.0, 1.0], [-2.0, 2.0, 0.0])),
    "fmod": Kink(e.fmod, ([4.0, -4.0, -3.0], [2.0, 2.0, 2.0]), ([1.0, 1.0, 1.0], [-2.0, 2.0, 1.0])),
    "where": Kink(
        lambda a, b: e.where(e.gt(a, 0.0), e.sqrt(a), b),
        ([4.0, 0.0, -1.0], [1.0, 1.0, 1.0]),
        ([0.25, 0.0, 0.0], [0.0, 1.0, 1.0]),
    ),
    # ties
    "maximum": Kink(
        e.maximum,
        ([1.0, 1.0, 3.0, inf, 0.0], [1.0, 2.0, 2.0, inf, -0.0]),
        ([0.5, 0.0, 1.0, 0.5, 0.5], [0.5, 1.0, 0.0, 0.5, 0.5]),
    ),
    "minimum": Kink(
        e.minimum,
        ([1.0, 1.0, 3.0, inf, 0.0], [1.0, 2.0, 2.0, inf, -0.0]),
        ([0.5, 1.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5, 0.5]),
    ),
    "amax": Kink(
        lambda x: amax(x, (1,)),
        ([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [inf, 0.0, inf]],),
        ([[0.0, 0.5, 0.5], [1 / 3] * 3, [0.5, 0.0, 0.5]],),
    ),
    "amin": Kink(lambda x: amin(x, (0, 1)), ([[1.0, 3.0], [1.0, 2.0]],), ([[0.5, 0.0], [0.5, 0.0]],)),
    "max_with_index": Kink(lambda x: max_with_index(x, 0)[0], ([1.0, 3.0, 3.0],), ([0.0, 1.0, 0.0],)),
    "min_with_index": Kink(lambda x: min_with_index(x, 0)[0], ([3.0, 1.0, 1.0],), ([0.0, 1.0, 0.0],)),
    "sort": Kink(lambda x: sort(x)[0], ([2.0, 1.0, 2.0, 1.0],), ([3.0, 1.0, 4.0, 2.0],), [1.0, 2.0, 3.0, 4.0]),
    "sort descending": Kink(
        lambda x: sort(x, descending=True)[0], ([2.0, 1.0, 2.0, 1.0],), ([1.0, 3.0, 2.0, 4.0],), [1.0, 2.0, 3.0, 4.0]
    ),
    "topk": Kink(lambda x: topk(x, 2)[0], ([3.0, 1.0, 3.0, 2.0],), ([1.0, 0.0, 2.0, 0.0],), [1.0, 2.0]),
    "logsumexp": Kink(
        lambda x: logsumexp(x, (1,)),
        ([[2.0, 2.0], [-inf, 0.0], [-inf, -inf]],),
        ([[0.5, 0.5], [0.0, 1.0], [0.0, 0.0]],),
    ),
    # zeros in products
    "prod": Kink(lambda x: prod(x, (1,)), ([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]],), ([[6.0, 0.0, 0.0], [0.0, 0.0, 0.0]],)),
    "cumprod": Kink(lambda x: cumprod(x, 0), ([2.0, 0.0, 3.0, 0.0],), ([1.0, 8.0, 0.0, 0.0],)),
    # poles
    "sqrt": Kink(e.sqrt, ([0.0, 4.0],), ([inf, 0.25],)),
    "rsqrt": Kink(e.rsqrt, ([0.0, 4.0],), ([-inf, -0.0625],)),
    "log": Kink(e.log, ([0.0, -0.0, -2.0],), ([inf, -inf, -0.5],)),
    "log1p": Kink(e.log1p, ([-1.0],), ([inf],)),
    "reciprocal": Kink(e.reciprocal, ([0.0, inf],), ([-inf, -0.0],)),
    "div": Kink(e.div, ([1.0, -1.0, 0.0], [0.0, 0.0, 2.0]), ([inf, inf, 0.5], [-inf, inf, 0.0])),
    "asin": Kink(e.asin, ([-1.0, 1.0],), ([inf, inf],)),
    "acos": Kink(e.acos, ([-1.0, 1.0],), ([-inf, -inf],)),
    "atan2": Kink(e.atan2, ([0.0, 0.0, 1.0], [0.0, -1.0, 0.0]), ([0.0, -1.0, 0.0], [0.0, 0.0, -1.0])),
    "gelu": Kink(gelu, ([inf, -inf],), ([1.0, 0.0],)),
    "erfinv": Kink(erfinv, ([-1.0, 1.0],), ([inf, inf],)),
    "lgamma": Kink(lgamma, ([0.0, -0.0],), ([-inf, inf],)),
    "digamma": Kink(digamma, ([0.0, -0.0],), ([inf, inf],)),
    # x ** y: at x = 0 and at y = 0
    "pow": Kink(
        e.pow_,
        ([0.0, 0.0, 0.0, 0.0, 0.0, 2.0, -2.0], [0.0, 1.0, 2.0, 0.5, -1.0, 0.0, 3.0]),
        ([0.0, 1.0, 0.0, inf, -inf, 0.0, 12.0], [0.0, 0.0, 0.0, 0.0, -inf, log(2), nan]),
    ),
    "square root as a power": Kink(lambda x: e.pow_(x, 0.5), ([0.0, 4.0],), ([inf, 0.25],)),
    "power 0": Kink(lambda x: e.pow_(x, 0), ([0.0, 2.0, inf],), ([0.0, 0.0, 0.0],)),
}
