"""Attention and its gradients as a backend makes them in blocks, without any [L, S] in memory.

Both come of lowering (`chainrule/backends/native/attention_blocks.py`), after differentiation: they have no rules. What
the forward one leaves for the other is a number per row, the logarithm of the sum of the exponentials of its scores:
p = exp(s - lse) can be made again, block by block.

Milakov & Gimelshein 2018, https://arxiv.org/abs/1805.02867; Rabe & Staats 2021, https://arxiv.org/abs/2112.05682;
Dao et al. 2022, https://arxiv.org/abs/2205.14135.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.ir.errors import ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, Type
from chainrule.ops.attention_gradients import check_gradients, packed_reference, scores_reference
from chainrule.ops.contraction import matmul_reference

# q [*batch, L, E], k [*batch, S, E], v [*batch, S, D] -> packed (y [*batch, L, D], lse [*batch, L]) -------------------
#
# `merged`: the last dimension of the batch counts heads, and y is [*rest, L, heads, D], as a model goes on with it.


def _reference(q: Array, k: Array, v: Array, *, scale: float, is_causal: bool, merged: bool) -> Array:
    y, lse = _results(q, k, v, scale, is_causal)
    return packed_reference([np.swapaxes(y, -2, -3) if merged else y, lse])


def _results(q: Array, k: Array, v: Array, scale: float, is_causal: bool) -> tuple[Array, Array]:
    """y and lse."""
    scores = scores_reference(q, k, scale, is_causal)
    largest = scores.max(-1, keepdims=True)
    weights = np.exp(scores - largest)
    total = weights.sum(-1, keepdims=True)
    return matmul_reference(weights / total, v), (largest + np.log(total))[..., 0]


def _infer(q: Type, k: Type, v: Type, *, scale: float, is_causal: bool, merged: bool) -> Type:
    _check(q, k, v, merged)
    return Type((math.prod(q.shape[:-1]) * (v.shape[-1] + 1),), q.dtype)


def _check(q: Type, k: Type, v: Type, merged: bool) -> None:
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ShapeError(f"attention: the primitive takes equal batches, not q {q}, k {k}, v {v}.")
    if 0 in (*q.shape[-2:], *v.shape[-2:]):
        raise ShapeError(f"attention: blocks of nothing cannot be made, of q {q}, k {k}, v {v}.")
    if merged and len(q.shape) < 3:
        raise ShapeError(f"attention: there are no heads to merge in q {q}.")


def _draw(rng: np.random.Generator, *sizes: int) -> list[Array]:
    batch, length, source, width, depth = sizes[:-4], *sizes[-4:]
    return [rng.standard_normal((*batch, *own)) for own in ((length, width), (source, width), (source, depth))]


_SIZES = ((3, 4, 2, 3), (2, 3, 2, 2, 1), (1, 2, 1, 1, 1, 2), (0, 2, 2, 2, 2), (2, 2, 3, 3, 2, 2))


def _samples(rng: np.random.Generator) -> list[Any]:
    return [
        (_draw(rng, *sizes), {"scale": 0.7, "is_causal": causal, "merged": merged})
        for sizes in _SIZES
        for causal in (False, True)
        for merged in (False, True)[: len(sizes) - 3]
    ]


blocked_attention = Primitive("blocked_attention", _reference, _infer, samples=_samples)


# g [*batch, L, D], w [*batch, L, 1], lse [*batch, L], q, k, v
#     -> packed (dq [len(bounds) - 1, *batch, L, E], dk [*batch, S, E], dv [*batch, S, D])
#
# dq comes in parts, which are to be added: one for the positions of k in each range of `bounds`. So many can be made
# independently of each other, however few heads there are.
#
# `merged`, for q, k and v of one shape and in one part: [*rest, L, 3, heads, E], all of a position together, as the
# gradient of one projection to q, k and v.


def _gradients_reference(
    g: Array,
    w: Array,
    lse: Array,
    q: Array,
    k: Array,
    v: Array,
    *,
    scale: float,
    is_causal: bool,
    bounds: tuple[int, ...],
    merged: bool,
) -> Array:
    p = np.exp(scores_reference(q, k, scale, is_causal) - lse[..., None])
    ds = p * (matmul_reference(g, np.swapaxes(v, -1, -2)) - w) * scale
    parts = [matmul_reference(ds[..., a:b], k[..., a:b, :]) for a, b in pairwise(bounds)]
    by_k, by_v = (np.swapaxes(x, -1, -2) for x in (ds, p))
    found = [*parts, matmul_reference(by_k, q), matmul_reference(by_v, g)]
    return np.stack([np.swapaxes(x, -2, -3) for x in found], -3).reshape(-1) if merged else packed_reference(found)


def _infer_gradients(
    g: Type,
    w: Type,
    lse: Type,
    q: Type,
    k: Type,
    v: Type,
    *,
    scale: float,
    is_causal: bool,
    bounds: tuple[int, ...],
    merged: bool,
) -> Type:
    _check(q, k, v, merged)
    check_gradients(g, w, q, k, v)
    if lse.shape != q.shape[:-1] or bounds[0] != 0 or bounds[-1] != k.shape[-2] or sorted(set(bounds)) != list(bounds):
        raise ShapeError(f"attention: lse {lse} and bounds {bounds} do not fit q {q} and k {k}.")
    if merged and not (q.shape == k.shape == v.shape and len(bounds) == 2):
        raise ShapeError(f"attention: only gradients of one shape can be merged, not of q {q}, k {k}, v {v}.")
    parts = (len(bounds) - 1) * math.prod(q.shape)
    return Type((parts + math.prod(k.shape) + math.prod(v.shape),), q.dtype)


def gradient_operands(q: Array, k: Array, v: Array, g: Array, scale: float, is_causal: bool) -> list[Array]:
    """The operands of the gradients for a cotangent g: with the w and lse that belong to these q, k and v."""
    y, lse = _results(q, k, v, scale, is_causal)
    return [g, (g * y).sum(-1, keepdims=True), lse, q, k, v]


def _gradients_samples(rng: np.random.Generator) -> list[Any]:
    found = []
    for sizes in _SIZES:
        for causal in (False, True):
            q, k, v = _draw(rng, *sizes)
            g = rng.standard_normal((*q.shape[:-1], v.shape[-1]))
            bounds = tuple(sorted({0, k.shape[-2] // 2, k.shape[-2]}))
            params = {"scale": 0.7, "is_causal": causal, "bounds": bounds, "merged": False}
            found.append((gradient_operands(q, k, v, g, 0.7, causal), params))
            if q.shape == k.shape == v.shape and q.ndim > 2:
                params = {**params, "bounds": (0, k.shape[-2]), "merged": True}
                found.append((gradient_operands(q, k, v, g, 0.7, causal), params))
    return found


blocked_attention_gradients = Primitive(
    "blocked_attention_gradients", _gradients_reference, _infer_gradients, samples=_gradients_samples
)
