"""How attention is cut into blocks, and when: by shapes alone, the same on every processor and for any threads.

Blocks of about 100 x 100 scores stay in the second-level cache with what they are made of; the sums over positions of k
are sums of blocks, so the length of a block of k is part of the result.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Shape, Type
from chainrule.ir.value import Node
from chainrule.ops import blocked_attention  # noqa: F401 - enters the primitives
from chainrule.ops.attention_gradients import packed, unpacked
from chainrule.ops.movement import permute, slice_axis
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


def _has_heads_within(x: Node) -> bool:
    """Whether x [*rest, heads, length, width] comes from [*rest, length, heads, width]: of a model that splits each
    position's numbers into heads, and wants them together again."""
    n = len(x.shape)
    return n > 2 and x.primitive.name == "permute" and x.params["axes"] == (*range(n - 3), n - 2, n - 3, n - 1)


def _heads_without(x: Node) -> Node:
    """[*rest, length, heads, width] as [*rest, heads, length, width]."""
    n = len(x.shape)
    found: Node = permute(x, (*range(n - 3), n - 2, n - 3, n - 1))
    return found


def _attended(q: Node, k: Node, v: Node, params: dict[str, Any]) -> tuple[Node, Node]:
    """y and lse."""
    merged = _has_heads_within(v)
    own = (*q.shape[:-1], v.shape[-1])
    stored = (*own[:-3], own[-2], own[-3], own[-1]) if merged else own
    y, lse = unpacked(_FORWARD(q, k, v, **params, merged=merged), stored, q.shape[:-1])
    return _heads_without(y) if merged else y, lse


def _forward(y: Node, q: Node, k: Node, v: Node) -> Node | None:
    return _attended(q, k, v, y.params)[0] if pays(q.type, v.type, k.shape[-2], y.params["is_causal"]) else None


def _gradients(y: Node, g: Node, w: Node, q: Node, k: Node, v: Node) -> Node | None:
    if not pays(q.type, v.type, k.shape[-2], y.params["is_causal"]):
        return None
    _, lse = _attended(q, k, v, y.params)
    bounds = bounds_of(math.prod(q.shape[:-2]), k.shape[-2], y.params["is_causal"])
    parts = len(bounds) - 1
    merged = parts == 1 and q.shape == k.shape == v.shape and all([_has_heads_within(x) for x in (q, k, v)])
    found = _GRADIENTS(g, w, lse, q, k, v, **y.params, bounds=bounds, merged=merged)
    if merged:
        flows = _side_by_side(found, q.shape)
    else:
        flows = unpacked(found, (parts, *q.shape), k.shape, v.shape)
        flows[0] = REGISTRY["sum"](flows[0], axes=(0,), keepdims=False) if parts > 1 else flows[0].reshape(q.shape)
    gradients: Node = packed(flows)
    return gradients


def _side_by_side(found: Node, shape: Shape) -> list[Node]:
    """Three tensors of a shape [*rest, heads, length, width] that lie as [*rest, length, 3, heads, width]."""
    *rest, heads, length, width = shape
    axis, each = len(rest) + 1, heads * width
    rows = found.reshape((*rest, length, 3 * each))
    parts = [slice_axis(rows, axis, i * each, (i + 1) * each) for i in range(3)]
    return [_heads_without(part.reshape((*rest, length, heads, width))) for part in parts]


LOWERING = Rules(
    (
        Rule("attention in blocks", "scaled_dot_product_attention", None, _forward),
        Rule("gradients of attention in blocks", "attention_gradients", None, _gradients),
    )
)
