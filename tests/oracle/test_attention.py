from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from chainrule.ir.types import Array, Shape
from chainrule.ops.attention import scaled_dot_product_attention
from tests.oracle.agreement import assert_agrees

RNG = np.random.default_rng(0)
INF = float("inf")


def assert_same_attention(*arrays: Array, orders: int = 2, **options: Any) -> None:
    """q, k, v and perhaps a mask, which is differentiated too if it holds numbers."""

    def theirs(*tensors: Any) -> Any:
        with sdpa_kernel(SDPBackend.MATH):  # PyTorch's other kernels have no second derivative
            return torch.nn.functional.scaled_dot_product_attention(*tensors, **options)

    assert_agrees(lambda *xs: scaled_dot_product_attention(*xs, **options), theirs, *arrays, orders=orders)


def draw(*shapes: Shape) -> list[Array]:
    return [RNG.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((3, 4), (5, 4), (5, 2)),
        ((2, 3, 4), (2, 5, 4), (2, 5, 2)),
        ((2, 6, 5, 4), (2, 6, 3, 4), (2, 6, 3, 4)),
        ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
        ((2, 3, 4), (1, 5, 4), (2, 5, 2)),
        ((3, 4), (2, 5, 4), (2, 5, 2)),
        ((6, 1, 3, 4), (2, 5, 4), (5, 2)),
        ((0, 4), (5, 4), (5, 2)),
        ((3, 4), (0, 4), (0, 2)),
        ((3, 0), (5, 0), (5, 2)),
        ((3, 4), (5, 4), (5, 0)),
        ((0, 3, 4), (0, 5, 4), (0, 5, 2)),
    ],
)
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}, {"scale": 2.0, "is_causal": True}])
def test_attention(q: Shape, k: Shape, v: Shape, options: dict[str, Any]) -> None:
    assert_same_attention(*draw(q, k, v), **options)


QKV: tuple[Shape, Shape, Shape] = ((2, 6, 3, 4), (2, 6, 5, 4), (2, 6, 5, 2))
MASKS: list[Shape] = [(3, 5), (1, 5), (3, 1), (5,), (2, 1, 3, 5), (2, 6, 3, 5)]


@pytest.mark.parametrize("mask", [*MASKS, ()])
def test_masks_of_numbers(mask: Shape) -> None:
    assert_same_attention(*draw(*QKV, mask))


@pytest.mark.parametrize("mask", MASKS)
def test_masks_of_bools(mask: Shape) -> None:
    allowed = RNG.uniform(size=mask) < 0.6
    allowed[..., :1] = True
    assert_same_attention(*draw(*QKV), allowed)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_row_that_attends_to_nothing(kind: str) -> None:
    allowed = np.array([[True, True, False], [False, False, False], [True, False, True]])
    mask = allowed if kind == "bool" else np.where(allowed, 0.0, -INF)
    # to first order: from the second on PyTorch has NaN in these rows
    assert_same_attention(*draw((2, 3, 4), (2, 3, 4), (2, 3, 2)), mask, orders=1)


def test_large_scores() -> None:
    q, k, v = draw((3, 4), (5, 4), (5, 2))
    assert_same_attention(100 * q, 100 * k, v)
