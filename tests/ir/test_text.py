import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.ir import state
from chainrule.ir.errors import GraphError
from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.text import text_of
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Shape, Type, bool_, float32, float64, int64
from chainrule.ir.value import Node
from chainrule.ops.control import with_derivative
from chainrule.ops.elementwise import where
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import argmax, sum_


def traced(function: Callable[..., Any], *types: Type, aliases: dict[int, int] | None = None) -> Graph:
    inputs = tuple(make_input(name, type) for name, type in zip("xyz", types, strict=False))
    with state.using(state.trace, Trace()):
        results = function(*inputs)
    return Graph(inputs, results if isinstance(results, tuple) else (results,), aliases or {})


def f32(*shape: int) -> Type:
    return Type(shape, float32)


GOLDEN = {
    "arithmetic": (
        traced(lambda x, y: sum_(x * y, (0, 1)), f32(2, 3), f32(2, 3)),
        """\
graph(%0 x: f32[2, 3], %1 y: f32[2, 3]) {
  %2 = mul(%0, %1) : f32[2, 3]
  %3 = sum(%2; axes=(0, 1), keepdims=False) : f32[]
  return %3
}""",
    ),
    "dtypes and aliases": (
        traced(lambda x, y: (cast(x, float64), y + 0.5, argmax(x, 0)), f32(4), f32(), aliases={1: 1}),
        """\
graph(%0 x: f32[4], %1 y: f32[]) {
  %2 = cast(%0; dtype=f64) : f64[4]
  %3 = full(; dtype=f32, shape=(), value=0.5) : f32[]
  %4 = add(%1, %3) : f32[]
  %5 = argmax(%0; axis=0) : i64[]
  return %2, %4, %5; aliases 1->1
}""",
    ),
    "several results": (
        traced(lambda x: tuple(with_derivative([x * 2.0, x], [x], REGISTRY["item"].reference)), f32(2)),
        """\
graph(%0 x: f32[2]) {
  %1 = full(; dtype=f32, shape=(2,), value=2.0) : f32[2]
  %2 = mul(%0, %1) : f32[2]
  %3 = detach(%2) : f32[2]
  %4 = detach(%0) : f32[2]
  %5 = custom(%3, %4, %0; derivative=function("chainrule.ops.control._item_reference"), results=2) : (f32[2], f32[2])
  %6 = item(%5; count=2, index=0) : f32[2]
  %7 = item(%5; count=2, index=1) : f32[2]
  return %6, %7
}""",
    ),
    "nothing": (Graph((), ()), "graph() {\n  return\n}"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_text(name: str) -> None:
    graph, text = GOLDEN[name]
    assert str(graph) == text


@pytest.mark.parametrize("name", set(GOLDEN) - {"several results"})
def test_text_reads_back_to_the_same_text(name: str) -> None:
    text = GOLDEN[name][1]
    assert str(parse(text)) == text


def test_a_choice_by_a_bool_reads_back() -> None:
    graph = traced(lambda x, y: where(x, y, 0.0), Type((2,), bool_), f32(2))
    assert str(parse(str(graph))) == str(graph)


VALUES = [
    *(0.0, -0.0, 0.1, 1e-320, 1.7976931348623157e308, 1e16, 5e-324, math.inf, -math.inf, math.nan, -1.5e-7),
    *(0, -3, 2**63, True, False, None, "mean", 'a "quoted" \\ text\n', "naïve", "", ()),
    *((1,), ((1, 2.0), (None, "x")), float32, bool_, int64, (float64, int64), Type((2, 0), float32), Type((), bool_)),
]


def full_of(value: Any) -> Graph:
    """A graph with a parameter; what it would compute does not matter here."""
    node = Node(REGISTRY["full"], (), {"shape": (), "value": value, "dtype": float32}, f32())
    return Graph((), (node,))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_parameter_reads_back_exactly(value: Any) -> None:
    text = str(full_of(value))
    found = parse(text).nodes[0].params["value"]
    assert found.__class__ is value.__class__
    assert repr(found) == repr(value)
    assert str(parse(text)) == text


@pytest.mark.parametrize("value", [np.float64(0.1), np.float32(0.1), np.int64(3), np.bool(True)], ids=repr)
def test_number_of_numpy_is_written_as_pythons(value: Any) -> None:
    assert full_of(value).key() == full_of(value.item()).key()


def test_parameter_of_another_class_cannot_be_written() -> None:
    with pytest.raises(GraphError, match="class list cannot be written"):
        str(full_of([1, 2]))


@pytest.mark.parametrize("name", ["x", "layer.0.weight", "a b", "", "f32", "ключ", '"', "0"])
def test_input_name_reads_back(name: str) -> None:
    text = text_of(Graph((make_input(name, f32(2)),), ()))
    graph = parse(text)
    assert graph.inputs[0].params["name"] == name
    assert str(graph) == text


def test_key_ignores_names_and_order_of_parameters_only() -> None:
    def graph(name: str, shape: Shape, value: float = 1.0, aliases: dict[int, int] | None = None) -> Graph:
        x = make_input(name, f32(2))
        params = {"value": value, "shape": shape, "dtype": float32}
        if name == "x":
            params = dict(reversed(params.items()))
        return Graph((x,), (x, Node(REGISTRY["full"], (), params, f32(*shape))), aliases or {})

    assert graph("x", (2,)).key() == graph("y", (2,)).key()
    keys = {graph("x", (2,)).key(), graph("x", (3,)).key(), graph("x", (2,), -0.0).key(), graph("x", (2,), 0.0).key()}
    assert len(keys | {graph("x", (2,), aliases={0: 0}).key(), graph("x", (2,), aliases={1: 0}).key()}) == 6


def test_key_is_text_that_reads_back() -> None:
    graph = GOLDEN["arithmetic"][0]
    assert parse(graph.key()).key() == graph.key()


def test_comments_and_white_space_do_not_matter() -> None:
    graph = parse(
        "# a comment\ngraph ( %7 x : f32 [ 2 , ] )\n{%9=exp(%7):f32[2] # another\n\n return %9 ; aliases 0 -> 0 }\n"
    )
    assert str(graph) == "graph(%0 x: f32[2]) {\n  %1 = exp(%0) : f32[2]\n  return %1; aliases 0->0\n}"


def body(line: str) -> str:
    return f"graph(%0 x: f32[2]) {{\n{line}\n  return %0\n}}"


ERRORS = [
    ("", "line 1: expected 'graph', found the end"),
    ("graph(%0 x: f32[2]) {\n  return %0\n", "line 3: expected '}', found the end"),
    ("graph(%0 x: f32[2]) {\n  return %0\n}\n}", "line 4: expected nothing after '}', found }"),
    ("graph(%0 x: f32[2] %1 y: f32[2]) {\n", "line 1: expected ',' or ')', found %1"),
    ("graph(x: f32[2]) {\n", "line 1: expected an input '%<number> name: type', found x"),
    ("graph(%0 x: f32[2], %0 y: f32[2]) {\n", "line 1: %0 is defined twice"),
    ("graph(%0 x: f16[2]) {\n", "line 1: expected a type like f32[2, 3], found f16"),
    ("graph(%0 x: f32[-2]) {\n", "line 1: expected the length of a dimension, found -2"),
    ("graph(%0 x: f32[n]) {\n", "line 1: expected the length of a dimension, found n"),
    (body("  %1 = exp(%0) ! f32[2]"), "line 2: no word starts with '!'"),
    (body("  exp(%0)"), "line 2: expected '%<number> = ...' or 'return', found exp"),
    (body("  %1 = explode(%0) : f32[2]"), "line 2: there is no primitive explode"),
    (body("  %1 = exp(%2) : f32[2]"), "line 2: %2 is not defined before it is used"),
    (body("  %1 = exp(%1) : f32[2]"), "line 2: %1 is not defined before it is used"),
    (body("  %0 = exp(%0) : f32[2]"), "line 2: %0 is defined twice"),
    (body("  %1 = exp(%0,) : f32[2]"), "line 2: expected an operand, found )"),
    (body("  %1 = exp(%0 : f32[2]"), "line 2: expected an operand, ';' or ')', found :"),
    (body("  %1 = exp(%0)"), "line 3: expected ':', found return"),
    (body("  %1 = exp(%0) : 2"), "line 2: expected a type like f32[2, 3], found 2"),
    (body("  %1 = sum(%0; axes=(0, ) : f32[]"), "line 2: expected ',' or ')', found :"),
    (body("  %1 = sum(%0; axes=zero) : f32[]"), "line 2: expected a number, a string, a dtype, a tuple, True"),
    (body('  %1 = sum(%0; axes="\\q") : f32[]'), "line 2: "),
    (body("  %1 = sum(%0; axes=" + "(" * 99), "line 2: tuples are nested more than 50 deep"),
    (body("  %1 = sum(%0; axes=" + "9" * 5000), "line 2: a number has 5000 digits"),
    (
        body('  %1 = sum(%0; f=function("os.system")) : f32[]'),
        "line 2: the Python function os.system stands in a text by",
    ),
    ("graph(%0 x: f32[2]) {\n  return %0; aliases 0->x\n}", "line 2: expected the number of an input, found x"),
    ("graph(%0 x: f32[2]) {\n  return %0; alias 0->0\n}", "line 2: expected 'aliases', found alias"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_error_names_the_line_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"graph text, {message}")


def test_function_is_written_by_name_and_refused_by_name() -> None:
    graph, text = GOLDEN["several results"]
    assert "_item_reference" in graph.key()
    with pytest.raises(GraphError, match=r"line 6: the Python function chainrule.ops.control._item_reference"):
        parse(text)
