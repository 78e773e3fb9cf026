"""How attention is cut into blocks, and when: by shapes alone, the same on every processor and for any threads.

Blocks of about 100 x 100 scores stay in the second-level cache with what they are made of; the sums over positions of k
are sums of blocks, so the length of a block of k is part of the result.
"""

from __future__ import annotations

import math

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Type
from chainrule.ir.value import Node
from chainrule.ops import blocked_attention  # noqa: F401 - enters the primitives
from chainrule.ops.attention_gradients import packed, unpacked
from chainrule.passes.rewrite import Rule, Rules

_WIDEST = 16  # lanes: blocks of k are whole vectors at every level
# Bytes of one head's scores from which they are not stored. Blocks take seven products where six would do, so all must
# outgrow a second-level cache for it; of causal attention half of the seven is left out.
SCORES, CAUSAL_SCORES = 1 << 20, 64 << 10
_FEWEST = 64  # positions of q, for which it is worth to read all of k once
_UNITS = 16  # pieces of work of nearly equal size: 2, 3 and 4 threads are then kept busy
_FORWARD, _GRADIENTS = REGISTRY["blocked_attention"], REGISTRY["blocked_attention_gradients"]


def balanced(length: int, longest: int, multiple: int = 1) -> int:
    """The length of as few blocks as can be, all nearly equal, none much longer than `longest`."""
    each = -(-length // -(-length // longest))
    return -(-each // multiple) * multiple


def in_vectors(source: int, longest: int) -> int:
    """The length of blocks of k: whole vectors, and little left over in the last one."""
    if source <= longest:
        return balanced(source, longest, _WIDEST)
    return min(range(longest, longest // 2, -_WIDEST), key=lambda block: -(-source // block) * block)


def forward_block(source: int, is_causal: bool) -> int:
    """Positions of k in a block."""
    return in_vectors(source, 96 if is_causal else 128)


def gradient_blocks(length: int, source: int, is_causal: bool) -> tuple[int, int]:
    """Positions of q and of k in a block. Of causal attention short ones waste less, for half of some is hidden."""
    longest = 64 if is_causal else 128
    return balanced(length, longest), in_vectors(source, longest)


def bounds_of(heads: int, source: int, is_causal: bool) -> tuple[int, ...]:
    """Ranges of k that take about the same work, so many that there are units for all threads."""
    _, block = gradient_blocks(1, source, is_causal)
    parts = max(1, min(-(-_UNITS // max(heads, 1)), source // (2 * block)))
    found = {0, source}
    for c in range(1, parts):
        share = 1 - math.sqrt(1 - c / parts) if is_causal else c / parts
        found.add(round(share * source / block) * block)
    return tuple(sorted(found))


def pays(q: Type, v: Type, source: int, is_causal: bool) -> bool:
    """Whether attention is made in blocks: its scores are large, and larger than what it makes."""
    length, width, depth = *q.shape[-2:], v.shape[-1]
    if 0 in (*q.shape, depth, source):
        return False
    large = length * source * q.dtype.itemsize >= (CAUSAL_SCORES if is_causal else SCORES)
    return large and length >= _FEWEST and source >= 2 * max(width, depth)


def _forward(y: Node, q: Node, k: Node, v: Node) -> Node | None:
    if not pays(q.type, v.type, k.shape[-2], y.params["is_causal"]):
        return None
    found: Node = unpacked(_FORWARD(q, k, v, **y.params), y.shape, y.shape[:-1])[0]
    return found


def _gradients(y: Node, g: Node, w: Node, q: Node, k: Node, v: Node) -> Node | None:
    if not pays(q.type, v.type, k.shape[-2], y.params["is_causal"]):
        return None
    _, lse = unpacked(_FORWARD(q, k, v, **y.params), g.shape, g.shape[:-1])
    bounds = bounds_of(math.prod(q.shape[:-2]), k.shape[-2], y.params["is_causal"])
    found = _GRADIENTS(g, w, lse, q, k, v, **y.params, bounds=bounds)
    to_q, to_k, to_v = unpacked(found, (len(bounds) - 1, *q.shape), k.shape, v.shape)
    to_q = REGISTRY["sum"](to_q, axes=(0,), keepdims=False)
    gradients: Node = packed([to_q, to_k, to_v])
    return gradients


LOWERING = Rules(
    (
        Rule("attention in blocks", "scaled_dot_product_attention", None, _forward),
        Rule("gradients of attention in blocks", "attention_gradients", None, _gradients),
    )
)
