"""Random programs through all passes, run in NumPy in one arena: the reference's values, and nothing read early."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.ir.types import Array, Type, float32, int64
from chainrule.ops.contraction import matmul
from chainrule.ops.creation import full
from chainrule.ops.elementwise import exp, maximum
from chainrule.ops.indexing import index_select
from chainrule.ops.movement import broadcast_to, concatenate, reshape
from chainrule.ops.random import bernoulli
from chainrule.ops.reduction import sum_
from chainrule.passes.kernels import Load, Rows
from tests.backends.native.agreement import Sample, compare, sample
from tests.backends.random_programs import Author
from tests.passes.interpreted import described, lowered, run
from tests.passes.programs import f32, i64, traced


def small(seed: int) -> Sample:
    return sample(seed, 3 + seed % 12, np.float64 if seed % 4 == 3 else np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program_lowered_computes_what_the_reference_does(seed: int) -> None:
    given = small(seed)
    program = lowered(given.graph)
    for in_place in (False, True):
        compare(given, run(program, given.arrays, seed, in_place=in_place))


def test_lowering_is_the_same_every_time() -> None:
    """In order, kernels and buffers: object code is found again by it."""
    for seed in range(5):
        graph = small(seed).graph
        first, again = lowered(graph), lowered(graph)
        assert [repr(call.kernel) for call in first.calls] == [repr(call.kernel) for call in again.calls]
        assert [call.buffers for call in first.calls] == [call.buffers for call in again.calls]


def test_programs_of_every_move_are_written() -> None:
    """Else the random programs of all tests say less than they seem to."""
    names = {name for seed in range(150) for name in Author(seed, 20).names}
    assert {
        "attention",
        "causal attention",
        "argsort",
        "embedding",
        "index_add",
        "dropout",
        "batch_norm",
        "int8",
    } <= names
    assert len(names) > 110


def test_kernels_that_differ_in_the_sign_of_zero_are_two() -> None:
    """They are equal numbers."""

    def both(x: Any, y: Any) -> Any:
        return maximum(x, full((5,), 0.0, x.dtype)), maximum(y, full((5,), -0.0, x.dtype))

    kernels = [call.kernel for call in lowered(traced(both, f32(5), f32(5))).calls]
    assert len(set(kernels)) == 2


def test_a_probability_that_repeats_is_read_as_it_lies() -> None:
    """bernoulli of what is repeated along the rows, and all of it added up: (0, 5, 1) is no one stride."""

    def drawn(state: Any, p: Any) -> Any:
        y = bernoulli(state, broadcast_to(p, (3, 7, 5)))
        return y, sum_(y, (0, 1, 2))

    graph = traced(drawn, Type((2,), int64), Type((7, 5), float32))
    arrays: list[Array] = [np.array([1, 2]), np.linspace(0, 1, 35, dtype=np.float32).reshape(7, 5)]
    y, total = run(lowered(graph), arrays)
    assert y.sum() == total > 0


def test_empty_parts_of_a_program_are_no_kernels() -> None:
    program = lowered(traced(lambda x: sum_(exp(x), (0,)), f32(0, 3)))
    assert [described(call) for call in program.calls] == ["rows [3]: alias"]
    kernel = program.calls[0].kernel
    assert isinstance(kernel, Rows)
    assert not any(isinstance(step, Load) for step in kernel.steps)
    assert run(program, [np.empty((0, 3), np.float32)])[0].tolist() == [0, 0, 0]


def test_what_is_made_of_nothing_and_rearranged_is_a_constant() -> None:
    """A product over no elements, as a part of something: it stands in memory as one number."""

    def together(a: Any, b: Any, c: Any) -> Any:
        return concatenate([reshape(matmul(a, b), (6,)), c], 0)

    program = lowered(traced(together, f32(2, 0), f32(0, 3), f32(2)))
    arrays: list[Array] = [np.empty((2, 0), np.float32), np.empty((0, 3), np.float32), np.ones(2, np.float32)]
    assert run(program, arrays)[0].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]


def test_sums_of_rows_in_a_finer_shape_than_the_rows() -> None:
    """Of embeddings: the rows are counted by one dimension, their sums by two."""

    def sums(table: Any, index: Any) -> Any:
        rows = index_select(table, index, 0)
        return rows, sum_(reshape(rows, (2, 3, 4)), (2,))

    table, index = np.arange(20, dtype=np.float32).reshape(5, 4), np.array([4, 0, 3, 1, 1, 2])
    rows, found = run(lowered(traced(sums, f32(5, 4), i64(6))), [table, index])
    np.testing.assert_array_equal(rows, table[index])
    np.testing.assert_array_equal(found, table[index].reshape(2, 3, 4).sum(2))
