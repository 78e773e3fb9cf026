"""Attention: what each position takes from the others."""

from __future__ import annotations

from chainrule.functions.table import on_tensors
from chainrule.ir.errors import NotYetError
from chainrule.ir.types import int64
from chainrule.ir.value import Carrier
from chainrule.nn.functional.dropping import check_probability, dropped
from chainrule.ops import attention
from chainrule.ops.contraction import matmul
from chainrule.ops.creation import iota
from chainrule.ops.elementwise import eq
from chainrule.ops.movement import broadcast_to
from chainrule.ops.promotion import cast


@on_tensors
def scaled_dot_product_attention(
    query: Carrier,
    key: Carrier,
    value: Carrier,
    attn_mask: Carrier | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Carrier:
    """softmax(scale query key^T + mask) value, of query (..., L, E), key (..., S, E), value (..., S, D): (..., L, D).

    attn_mask broadcasts to (..., L, S): bools say what takes part, numbers are added. is_causal: position i sees 0 to
    i. scale: 1 / sqrt(E) unless given. dropout_p: this share of the weights is dropped, always, as in PyTorch.
    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.
    """
    if enable_gqa:
        raise NotYetError("scaled_dot_product_attention: enable_gqa is not available yet; repeat key and value.")
    check_probability("scaled_dot_product_attention", dropout_p)
    if dropout_p == 0:
        return attention.scaled_dot_product_attention(query, key, value, attn_mask, is_causal, scale)
    return matmul(dropped(_weights(query, key, attn_mask, is_causal, scale), dropout_p), value)


def _weights(query: Carrier, key: Carrier, mask: Carrier | None, is_causal: bool, scale: float | None) -> Carrier:
    """The weights (..., L, S): what attention makes of the identity as value."""
    length = key.shape[-2]
    same = eq(iota(length, int64).reshape((length, 1)), iota(length, int64))
    identity = broadcast_to(cast(same, query.dtype), (*key.shape[:-2], length, length))
    return attention.scaled_dot_product_attention(query, key, identity, mask, is_causal, scale)
