"""Products store where their results are wanted: in another order, or in their part of a concatenation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.ir.types import Type
from chainrule.ops.contraction import matmul
from chainrule.ops.elementwise import exp, relu
from chainrule.ops.movement import concatenate, permute, reshape
from chainrule.ops.reduction import sum_
from tests.backends.native.agreement import LEVELS, Sample, check
from tests.passes.interpreted import Lowered, lowered
from tests.passes.interpreted import run as run_lowered
from tests.passes.programs import f32, run, traced


def kernels(program: Lowered) -> list[str]:
    """What each call computes, past results being results."""
    return sorted(call.label.replace(" alias", "") for call in program.calls)


def merged(x: Any, heads: int = 3) -> Any:
    """(batch, heads, length, width) to (batch, length, heads * width)."""
    batch, _, length, width = x.shape
    return reshape(permute(x, (0, 2, 1, 3)), (batch, length, heads * width))


Q, K = f32(2, 3, 5, 4), f32(2, 3, 4, 6)


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Type, ...], list[str]]] = {
    "heads merged": (
        lambda a, b, w: matmul(merged(matmul(a, b)), w),
        (Q, K, f32(18, 7)),
        ["matmul", "matmul"],
    ),
    "three axes in a circle": (
        lambda a, b, w: matmul(reshape(permute(matmul(a, b), (1, 2, 0, 3)), (15, 12)), w),
        (Q, K, f32(12, 7)),
        ["matmul", "matmul"],
    ),
    "heads merged, and read as they were": (
        lambda a, b, w: _heads_summed(matmul(a, b), w),
        (Q, K, f32(18, 7)),
        ["matmul", "matmul", "sum"],
    ),
    "what else is done with the heads is done in the product": (
        lambda a, b, w: _heads_twice(matmul(a, b), w),
        (Q, K, f32(18, 7)),
        ["matmul", "matmul exp"],
    ),
    "side by side": (
        lambda a, b, c: exp(concatenate([matmul(a, c), matmul(b, c)], 1)),
        (f32(4, 3), f32(4, 3), f32(3, 5)),
        ["exp", "matmul", "matmul"],
    ),
    "merged and side by side": (
        lambda a, b, c, w: matmul(concatenate([merged(matmul(a, b)), merged(matmul(c, b))], 2), w),
        (Q, K, Q, f32(36, 7)),
        ["matmul", "matmul", "matmul"],
    ),
    "a result itself": (
        lambda a, b, c: concatenate([matmul(a, c), matmul(b, c)], 0),
        (f32(4, 3), f32(2, 3), f32(3, 5)),
        ["matmul", "matmul"],
    ),
    "a piece made of another": (
        lambda a, w: _piece_of_a_piece(matmul(a, w), w),
        (f32(4, 3), f32(3, 3)),
        ["exp", "matmul", "matmul"],
    ),
}


def _heads_summed(y: Any, w: Any) -> Any:
    return matmul(merged(y), w), sum_(y, (3,))


def _heads_twice(y: Any, w: Any) -> Any:
    return matmul(merged(y), w), exp(y)


def _piece_of_a_piece(y: Any, w: Any) -> Any:
    return exp(concatenate([y, matmul(y, w)], 1))


# Concatenations that are made by a kernel of their own.
APART: dict[str, tuple[Callable[..., Any], tuple[Type, ...]]] = {
    "a piece twice": (lambda a, b: _twice(matmul(a, b)), (f32(4, 3), f32(3, 5))),
    "a piece that is a result": (lambda a, b, c: _also_a_result(matmul(a, c), b), (f32(4, 3), f32(4, 5), f32(3, 5))),
    "a piece that is no product": (
        lambda a, b, c: exp(concatenate([matmul(a, c), relu(b)], 0)),
        (f32(4, 3), f32(2, 5), f32(3, 5)),
    ),
    "columns that lie apart": (
        lambda a, b, c: _columns_apart(matmul(a, c), matmul(b, c)),
        (f32(4, 3), f32(4, 3), f32(3, 5)),
    ),
}


def _twice(y: Any) -> Any:
    return exp(concatenate([y, y], 0))


def _also_a_result(y: Any, b: Any) -> Any:
    return y, exp(concatenate([y, b], 0))


def _columns_apart(y: Any, z: Any) -> Any:
    return sum_(y, (0,)), sum_(z, (0,)), exp(concatenate([permute(y, (1, 0)), permute(z, (1, 0))], 0))


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_moved(name: str) -> None:
    function, types, expected = PROGRAMS[name]
    assert kernels(lowered(traced(function, *types))) == expected


@pytest.mark.parametrize("name", APART)
def test_what_cannot_be_stored_in_place_is_moved(name: str) -> None:
    function, types = APART[name]
    program = lowered(traced(function, *types))
    assert any("concatenate" in label or "permute" in label for label in kernels(program))


@pytest.mark.parametrize("name", [*PROGRAMS, *APART])
def test_values_are_the_reference_s(name: str) -> None:
    function, types = PROGRAMS[name][:2] if name in PROGRAMS else APART[name]
    graph = traced(function, *types)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(type.shape).astype(np.float32) for type in types]
    for seed in range(4):  # the calls of a phase run in any order
        for found, exact in zip(run_lowered(lowered(graph), arrays, seed), run(graph, arrays), strict=True):
            np.testing.assert_allclose(found, exact, rtol=2e-6, atol=2e-6)
    for level in LEVELS:
        check(Sample(graph, arrays), level)
