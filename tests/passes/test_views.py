"""Values as views of memory: what a view reads is what movement would have moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.ir.types import Array
from chainrule.ir.value import Node
from chainrule.ops.creation import full
from chainrule.ops.elementwise import exp
from chainrule.ops.indexing import gather, index_select
from chainrule.ops.movement import broadcast_to, flip, permute, reshape, slice_
from chainrule.passes.kernels import Level
from chainrule.passes.refine import View
from chainrule.passes.views import (
    Views,
    is_identity,
    is_row_broadcast,
    on_domain,
    points_of,
    row_stride,
)
from tests.passes.programs import f32, i64, run, traced


def read(view: View, memory: Array) -> Array:
    """The elements of a view."""
    places = np.full(view.shape, view.offset)
    for axis, (n, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        places += (np.arange(n) * stride).reshape([-1 if k == axis else 1 for k in range(len(view.shape))])
    return np.asarray(memory.reshape(-1)[places])


def random_movement(rng: np.random.Generator, x: Any) -> Any:
    for _ in range(int(rng.integers(1, 6))):
        kind = rng.integers(5)
        shape = x.shape
        if kind == 0:
            x = permute(x, tuple(int(a) for a in rng.permutation(len(shape))))
        elif kind == 1:
            x = flip(x, tuple(k for k in range(len(shape)) if rng.random() < 0.5))
        elif kind == 2:
            bounds = [sorted(int(b) for b in rng.integers(0, n + 1, 2)) for n in shape]
            steps = tuple(int(s) for s in rng.integers(1, 3, len(shape)))
            x = slice_(x, tuple(a for a, _ in bounds), tuple(b for _, b in bounds), steps)
        elif kind == 3:
            x = broadcast_to(x, (2, *shape))
        else:
            size = int(np.prod(shape))
            first = int(rng.choice([d for d in range(1, size + 1) if size % d == 0])) if size else 0
            x = reshape(x, (first, size // first if first else 3))
    return x


@pytest.mark.parametrize("seed", range(60))
def test_a_view_reads_what_movement_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = traced(lambda x: random_movement(rng, x), f32(4, 6))
    memory = np.arange(24, dtype=np.float32).reshape(4, 6)
    (node,) = graph.outputs
    views = Views()
    source, view = views.of(node)
    while source is not graph.inputs[0]:  # a reshape that had to copy: what it copies, in order
        assert source in views.copied
        below, seen = views.copied[source]
        assert points_of(source, views) == seen.shape
        if below is graph.inputs[0]:
            memory = read(seen, memory)
            break
        source = below
    if len(views.copied) <= 1:
        np.testing.assert_array_equal(
            read(view, memory), run(graph, [np.arange(24, dtype=np.float32).reshape(4, 6)])[0]
        )


def test_an_axis_of_length_1_is_read_again_and_again() -> None:
    x = np.arange(24.0).reshape(4, 6)
    view = View.contiguous((4, 6)).sliced((0, 2), (4, 3), (1, 1)).broadcast((3, 4, 5))
    np.testing.assert_array_equal(read(view, x), np.broadcast_to(x[:, 2:3], (3, 4, 5)))
    assert view.strides == (0, 6, 0)


def test_a_reshape_that_is_not_affine_is_a_copy() -> None:
    graph = traced(lambda x: reshape(permute(x, (1, 0)), (24,)), f32(4, 6))
    views = Views()
    source, view = views.of(graph.outputs[0])
    assert source is graph.outputs[0]
    assert view == View.contiguous((24,))
    assert views.copied[source] == (graph.inputs[0], View((6, 4), (1, 6)))
    assert points_of(source, views) == (6, 4)


def test_a_number_everywhere_is_one_element() -> None:
    graph = traced(lambda x: exp(x + full((3, 4), 2.0, x.dtype)), f32(3, 4))
    constant = next(node for node in graph.nodes if node.primitive.name == "full")
    views = Views()
    one = views.scalar(constant)
    assert one.shape == ()
    assert views.of(constant) == (one, View((3, 4), (0, 0)))


def operands_of(function: Any, *types: Any) -> list[tuple[Node, View]]:
    graph = traced(function, *types)
    return Views().operands(graph.outputs[0])


def test_what_is_read_at_an_index_lies_as_the_result_does() -> None:
    (_, x), (_, index) = operands_of(lambda x, i: index_select(x, i, 1), f32(3, 5, 2), i64(4))
    assert x == View((3, 4, 2), (10, 0, 1))
    assert index == View((3, 4, 2), (0, 1, 0))
    (_, x), (_, index) = operands_of(lambda x, i: gather(x, i, 0), f32(5, 3), i64(2, 3))
    assert x == View((2, 3), (0, 1))
    assert index == View((2, 3), (3, 1))


def test_identity() -> None:
    assert is_identity(View((3, 4), (4, 1)), 12)
    assert is_identity(View((3, 1, 4), (4, 99, 1)), 12)
    assert not is_identity(View((3, 4), (1, 3)), 12)
    assert not is_identity(View((3, 4), (4, 1)), 24)
    assert not is_identity(View((3, 4), (4, 1), 1), 12)


def test_row_broadcast() -> None:
    assert is_row_broadcast(View((3, 4), (1, 0)), 3)
    assert is_row_broadcast(View((2, 3, 4), (3, 1, 0)), 6)
    assert not is_row_broadcast(View((3, 4), (4, 1)), 3)
    assert not is_row_broadcast(View((3, 4), (0, 1)), 3)
    assert not is_row_broadcast(View((3, 4), (1, 0), 1), 3)
    assert not is_row_broadcast(View((3, 4), (1, 0)), 2)
    assert not is_row_broadcast(View((3, 2, 2), (1, 0, 5)), 3)


def test_row_stride() -> None:
    assert row_stride(View((3, 4), (4, 1)), (3, 4), 4) == 1
    assert row_stride(View((3, 4), (1, 3)), (3, 4), 4) == 3
    assert row_stride(View((3, 4, 5), (20, 5, 1)), (3, 4, 5), 20) == 1
    assert row_stride(View((3, 4, 5), (20, 1, 4)), (3, 4, 5), 20) is None
    assert row_stride(View((3, 4, 5), (20, 0, 1)), (3, 4, 5), 20) is None
    assert row_stride(View((3, 4), (1, 0)), (3, 4), 4) == 0


def test_strides_over_a_domain() -> None:
    assert on_domain(View((6, 4), (4, 1)), (2, 3, 4), Level.ELEMENT, "product") == (12, 4, 1)
    assert on_domain(View((2, 4), (4, 1)), (2, 3, 4), Level.ROW, "columns") == (4, 0, 1)
    assert on_domain(View((4, 6), (1, 4)), (2, 3, 4), Level.ELEMENT, "columns") is None
