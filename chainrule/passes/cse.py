"""Common subexpressions: when two nodes are one value.

Primitives are pure: a value is told by its primitive, its operands and its parameters. Random ones too: they are
functions of the generator's state, so two draws are one only if they read the same state. `custom` counts by the
function object it holds.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.types import DType
from chainrule.ir.value import Node
from chainrule.ops import elementwise  # noqa: F401 - enters the primitives named below

# Either order of the operands gives the same bits. (Of maximum it does not: +0 and -0 are equal.)
COMMUTATIVE = frozenset(
    REGISTRY[name]
    for name in (
        *("add", "mul", "eq", "ne"),
        *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
    )
)

_COMPARABLE = frozenset({int, bool, str, DType, type(None)})


def key_of(primitive: Primitive, inputs: tuple[Node, ...], params: dict[str, Any]) -> Hashable:
    """Equal for nodes of one value."""
    if primitive in COMMUTATIVE and inputs[0].order > inputs[1].order:
        inputs = inputs[::-1]
    if not params:
        return primitive, inputs
    names = params if len(params) == 1 else sorted(params)
    return primitive, inputs, tuple([_distinct(params[name]) for name in names])


def _distinct(value: Hashable) -> Hashable:
    """The parameter, or what stands for it where Python's == is not sameness: 0.0 == -0.0, nan != nan."""
    kind = value.__class__
    if kind in _COMPARABLE:
        return value
    if isinstance(value, tuple):
        for part in value:
            if part.__class__ not in _COMPARABLE:
                return tuple([_distinct(part) for part in value])
        return value
    if isinstance(value, float | np.floating) and (value == 0 or value != value):
        return "nan" if value else "-0.0" if math.copysign(1, value) < 0 else 0
    return value
