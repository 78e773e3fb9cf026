from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import ArgumentError, ChainruleError, DTypeError, ShapeError
from chainrule.ir.types import Array, Shape
from chainrule.ir.value import Value
from chainrule.ops.attention import scaled_dot_product_attention

INF = float("inf")
RNG = np.random.default_rng(0)


def draw(*shapes: Shape) -> list[Value]:
    return [Value(RNG.standard_normal(shape), needs_grad=True) for shape in shapes]


def by_hand(q: Array, k: Array, v: Array, allowed: Array, scale: float) -> Array:
    scores = np.where(allowed, q @ np.swapaxes(k, -1, -2) * scale, -INF)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True) @ v)


def test_attention_averages_the_values_by_the_softmax_of_the_scores() -> None:
    q, k, v = draw((2, 3, 4), (2, 5, 4), (2, 5, 2))
    everything = np.ones((3, 5), bool)
    for options, scale in (({}, 0.5), ({"scale": 0.1}, 0.1)):
        found = scaled_dot_product_attention(q, k, v, **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.array, by_hand(q.array, k.array, v.array, everything, scale))


@pytest.mark.parametrize(("length", "source"), [(4, 4), (3, 5), (5, 3)])
def test_causal_attention_counts_both_from_the_start(length: int, source: int) -> None:
    q, k, v = draw((length, 4), (source, 4), (source, 2))
    allowed = np.tri(length, source) > 0
    found = scaled_dot_product_attention(q, k, v, is_causal=True).array
    np.testing.assert_allclose(found, by_hand(q.array, k.array, v.array, allowed, 0.5))
    np.testing.assert_allclose(scaled_dot_product_attention(q, k, v, Value(allowed)).array, found)
    numbers = Value(np.where(allowed, 0.0, -INF))
    np.testing.assert_allclose(scaled_dot_product_attention(q, k, v, numbers).array, found)


def test_the_future_gets_no_gradient_from_the_past() -> None:
    q, k, v = draw((3, 4), (3, 4), (3, 2))
    g = np.zeros((3, 2))
    g[1] = 1
    flows = reverse([scaled_dot_product_attention(q, k, v, is_causal=True)], [Value(g)], [q, k, v])
    assert not flows[k].array[2].any()
    assert not flows[v].array[2].any()
    assert flows[v].array[:2].all()


@pytest.mark.parametrize("mask", [np.array([[True, True], [False, False]]), np.array([[0, 0], [-INF, -INF]])])
def test_a_row_that_attends_to_nothing_is_zero_and_passes_no_gradient(mask: Array) -> None:
    q, k, v = draw((2, 4), (2, 4), (2, 3))
    y = scaled_dot_product_attention(q, k, v, Value(mask))
    flows = reverse([y], [Value(np.ones((2, 3)))], [q, k, v], create_graph=True)
    assert not y.array[1].any()
    assert y.array[0].all()
    assert not flows[q].array[1].any()
    again = reverse([flows[q]], [Value(np.ones((2, 4)))], [q, k, v])
    assert all(np.isfinite(flow.array).all() for flow in [*flows.values(), *again.values()])


def test_large_scores_do_not_overflow() -> None:
    q, k = Value(np.array([[1e4], [-1e4]], np.float32)), Value(np.array([[1.0], [-1.0]], np.float32))
    v = Value(np.array([[3.0], [5.0]], np.float32))
    np.testing.assert_array_equal(scaled_dot_product_attention(q, k, v).array, [[3], [5]])


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": Value(np.array(True))}])
def test_attention_over_nothing_is_zero(options: dict[str, Any]) -> None:
    q, k, v = draw((2, 3, 4), (2, 0, 4), (2, 0, 5))
    np.testing.assert_array_equal(scaled_dot_product_attention(q, k, v, **options).array, np.zeros((2, 3, 5)))


def test_without_features_all_positions_count_the_same() -> None:
    q, k, v = draw((3, 0), (5, 0), (5, 2))
    expected = np.broadcast_to(v.array.mean(0), (3, 2))
    np.testing.assert_allclose(scaled_dot_product_attention(q, k, v).array, expected)


@pytest.mark.parametrize(
    ("shapes", "mask", "options", "error", "message"),
    [
        (((4,), (5, 4), (5, 4)), None, {}, ShapeError, r"q \[\.\.\., L, E\].* are needed, not q f64\[4\]"),
        (((3, 4), (5, 2), (5, 4)), None, {}, ShapeError, r"q and k have 4 and 2 features"),
        (((3, 4), (5, 4), (6, 4)), None, {}, ShapeError, r"k and v have 5 and 6 positions"),
        (((2, 3, 4), (3, 5, 4), (3, 5, 4)), None, {}, ShapeError, r"attention: the shapes"),
        (
            ((3, 4), (5, 4), (5, 4)),
            np.ones((4, 5), bool),
            {},
            ShapeError,
            r"attn_mask bool\[4, 5\] .* the scores \[3, 5\]",
        ),
        (((3, 4), (5, 4), (5, 4)), np.ones((2, 3, 5), bool), {}, ShapeError, r"does not broadcast"),
        (((3, 4), (5, 4), (5, 4)), np.ones((3, 5), int), {}, DTypeError, r"attn_mask.to\(chainrule.bool\)"),
        (((3, 4), (5, 4), (5, 4)), np.ones((3, 5), "f"), {}, DTypeError, r"attn_mask.to\(chainrule.float64\)"),
        (((3, 4), (5, 4), (5, 4)), np.ones((3, 5)), {"is_causal": True}, ArgumentError, r"not both"),
    ],
)
def test_what_does_not_fit_is_refused(
    shapes: tuple[Shape, ...], mask: Array | None, options: dict[str, Any], error: type[ChainruleError], message: str
) -> None:
    q, k, v = draw(*shapes)
    with pytest.raises(error, match=message):
        scaled_dot_product_attention(q, k, v, None if mask is None else Value(mask), **options)


def test_one_floating_type_is_needed() -> None:
    q, k, v = draw((3, 4), (5, 4), (5, 4))
    with pytest.raises(DTypeError, match="of one floating type"):
        scaled_dot_product_attention(Value(q.array.astype("f")), k, v)
    with pytest.raises(DTypeError, match="of one floating type"):
        scaled_dot_product_attention(Value(q.array.astype(int)), Value(k.array.astype(int)), Value(v.array.astype(int)))
