"""Affine maps."""

from __future__ import annotations

from chainrule.functions.table import on_tensors
from chainrule.ir.value import Carrier
from chainrule.ops import contraction


@on_tensors
def linear(input: Carrier, weight: Carrier, bias: Carrier | None = None) -> Carrier:
    """input (*, in) weight^T + bias -> (*, out), of a weight (out, in) and a bias (out)."""
    return contraction.linear(input, weight, bias)
