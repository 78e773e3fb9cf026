"""Every rule of simplification, on programs of its own: it fires, and the values stay the same bits."""

import numpy as np
import pytest

from chainrule.ir.errors import ChainruleError
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Array, Type, dtype_of
from chainrule.ir.value import Node
from chainrule.ops.creation import full
from chainrule.passes.fold import FOLDING
from chainrule.passes.rewrite import Rule, Rules, rewrite
from chainrule.passes.simplify import SIMPLIFYING, simplify
from tests.passes.programs import assert_same_bits, bits, run, traced
from tests.passes.rule_samples import MAY_NOT_FIRE, SAMPLES

RULES = {rule.name: rule for rule in SIMPLIFYING.rules}


def applied(rule: Rule, graph: Graph) -> tuple[Graph, int]:
    """The graph after this rule alone, and how often it fired."""
    fired = []

    def then(y: Node, *operands: Node) -> Node | None:
        result = rule.then(y, *operands)
        if result is not None:
            fired.append(y)
        return result

    return rewrite(graph, Rules([rule._replace(then=then)])), len(fired)


def test_rules_have_names_of_their_own() -> None:
    assert len(RULES) == len(SIMPLIFYING.rules)


def test_every_rule_has_samples() -> None:
    assert RULES.keys() == SAMPLES.keys()
    assert not MAY_NOT_FIRE.keys() - RULES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_rule_fires_on_its_samples_and_keeps_the_bits(name: str) -> None:
    rng = np.random.default_rng(0)
    assert not RULES[name].declared
    for function, *types in SAMPLES[name]:
        before = traced(function, *types)
        after, fired = applied(RULES[name], before)
        assert fired, f"it does not fire on\n{before}"
        assert_same_bits(before, after, rng)
        assert_same_bits(before, simplify(before), rng)


@pytest.mark.parametrize("name", MAY_NOT_FIRE)
def test_a_rule_leaves_alone_what_only_looks_like_it(name: str) -> None:
    rng = np.random.default_rng(0)
    for function, *types in MAY_NOT_FIRE[name]:
        before = traced(function, *types)
        after, fired = applied(RULES[name], before)
        assert not fired, f"it fires on\n{before}"
        assert_same_bits(before, after, rng)
        assert_same_bits(before, simplify(before), rng)


def test_constants_fold_to_what_the_reference_says() -> None:
    """Of every primitive on its own samples, with each operand one number everywhere."""
    rng, folded = np.random.default_rng(0), 0
    for primitive in list(REGISTRY.values()):
        for arrays, params in primitive.samples(rng) if primitive.samples is not None else []:
            graph = traced(lambda: primitive(*map(constant, arrays), **params))  # noqa: B023 - called at once
            if not isinstance(graph.outputs[0].type, Type):
                continue
            found = rewrite(graph, FOLDING)
            folded += found.outputs[0].primitive.name == "full" and primitive.name != "full"
            assert outcome(found) == outcome(graph), f"{graph}\n{found}"
    assert folded > 200


def constant(array: Array) -> Node:
    """A `full` of the array's type, of its first number."""
    node: Node = full(array.shape, array.reshape(-1)[0].item() if array.size else 1, dtype_of(array.dtype))
    return node


def outcome(graph: Graph) -> object:
    """The bits that a program of one output computes, or the error that it raises."""
    try:
        return bits(run(graph, [])[0])
    except ChainruleError as error:
        return str(error).partition("\n")[0]
