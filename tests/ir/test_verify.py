import pytest

from chainrule.ir import state
from chainrule.ir.errors import GraphError
from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Type, float32
from chainrule.ir.value import Node
from chainrule.ir.verify import verify
from chainrule.ops.control import with_derivative
from chainrule.ops.elementwise import exp

F32 = Type((2,), float32)


def test_a_traced_graph_passes() -> None:
    x = make_input("x", F32)
    with state.using(state.trace, Trace()):
        (y,) = with_derivative([exp(x)], [x], lambda g, results, inputs: g)
        z = y + 1
        verify(Graph((x,), (z, x), {0: 0}))
        verify(Graph((y,), (z,)))


WRONG = {
    "type": (
        "graph(%0 x: f32[2]) {\n  %1 = exp(%0) : f32[3]\n  return %1\n}",
        "exp: f32[3]: its type rule says f32[2].",
    ),
    "operands differ": (
        "graph(%0 x: f32[2], %1 y: f64[2]) {\n  %2 = add(%0, %1) : f32[2]\n  return %2\n}",
        "add: f32[2]: its type rule refuses it",
    ),
    "operand missing": ("graph(%0 x: f32[2]) {\n  %1 = add() : f32[2]\n  return %1\n}", "its type rule refuses it"),
    "axis": (
        "graph(%0 x: f32[2]) {\n  %1 = sum(%0; axes=(1,), keepdims=False) : f32[2]\n  return %1\n}",
        "its type rule refuses it: reduction: f32[2] has no dimensions (1,).",
    ),
    "alias without output": (
        "graph(%0 x: f32[2]) {\n  return %0; aliases 1->0\n}",
        "alias 1->0: the graph has 1 outputs",
    ),
    "alias without input": (
        "graph(%0 x: f32[2]) {\n  return %0; aliases 0->1\n}",
        "alias 0->1: the graph has 1 outputs",
    ),
    "alias of another type": (
        "graph(%0 x: f32[2], %1 y: f64[2]) {\n  return %0; aliases 0->1\n}",
        "alias 0->1: the output is f32[2], the input f64[2].",
    ),
    "overwritten twice": (
        "graph(%0 x: f32[2]) {\n  return %0, %0; aliases 0->0, 1->0\n}",
        "another output overwrites input 0 too",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(GraphError) as caught:
        verify(parse(text))
    assert message in str(caught.value)


def refused(graph: Graph) -> str:
    with pytest.raises(GraphError) as caught:
        verify(graph)
    return str(caught.value)


def test_an_input_that_the_graph_does_not_have() -> None:
    x, y = make_input("x", F32), make_input("y", F32)
    node = Node(REGISTRY["add"], (x, y), {}, F32)
    assert "operand 1 (input y: f32[2]) is an input that the graph does not have" in refused(Graph((x,), (node,)))
    assert "output 0 (input y: f32[2]) is no input of the graph" in refused(Graph((x,), (y,)))


def test_an_input_named_twice() -> None:
    x = make_input("x", F32)
    assert "input 1 (input x: f32[2]) is input 0 too" in refused(Graph((x, x), (x,)))


def test_an_input_of_several_parts() -> None:
    node = Node(REGISTRY["custom"], (), {"derivative": None, "results": 0}, ())
    assert "an input is one array" in refused(Graph((node,), ()))


def test_nodes_out_of_order() -> None:
    x = make_input("x", F32)
    first = Node(REGISTRY["exp"], (x,), {}, F32)
    second = Node(REGISTRY["neg"], (first,), {}, F32)
    first.order = second.order + 1
    assert "operand 0 (exp: f32[2]) is computed later" in refused(Graph((x,), (second,)))


def test_an_output_of_several_parts() -> None:
    x = make_input("x", F32)
    node = Node(REGISTRY["custom"], (x,), {"derivative": None, "results": 1}, (F32,))
    assert "an output is one array" in refused(Graph((x,), (node,)))


def test_a_primitive_outside_the_registry() -> None:
    x = make_input("x", F32)
    stranger = Primitive("exp", REGISTRY["exp"].reference, REGISTRY["exp"].infer, register=False)
    assert "not in the registry" in refused(Graph((x,), (Node(stranger, (x,), {}, F32),)))


def test_error_tells_where_the_node_was_made() -> None:
    x = make_input("x", F32)
    with state.using(state.trace, Trace()):
        made = exp(x)
    wrong = Node(made.primitive, made.inputs, {}, Type((3,), float32), made.origin)
    message = refused(Graph((x,), (wrong,)))
    assert f"\n  at {__file__}:{test_error_tells_where_the_node_was_made.__code__.co_firstlineno + 3}" in message
