"""Affine maps."""

from __future__ import annotations

from chainrule.functions.table import on_tensors
from chainrule.ops import contraction

linear = on_tensors(contraction.linear)
