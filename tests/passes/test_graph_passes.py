"""All passes together: on the programs of whole training steps, and on random ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import FLOATING, Array
from chainrule.ir.value import next_order
from chainrule.ir.verify import verify
from chainrule.nn import functional as F
from chainrule.ops.creation import full
from chainrule.ops.elementwise import cos, maximum, neg, sin, square, where
from chainrule.ops.movement import broadcast_to, concatenate, flip, pad, permute, reshape, slice_
from chainrule.ops.promotion import cast
from chainrule.passes.graph_passes import graph_passes
from chainrule.passes.simplify import simplify
from tests.passes.programs import assert_same_bits, f32, run, traced

CLASSES = 3


class Block(nn.Module):
    """Attention and layer norm, as in a transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = self.qkv(self.norm(x)).split(width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(y.transpose(1, 2).reshape(batch, length, width))


class Reader(nn.Module):
    """A language model of one block."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 8)
        self.block = Block(8, 2)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Any) -> Any:
        return self.head(self.block(self.embedding(x))).view(-1, CLASSES)


def step_of(model: nn.Module, optimizer: Any, x: Array, y: Array, loss: Callable[..., Any]) -> Graph:
    """The graph of a training step."""

    def step(x: Any, y: Any) -> Any:
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    compiled = cr.compile(step)
    compiled(cr.tensor(x), cr.tensor(y))
    graph: Graph = compiled.graph
    return graph


def regression() -> Graph:
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 1))
    x = np.ones((6, 5), np.float32)
    return step_of(model, optim.Adam(model.parameters()), x, x[:, :1], F.mse_loss)


def classification() -> Graph:
    model = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(8), nn.Linear(8, CLASSES))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return step_of(model, optimizer, np.ones((6, 5), np.float32), np.ones(6, np.int64), F.cross_entropy)


def language() -> Graph:
    model = Reader()
    x = np.ones((2, 4), np.int64)
    return step_of(model, optim.AdamW(model.parameters()), x, x.reshape(-1), F.cross_entropy)


STEPS = (regression, classification, language)


def plausible(graph: Graph) -> list[Array]:
    """Values that a step might be given: labels in range, second moments positive."""
    rng = np.random.default_rng(0)
    return [
        np.asarray(rng.uniform(0.1, 0.9, type.shape), type.dtype.numpy)
        if type.dtype.category == FLOATING
        else rng.integers(0, CLASSES, type.shape).astype(type.dtype.numpy)
        for type in [node.type for node in graph.inputs]
    ]


@pytest.fixture(params=STEPS, ids=lambda make: make.__name__)
def step(request: pytest.FixtureRequest) -> Graph:
    cr.manual_seed(0)
    graph: Graph = request.param()
    return graph


def test_a_step_simplified_computes_the_same_bits(step: Graph) -> None:
    after = simplify(step)
    verify(after)
    assert dict(after.aliases) == dict(step.aliases)
    assert len(after.nodes) < len(step.nodes)
    arrays = plausible(step)
    for a, b in zip(run(step, arrays), run(after, arrays), strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


def test_a_step_after_all_passes_computes_the_same_numbers(step: Graph) -> None:
    """Where a backend has all rows: but for the signs of zeros."""
    after = graph_passes(step, lambda name: True)
    verify(after)
    arrays = plausible(step)
    for a, b in zip(run(step, arrays), run(after, arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_expanded_computes_nearly_the_same(step: Graph) -> None:
    rows = {name for name, primitive in REGISTRY.items() if primitive.expand is None} - {"detach", "alias", "custom"}
    after = graph_passes(step, rows.__contains__)
    verify(after)
    assert {node.primitive.name for node in after.nodes} <= rows
    arrays = plausible(step)
    for a, b in zip(run(step, arrays), run(after, arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_split_is_a_concatenation() -> None:
    graph = graph_passes(language(), lambda name: True)
    count = Counter(node.primitive.name for node in graph.nodes)
    assert count["pad"] == 0
    assert count["concatenate"] == 1


def test_the_passes_are_done_when_they_are_done(step: Graph) -> None:
    """What they make, they leave alone."""
    after = graph_passes(step, lambda name: True)
    assert graph_passes(after, lambda name: True) is after


def test_the_passes_make_few_nodes() -> None:
    """About one a node and walk; more would be work done again and again."""
    step = language()
    before = next_order()
    graph_passes(step, lambda name: True)
    assert next_order() - before < 2.5 * len(step.nodes)


# Random programs ------------------------------------------------------------------------------------------------------


def _moves(rng: np.random.Generator, x: Any, y: Any) -> list[Callable[[], Any]]:
    """What may be done to x [2, 1, 3], with a result of its shape, in movement."""
    order = tuple(rng.permutation(3).tolist())
    return [
        lambda: permute(permute(x, order), tuple(np.argsort(order).tolist())),
        lambda: reshape(permute(reshape(x, (3, 2)), (1, 0)), x.shape),
        lambda: flip(flip(x, (0, 1)), (1, 2)),
        lambda: slice_(concatenate([x, y], 0), (1, 0, 0), (3, 1, 3)),
        lambda: concatenate([slice_(x, (0, 0, 0), (1, 1, 3)), slice_(x, (1, 0, 0), (2, 1, 3))], 0),
        lambda: slice_(pad(x, (1, 0, 2), (0, 0, 1), None, 7), (1, 0, 2), (3, 1, 5)),
        lambda: slice_(pad(x, (1, 0, 0), (0, 0, 0)), (0, 0, 0), (2, 1, 3)) + slice_(y, (0, 0, 0), (2, 1, 3)),
        lambda: broadcast_to(slice_(x, (0, 0, 0), (1, 1, 3), (1, 1, 1)), x.shape),
        lambda: broadcast_to(slice_(x, (0, 0, 1), (1, 1, 2)), x.shape),
        lambda: pad(slice_(x, (0, 0, 0), (2, 1, 1)), (0, 0, 0), (0, 0, 2)) + pad(y, (0, 0, 0), (0, 0, 0)),
    ]


def _sums(rng: np.random.Generator, x: Any, y: Any) -> list[Callable[[], Any]]:
    """The same in arithmetic."""
    number = float(rng.choice([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -0.25]))
    constant = full(x.shape, number, x.dtype)
    condition = x < y if rng.random() < 0.7 else full(x.shape, True, REGISTRY["eq"].infer(x.type, x.type).dtype)
    exact = cast(cast(x, cr.float64), cr.float32)
    return [
        lambda: x + y,
        lambda: x - neg(y),
        lambda: neg(x) + y,
        lambda: neg(x) * neg(y),
        lambda: x + constant,
        lambda: x - constant,
        lambda: x * constant,
        lambda: x / constant,
        lambda: x**constant,
        lambda: constant * neg(x),
        lambda: maximum(x, constant),
        lambda: where(condition, x, y),
        lambda: exact * sin(broadcast_to(slice_(y, (0, 0, 0), (2, 1, 1)), y.shape)),
        lambda: broadcast_to(reshape(x.sum((0, 2)), (1, 1)), x.shape),
        lambda: x.sum((1,), True),
        lambda: square(neg(x)) * cos(constant),
    ]


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_compute_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def program(*inputs: Any) -> tuple[Any, ...]:
        pool = [*inputs, full((2, 1, 3), 0.5, inputs[0].dtype)]
        for _ in range(30):
            x, y = (pool[k] for k in rng.integers(0, len(pool), 2))
            choices = (_moves if rng.random() < 0.5 else _sums)(rng, x, y)
            pool.append(choices[rng.integers(len(choices))]())
        return tuple(pool[-4:])

    graph = traced(program, f32(2, 1, 3), f32(2, 1, 3))
    after = simplify(graph)
    assert len(after.nodes) <= len(graph.nodes)
    assert_same_bits(graph, after, rng)
    assert simplify(after) is after


def test_a_program_that_returns_what_it_was_given() -> None:
    graph = parse("graph(%0 x: f32[2]) { %1 = detach(%0) : f32[2] return %1, %0; aliases 0->0 }")
    after = graph_passes(graph, lambda name: name != "detach")
    assert after.outputs == (after.inputs[0], after.inputs[0])
    assert dict(after.aliases) == {0: 0}
    verify(after)


def test_an_empty_program() -> None:
    graph = Graph((), ())
    assert graph_passes(graph, lambda name: False) is graph
