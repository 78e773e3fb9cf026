import dataclasses

import pytest

from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Type, float32
from chainrule.ops.elementwise import exp, neg


def test_nodes_are_those_behind_the_outputs_in_order_of_creation() -> None:
    x = make_input("x", Type((2,), float32))
    with state.using(state.trace, Trace()):
        a = exp(x)
        exp(a)  # nobody reads it
        b = neg(x)
        c = b + a
    assert Graph((x,), (c, a)).nodes == (a, b, c)
    assert Graph((x,), (x,)).nodes == ()


def test_an_input_that_was_computed_is_given() -> None:
    x = make_input("x", Type((2,), float32))
    with state.using(state.trace, Trace()):
        a = exp(x)
        b = neg(a)
    assert Graph((a,), (b,)).nodes == (b,)
    assert Graph((a,), (a,)).nodes == ()
    assert str(Graph((a,), (b,))) == "graph(%0: f32[2]) {\n  %1 = neg(%0) : f32[2]\n  return %1\n}"


def test_a_long_chain_needs_no_deep_stack() -> None:
    x = node = make_input("x", Type((2,), float32))
    with state.using(state.trace, Trace()):
        for _ in range(20_000):
            node = neg(node)
    assert len(Graph((x,), (node,)).nodes) == 20_000


def test_graph_is_frozen() -> None:
    x = make_input("x", Type((2,), float32))
    aliases = {0: 0}
    graph = Graph((x,), (x,), aliases)
    aliases[1] = 1
    assert graph.aliases == {0: 0}
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.inputs = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        graph.aliases[0] = 1  # type: ignore[index]
