"""The gradients of attention by q, k and v: one primitive, whose result holds all three, one behind the other.

With s = scale q k^T, p = softmax(s), dp = g v^T, w = sum(g y) along each row:

    ds = p (dp - w)      dq = scale ds k      dk = scale ds^T q      dv = p^T g

They are one primitive because a backend that makes them in blocks makes all at once: p and ds are shared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ir.errors import ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, Shape, Type, int64
from chainrule.ir.value import Carrier
from chainrule.ops.contraction import matmul, matmul_reference, transposed
from chainrule.ops.creation import iota
from chainrule.ops.elementwise import ge, neg, times, where
from chainrule.ops.movement import concatenate, slice_axis
from chainrule.ops.normalise import softmax, softmax_reference
from chainrule.ops.reduction import sum_

MASKED = float("-inf")

# Who attends to whom --------------------------------------------------------------------------------------------------


def scores_reference(q: Array, k: Array, scale: float, is_causal: bool) -> Array:
    """scale q k^T, -inf where a position of k is after that of q: [*batch, L, S]."""
    scores = matmul_reference(q, np.swapaxes(k, -1, -2)) * scale
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool), scores, scores.dtype.type(MASKED))
    return np.asarray(scores)


def probabilities(q: Carrier, k: Carrier, scale: float, is_causal: bool) -> Carrier:
    """How much of each position of v goes to each of q: [*batch, L, S]."""
    scores = matmul(q, transposed(k)) * scale
    if is_causal:
        scores = where(_not_later(scores.shape), scores, MASKED)
    return softmax(scores, -1)


def _not_later(shape: Shape) -> Carrier:
    """[L, S]: whether a position of k is not after that of q, both counted from 0."""
    return ge(iota(shape[-2], int64).reshape((shape[-2], 1)), iota(shape[-1], int64))


# Several results in one -----------------------------------------------------------------------------------------------


def packed(xs: list[Carrier]) -> Carrier:
    """All elements of some tensors, one tensor behind the other."""
    return concatenate([x.reshape((math.prod(x.shape),)) for x in xs], 0)


def unpacked(x: Carrier, *shapes: Shape) -> list[Carrier]:
    """The tensors of these shapes that `packed` put together."""
    found, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        found.append(slice_axis(x, 0, start, start + size).reshape(shape))
        start += size
    return found


def packed_reference(xs: list[Array]) -> Array:
    return np.concatenate([x.reshape(-1) for x in xs])


# The primitive: g [*batch, L, D], w [*batch, L, 1], q [*batch, L, E], k [*batch, S, E], v [*batch, S, D] --------------


def _reference(g: Array, w: Array, q: Array, k: Array, v: Array, *, scale: float, is_causal: bool) -> Array:
    p = softmax_reference(scores_reference(q, k, scale, is_causal), axis=-1)
    inner = matmul_reference(g, np.swapaxes(v, -1, -2)) - w
    ds = np.where(inner == 0, np.zeros_like(inner), inner * p) * scale  # `times`
    by_k, by_v = (np.swapaxes(x, -1, -2) for x in (ds, p))
    return packed_reference([matmul_reference(ds, k), matmul_reference(by_k, q), matmul_reference(by_v, g)])


def _infer(g: Type, w: Type, q: Type, k: Type, v: Type, *, scale: float, is_causal: bool) -> Type:
    check_gradients(g, w, q, k, v)
    return Type((math.prod(q.shape) + math.prod(k.shape) + math.prod(v.shape),), g.dtype)


def check_gradients(g: Type, w: Type, q: Type, k: Type, v: Type) -> None:
    """Raises unless the operands of the gradients fit."""
    if g.shape != (*q.shape[:-1], v.shape[-1]) or w.shape != (*q.shape[:-1], 1):
        raise ShapeError(f"attention: the gradients take g [..., L, D] and w [..., L, 1], not g {g}, w {w}.")
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ShapeError(f"attention: the primitive takes equal batches, not q {q}, k {k}, v {v}.")


def _expanded(g: Carrier, w: Carrier, q: Carrier, k: Carrier, v: Carrier, *, scale: float, is_causal: bool) -> Carrier:
    p = probabilities(q, k, scale, is_causal)
    ds = times(matmul(g, transposed(v)) - w, p) * scale
    return packed([matmul(ds, k), matmul(transposed(ds), q), matmul(transposed(p), g)])


def _vjp(
    c: Carrier, y: Carrier, g: Carrier, w: Carrier, q: Carrier, k: Carrier, v: Carrier, *, scale: float, is_causal: bool
) -> tuple[Carrier, ...]:
    to_q, to_k, to_v = unpacked(c, q.shape, k.shape, v.shape)
    p = probabilities(q, k, scale, is_causal)
    inner = matmul(g, transposed(v)) - w  # ds / p
    ds = times(inner, p) * scale
    to_ds = (matmul(to_q, transposed(k)) + matmul(q, transposed(to_k))) * scale
    to_inner = times(to_ds, p)
    to_p = times(to_ds, inner) + matmul(g, transposed(to_v))
    rows = len(q.shape) - 1
    to_scores = times(to_p - sum_(times(to_p, p), (rows,), True), p) * scale
    return (
        matmul(to_inner, v) + matmul(p, to_v),
        neg(sum_(to_inner, (rows,), True)),
        matmul(to_scores, k) + matmul(ds, to_k),
        matmul(transposed(to_scores), q) + matmul(transposed(ds), to_q),
        matmul(transposed(to_inner), g),
    )


# (batch, length, source, width, depth) of samples
SIZES: tuple[tuple[Shape, int, int, int, int], ...] = (
    ((), 3, 4, 2, 3),
    ((2,), 3, 2, 2, 1),
    ((1, 2), 1, 1, 1, 2),
    ((), 0, 2, 2, 2),
    ((2,), 2, 0, 2, 2),
    ((), 2, 3, 0, 2),
    ((), 2, 2, 2, 0),
    ((0,), 2, 2, 2, 2),
)


def _samples(rng: np.random.Generator) -> list[Any]:
    return [
        (
            (
                rng.standard_normal((*batch, length, depth)),
                rng.standard_normal((*batch, length, 1)),
                rng.standard_normal((*batch, length, width)),
                rng.standard_normal((*batch, source, width)),
                rng.standard_normal((*batch, source, depth)),
            ),
            {"scale": 0.7, "is_causal": is_causal},
        )
        for batch, length, source, width, depth in SIZES
        for is_causal in (False, True)
    ]


attention_gradients = Primitive("attention_gradients", _reference, _infer, _vjp, expand=_expanded, samples=_samples)
