"""The binary cross entropy of probabilities: log loss of each element by itself."""

from __future__ import annotations

import numpy as np

from chainrule.ir.types import Array
from chainrule.ir.value import Carrier
from chainrule.ops.elementwise import binary, clamp, log, log1p, times

LOWEST = -100.0  # of a logarithm, so that a wrong certainty costs 100 and not infinity; PyTorch's
SMALLEST = 1e-12  # of p (1 - p) in the derivative; PyTorch's


def _reference(p: Array, target: Array) -> Array:
    lowest = p.dtype.type(LOWEST)
    return np.asarray((target - 1) * np.maximum(np.log1p(-p), lowest) - target * np.maximum(np.log(p), lowest))


def _vjp(g: Carrier, y: Carrier, p: Carrier, target: Carrier) -> tuple[Carrier, Carrier]:
    return times(g, (p - target) / clamp((1 - p) * p, SMALLEST)), times(g, log1p(-p) - log(p))


def _expand(p: Carrier, target: Carrier) -> Carrier:
    return (target - 1) * clamp(log1p(-p), LOWEST) - target * clamp(log(p), LOWEST)


# -(t log p + (1 - t) log(1 - p))
binary_cross_entropy = binary(
    "binary_cross_entropy", _reference, _vjp, domain=(0.1, 0.9), second=(0, 1), expand=_expand
)
