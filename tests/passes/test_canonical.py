"""The form that reductions have in kernels: each rule fires on its samples and keeps the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import bool_, float32, int64
from chainrule.ir.value import Node
from chainrule.ir.verify import verify
from chainrule.ops import contraction, elementwise, ordering  # noqa: F401 - enter primitives
from chainrule.ops.creation import full, iota
from chainrule.ops.movement import permute
from chainrule.passes.canonical import LONG, RULES, canonical, rows_for
from chainrule.passes.rewrite import Rule, Rules, rewrite
from tests.passes.programs import boolean, f32, i64, run, traced, u8, values

P = REGISTRY
BY_NAME = {rule.name: rule for rule in RULES.rules}


def fold(name: str, axes: tuple[int, ...], keepdims: bool = False) -> Callable[..., Any]:
    return lambda x: P[name](x, axes=axes, keepdims=keepdims)


SAMPLES: dict[str, list[tuple[Any, ...]]] = {
    "rearranged constant": [(lambda: permute(full((2, 3), 1.0, float32), (1, 0)),)],
    "a result without elements": [
        (lambda x: P["exp"](x), f32(0, 3)),
        (fold("max", (1,)), f32(0, 3)),
        (lambda x, y: P["matmul"](x, y), f32(0, 3), f32(3, 2)),
        (
            lambda x: P["cumsum"](x, axis=0, reverse=False),
            f32(
                0,
            ),
        ),
        (lambda: iota(0, int64),),
    ],
    "a fold of no elements": [
        (fold("sum", (0,)), f32(0, 3)),
        (fold("prod", (0, 1)), f32(0, 3)),
        (fold("prod", (1,), True), i64(3, 0)),
        (fold("any", (0,)), boolean(0)),
        (fold("all", (0,)), f32(0, 2)),
    ],
    "a sum of bools": [(fold("sum", (0,)), boolean(5)), (fold("sum", (1,), True), boolean(3, 4))],
    "a product over no elements": [(lambda x, y: P["matmul"](x, y), f32(2, 0), f32(0, 3))],
    "a fold without axes of length 1": [
        (fold("max", (0, 1)), f32(1, 5)),
        (fold("sum", (2,), True), f32(3, 1, 5)),
        (fold("min", (0,), True), f32(4, 5)),
        (fold("any", (0, 1), True), boolean(1, 1)),
    ],
    "a fold over no axis": [
        (fold("max", ()), f32(3, 4)),
        (fold("any", ()), f32(3, 4)),
        (fold("all", ()), u8(3)),
        (fold("prod", ()), i64()),
    ],
    "a fold over one block of axes": [
        (fold("max", (0, 2)), f32(3, 4, 5)),
        (fold("all", (0, 2, 3)), boolean(3, 4, 2, 5)),
        (fold("min", (0, 2, 4)), f32(2, 3, 2, 3, 2)),
    ],
    "a long fold in two": [(fold("max", (0,)), f32(LONG)), (fold("min", (0, 1)), f32(130, 256))],
    "a place among one": [
        (lambda x: P["argmax"](x, axis=0), f32(1, 4)),
        (lambda x: P["argmin"](x, axis=1), i64(3, 1)),
    ],
}


def test_every_rule_has_samples() -> None:
    assert list(BY_NAME) == list(SAMPLES)


def applied(rule: Rule, graph: Graph) -> int:
    """How often this rule alone fires."""
    fired = []

    def then(y: Node, *operands: Node) -> Node | None:
        result = rule.then(y, *operands)
        if result is not None:
            fired.append(y)
        return result

    rewrite(graph, Rules([rule._replace(then=then)]))
    return len(fired)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_rule_fires_on_its_samples_and_keeps_the_values(name: str) -> None:
    rng = np.random.default_rng(0)
    for function, *types in SAMPLES[name]:
        before = traced(function, *types)
        assert applied(BY_NAME[name], before), f"it does not fire on\n{before}"
        after = canonical(before)
        verify(after)
        arrays = values(rng, types)
        for a, b in zip(run(before, arrays), run(after, arrays), strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 7), (5, 1, 1), (2, 3, 1, 4), (1,), (), (0, 2), (2, 130, 128)])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
def test_what_is_left_has_the_form(name: str, shape: tuple[int, ...]) -> None:
    """Axes side by side, none of length 1, `keepdims` never, and the numbers of before."""
    rng = np.random.default_rng(0)
    x = np.asarray(rng.uniform(0.99, 1.01, shape), np.float32)
    for mask in range(2 ** len(shape)):
        axes = tuple(k for k in range(len(shape)) if mask >> k & 1)
        if 0 in shape and name in ("max", "min"):
            continue
        before = traced(fold(name, axes, mask % 3 == 0), f32(*shape))
        after = canonical(before)
        for node in after.nodes:
            if node.primitive.name == name:
                axes = node.params["axes"]
                assert axes == tuple(range(axes[0], axes[-1] + 1))
                assert not node.params["keepdims"]
                assert 1 not in node.inputs[0].shape
                assert 0 not in node.inputs[0].shape
        np.testing.assert_allclose(run(after, [x])[0], run(before, [x])[0], rtol=3e-6)


def test_a_long_fold_is_split_by_its_length_alone() -> None:
    graph = canonical(traced(fold("sum", (0,)), f32(LONG)))
    assert [node.primitive.name for node in graph.nodes] == ["reshape", "sum", "sum"]
    assert graph.nodes[1].shape == (rows_for(LONG),) == (8,)
    assert len(canonical(traced(fold("sum", (0,)), f32(LONG - 1))).nodes) == 1
    assert rows_for(16411) == 1, "a prime is not split"


def test_an_output_is_a_node_that_computes() -> None:
    """An input, a view, a constant, or an output that is one already gets a copy."""

    def function(x: Any) -> Any:
        y = P["exp"](x)
        return x, permute(x, (1, 0)), full((2,), 1.0, float32), y, y

    graph = canonical(traced(function, f32(2, 3)))
    names = [node.primitive.name for node in graph.outputs]
    assert names == ["alias", "alias", "alias", "exp", "alias"]
    assert len(set(graph.outputs)) == 5


def test_indices_are_checked_where_nothing_is_read() -> None:
    def function(x: Any, index: Any) -> Any:
        return P["index_select"](x, index, axis=0)

    graph = traced(function, f32(0, 3), i64(2))
    assert "index_select" in str(canonical(traced(lambda x, i: P["index_select"](x, i, axis=0), f32(5, 0), i64(2))))
    assert "index_select" in str(canonical(graph))


def test_a_graph_in_that_form_is_left_alone() -> None:
    graph = traced(fold("sum", (1,)), f32(3, 4))
    assert canonical(graph).nodes == graph.nodes
    assert canonical(traced(fold("sum", (0,)), boolean(3))).outputs[0].dtype is bool_
