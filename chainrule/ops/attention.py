"""Scaled dot-product attention: softmax(scale * q k^T) v. Vaswani et al. 2017, https://arxiv.org/abs/1706.03762."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import FLOATING, Array, Type, bool_
from chainrule.ir.value import Carrier
from chainrule.ops.attention_gradients import (
    MASKED,
    SIZES,
    attention_gradients,
    probabilities,
    scores_reference,
    unpacked,
)
from chainrule.ops.contraction import expands, matmul, matmul_reference, transposed
from chainrule.ops.elementwise import eq, where, zero_where
from chainrule.ops.movement import broadcast_shapes, broadcast_to
from chainrule.ops.normalise import softmax, softmax_reference
from chainrule.ops.reduction import amax, sum_

# The primitive: q [*batch, L, E], k [*batch, S, E], v [*batch, S, D] -> [*batch, L, D] --------------------------------


def _reference(q: Array, k: Array, v: Array, *, scale: float, is_causal: bool) -> Array:
    return matmul_reference(softmax_reference(scores_reference(q, k, scale, is_causal), axis=-1), v)


def _infer(q: Type, k: Type, v: Type, *, scale: float, is_causal: bool) -> Type:
    _check(q, k, v)
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ShapeError(f"attention: the primitive takes equal batches, not q {q}, k {k}, v {v}.")
    return Type((*q.shape[:-1], v.shape[-1]), q.dtype)


def _vjp(
    g: Carrier, y: Carrier, q: Carrier, k: Carrier, v: Carrier, *, scale: float, is_causal: bool
) -> tuple[Carrier, Carrier, Carrier]:
    # sum(p * dp), which softmax's rule asks for, is sum(g * y), which needs no [L, S]
    within = sum_(g * y, (len(g.shape) - 1,), True)
    gradients = attention_gradients(g, within, q, k, v, scale=scale, is_causal=is_causal)
    to_q, to_k, to_v = unpacked(gradients, q.shape, k.shape, v.shape)
    return to_q, to_k, to_v


def _samples(rng: np.random.Generator) -> list[Any]:
    return [
        (
            (
                rng.standard_normal((*batch, length, width)),
                rng.standard_normal((*batch, source, width)),
                rng.standard_normal((*batch, source, depth)),
            ),
            {"scale": 0.7, "is_causal": is_causal},
        )
        for batch, length, source, width, depth in SIZES
        for is_causal in (False, True)
    ]


def _cost(q: Array, k: Array, v: Array) -> int:
    """Nanoseconds of two products, and of a softmax over the scores."""
    length, (source, depth) = q.size // max(q.shape[-1], 1), v.shape[-2:]
    return int(length * source * ((q.shape[-1] + depth) / 50 + 3))


_attention = Primitive(
    "scaled_dot_product_attention",
    _reference,
    _infer,
    _vjp,
    cost=_cost,
    expand=lambda q, k, v, *, scale, is_causal: matmul(probabilities(q, k, scale, is_causal), v),
    samples=_samples,
)


# The function ---------------------------------------------------------------------------------------------------------


def scaled_dot_product_attention(
    q: Carrier,
    k: Carrier,
    v: Carrier,
    attn_mask: Carrier | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Carrier:
    """softmax(scale * q k^T + mask) v, of q [..., L, E], k [..., S, E], v [..., S, D]: [..., L, D].

    Batches broadcast. `scale` is 1 / sqrt(E) unless given. `attn_mask` broadcasts to [..., L, S]: bools say what takes
    part, numbers are added to the scores. A row in which nothing takes part gives zeros, as in PyTorch. `is_causal`
    lets position i of q see positions 0 to i of k. ShapeError, DTypeError, ArgumentError for what does not fit.
    """
    if attn_mask is not None and is_causal:
        raise ArgumentError("attention: give attn_mask or is_causal=True, not both. Put the causal part into the mask.")
    _check(q.type, k.type, v.type)
    if scale is None:
        scale = 1 / math.sqrt(max(q.shape[-1], 1))  # with no features all scores are 0, whatever the scale
    batch = broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2], what="attention")
    q, k, v = [broadcast_to(x, (*batch, *x.shape[-2:])) for x in (q, k, v)]
    if attn_mask is None:
        return _attention(q, k, v, scale=float(scale), is_causal=is_causal)
    return matmul(_masked_softmax(matmul(q, transposed(k)) * scale, attn_mask), v)


def _masked_softmax(scores: Carrier, mask: Carrier) -> Carrier:
    """softmax over the last axis of the scores that take part; zeros in a row where none does."""
    _check_mask(scores.type, mask.type)
    scores = where(mask, scores, MASKED) if mask.dtype is bool_ else scores + mask
    if scores.shape[-1] == 0:
        return scores
    empty = broadcast_to(eq(amax(scores, (len(scores.shape) - 1,), True), MASKED), scores.shape)
    return zero_where(empty, softmax(zero_where(empty, scores), -1))


def _check_mask(scores: Type, mask: Type) -> None:
    if mask.dtype is not bool_ and mask.dtype is not scores.dtype:
        raise DTypeError(
            f"attention: attn_mask must be bool, or {scores.dtype.name} as the queries are, not {mask}. "
            f"Convert it, e.g. `attn_mask.to({bool_ if mask.dtype.category != FLOATING else scores.dtype})`."
        )
    if not expands(mask.shape, scores.shape):
        raise ShapeError(f"attention: attn_mask {mask} does not broadcast to the scores {list(scores.shape)}.")


def _check(q: Type, k: Type, v: Type) -> None:
    shown = f"q {q}, k {k}, v {v}"
    if min(len(q.shape), len(k.shape), len(v.shape)) < 2:
        raise ShapeError(f"attention: q [..., L, E], k [..., S, E] and v [..., S, D] are needed, not {shown}.")
    if not q.dtype is k.dtype is v.dtype or q.dtype.category != FLOATING:
        raise DTypeError(f"attention: q, k and v must be of one floating type: {shown}.")
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"attention: q and k have {q.shape[-1]} and {k.shape[-1]} features: {shown}; they must be equal."
        )
    if k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attention: k and v have {k.shape[-2]} and {v.shape[-2]} positions: {shown}; they must be equal."
        )
