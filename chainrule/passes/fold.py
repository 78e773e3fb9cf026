"""Constant folding: what is computed from `full` alone becomes a `full`, by the primitive's own reference.

The graph has no node for an array of different numbers, so only what comes out the same everywhere is folded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.errors import ChainruleError
from chainrule.ir.primitive import Primitive
from chainrule.ir.quiet import quietly
from chainrule.ir.types import Array, Type
from chainrule.ir.value import Node
from chainrule.ops.creation import full
from chainrule.passes.families import is_elementwise, is_rearranging
from chainrule.passes.rewrite import Every, Rule, Rules

# The most elements that folding reads or makes, in all: running the reference on so many takes some 50 us.
MOST_ELEMENTS = 16384


def number(constant: Node) -> Any:
    """The number that a `full` holds, as its element type holds it."""
    return constant.primitive.reference(**constant.params | {"shape": ()}).item()


def _rearranged(y: Node, x: Node) -> Node:
    node: Node = full(y.shape, x.params["value"], y.dtype)
    return node


def _elementwise(y: Node, *operands: Node) -> Node | None:
    """One element says what all are."""
    one = [_array(operand, (1,)) for operand in operands]
    return _uniform(y, _evaluated(y, one))


def _small(y: Node, *operands: Node) -> Node | None:
    if not isinstance(y.type, Type) or y.type.size + sum([x.type.size for x in operands]) > MOST_ELEMENTS:
        return None
    return _uniform(y, _evaluated(y, [_array(operand, operand.shape) for operand in operands]))


def _array(constant: Node, shape: tuple[int, ...]) -> Array:
    array: Array = constant.primitive.reference(**constant.params | {"shape": shape})
    return array


def _evaluated(y: Node, arrays: list[Array]) -> Array | None:
    try:
        return np.ascontiguousarray(quietly(y.primitive.reference, *arrays, **y.params))
    except ChainruleError:
        return None  # it is for the program to raise, on the line it came from


def _uniform(y: Node, array: Array | None) -> Node | None:
    if array is None or array.tobytes() != array.reshape(-1)[:1].tobytes() * array.size:
        return None
    node: Node = full(y.shape, array.reshape(-1)[0].item() if array.size else 0, y.dtype)
    return node


def _is_other(primitive: Primitive) -> bool:
    return not is_elementwise(primitive) and not is_rearranging(primitive)


REARRANGED = Rule("rearranged constant", is_rearranging, ("full",), _rearranged)
FOLD = (
    REARRANGED,
    Rule("elementwise of constants", is_elementwise, Every("full"), _elementwise),
    Rule("anything else of constants", _is_other, Every("full"), _small),
)
FOLDING = Rules(FOLD)
