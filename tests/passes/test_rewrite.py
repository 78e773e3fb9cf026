"""The machinery: what it keeps, what it shares, in which order."""

import numpy as np
import pytest

from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.trace import make_input
from chainrule.ir.value import Node
from chainrule.ir.verify import verify
from chainrule.ops.elementwise import exp, neg, sin
from chainrule.ops.movement import permute
from chainrule.passes.rewrite import Every, Rule, Rules, rewrite
from chainrule.passes.simplify import simplify
from tests.passes.programs import assert_same_bits, f32, f64, traced

NOTHING = Rules()
NEG_OF_NEG = Rules([Rule("neg of neg", "neg", ("neg",), lambda y, x: x.inputs[0])])


def test_a_graph_in_which_nothing_changes_is_returned_itself() -> None:
    graph = traced(lambda x: exp(neg(x)), f32(3))
    assert rewrite(graph, NEG_OF_NEG) is graph


def test_aliases_and_the_order_of_inputs_stay() -> None:
    graph = parse("""
        graph(%0 a: f32[2], %1 unused: f32[3], %2 b: f32[2]) {
          %3 = neg(%2) : f32[2]
          %4 = neg(%3) : f32[2]
          %5 = exp(%4) : f32[2]
          return %5, %4, %0; aliases 0->2, 2->0
        }""")
    after = rewrite(graph, NEG_OF_NEG)
    assert after.inputs == graph.inputs
    assert (
        str(after)
        == """\
graph(%0 a: f32[2], %1 unused: f32[3], %2 b: f32[2]) {
  %3 = exp(%2) : f32[2]
  return %3, %2, %0; aliases 0->2, 2->0
}"""
    )
    assert_same_bits(graph, after, np.random.default_rng(0))


def test_nodes_stay_in_their_order() -> None:
    """Those that nothing happens to do not move before those that are made anew."""
    graph = parse("""
        graph(%0: f32[2], %1: f32[2]) {
          %2 = exp(%0) : f32[2]
          %3 = neg(%0) : f32[2]
          %4 = neg(%3) : f32[2]
          %5 = sin(%4) : f32[2]
          %6 = cos(%1) : f32[2]
          %7 = add(%5, %6) : f32[2]
          return %7, %2
        }""")
    after = rewrite(graph, NEG_OF_NEG)
    assert [node.primitive.name for node in after.nodes] == ["exp", "sin", "cos", "add"]
    assert after.nodes[0] is graph.nodes[0]


def test_replacements_inherit_the_origin() -> None:
    graph = traced(lambda x: neg(neg(exp(x))), f32(3))
    rules = Rules([Rule("twice", "neg", (None,), lambda y, x: permute(exp(x), (0,)))])
    after = rewrite(graph, rules)
    assert [node.origin for node in after.nodes] == [node.origin for node in graph.nodes]
    assert after.nodes[0].origin is not None


def test_what_a_rule_makes_is_rewritten_too() -> None:
    rules = Rules(
        [
            Rule("exp is sin", "exp", (None,), lambda y, x: sin(x)),
            Rule("sin is neg", "sin", (None,), lambda y, x: neg(neg(neg(x)))),
            *NEG_OF_NEG.rules,
        ]
    )
    after = rewrite(traced(lambda x: exp(x), f32(3)), rules)
    assert [node.primitive.name for node in after.nodes] == ["neg"]


def test_a_rule_that_changes_a_type_is_found_out() -> None:
    rules = Rules([Rule("wrong", "exp", (None,), lambda y, x: permute(x, (1, 0)))])
    with pytest.raises(AssertionError, match=r"a rewrite of Node\(exp: f32\[2, 3\]\)"):
        rewrite(traced(lambda x: exp(x), f32(2, 3)), rules)


def test_rules_do_not_look_behind_an_input_that_is_a_computed_node() -> None:
    """A backward program takes nodes of the forward one as given."""
    x = make_input("x", f32(2))
    before = traced(lambda y: neg(y), f32(2)).outputs[0]
    forward = Node(before.primitive, (x,), {}, f32(2))
    graph = Graph((forward,), (Node(before.primitive, (forward,), {}, f32(2)),))
    after = simplify(graph)
    assert [node.primitive.name for node in after.nodes] == ["neg"]
    assert len(after.inputs) == 1
    verify(after)


def test_constructors_do_not_promote_a_weak_scalar() -> None:
    weak = make_input("lr", f64(), weak=True)
    graph = Graph((weak,), (traced(lambda: exp(weak)).outputs[0],))
    rules = Rules([Rule("times two", "exp", (None,), lambda y, x: x * x)])
    after = rewrite(graph, rules)
    assert after.outputs[0].type == f64()
    assert after.inputs[0].params == weak.params
    assert not after.inputs[0].weak


def test_patterns() -> None:
    found = []

    def note(name: str) -> Rule:
        patterns = {
            "any": (None, None),
            "first": ("exp", None),
            "every exp": Every("exp"),
            "every": Every(lambda primitive: primitive.name in ("exp", "neg")),
            "whatever": None,
            "one": (None,),
        }
        return Rule(name, "add", patterns[name], lambda y, *xs: found.append(name))

    rules = Rules(map(note, ("any", "first", "every exp", "every", "whatever", "one")))
    rewrite(traced(lambda x: exp(x) + neg(x), f32(2)), rules)
    assert found == ["any", "first", "every", "whatever"]


def test_patterns_of_many_operands() -> None:
    found = []
    rules = Rules([Rule("slices", "concatenate", Every("exp"), lambda y, *xs: found.append(len(xs)))])
    graph = parse("""
        graph(%0: f32[2]) {
          %1 = exp(%0) : f32[2]
          %2 = concatenate(%1, %1, %1, %1, %1; axis=0) : f32[10]
          %3 = concatenate(%1, %1, %0, %1, %1; axis=0) : f32[10]
          %4 = concatenate(%1, %1, %1; axis=0) : f32[6]
          return %2, %3, %4
        }""")
    rewrite(graph, rules)
    assert found == [5, 3]
