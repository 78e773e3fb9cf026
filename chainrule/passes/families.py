"""What kinds of primitives there are, as far as passes ask."""

from __future__ import annotations

from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ops import elementwise, promotion, special  # noqa: F401 - enter the primitives named below

# The type rules that elementwise primitives share, and those of them that have one of their own.
_ELEMENTWISE_RULES = frozenset({REGISTRY[name].infer for name in ("add", "eq", "where")})
_ELEMENTWISE = frozenset({"cast", "gelu", "polygamma"})

# The same elements of one operand in other places.
_REARRANGING = frozenset({"broadcast_to", "reshape", "permute", "slice", "flip"})


def is_elementwise(primitive: Primitive) -> bool:
    """Whether an element of the result depends on the elements of the operands in its own place alone."""
    return primitive.infer in _ELEMENTWISE_RULES or primitive.name in _ELEMENTWISE


def is_rearranging(primitive: Primitive) -> bool:
    """Whether the result has elements of the one operand alone, wherever."""
    return primitive.name in _REARRANGING
