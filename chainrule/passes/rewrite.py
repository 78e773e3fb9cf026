"""The machinery of graph-to-graph passes: a graph is built again from its inputs up, with some nodes replaced.

A rule says what one node may be replaced by:

    Rule("neg of neg", "neg", ("neg",), lambda y, x: x.inputs[0])

Its pattern is the node's primitive and those of its operands (None: any); `then(node, *operands)` returns the
replacement, or None where a condition does not hold. A replacement is written with primitives and constructors as
everywhere else: while a pass runs, it is the active trace, and calling a primitive makes a node. What a replacement
makes is offered to the rules as well, so a result is in normal form, and nothing is walked twice. Equal nodes become
one on the way (`cse`).

Rules call movement's constructors and `full` as they are, but of the other families the primitives themselves: a
constructor promotes, and what a graph holds was promoted before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import Primitive
from chainrule.ir.trace import INPUT, Trace, make_input
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier, Node
from chainrule.passes.cse import key_of

Which = Callable[[Primitive], bool]
Pattern = str | Which | None  # a primitive's name, a property of primitives, or any
Replacement = Callable[[Callable[[Node], Node]], Node]  # of a node, given what the nodes before it became
_FEW = 3  # of more operands, a pattern says of all of them the same, or nothing


class Every(NamedTuple):
    """The pattern of operands of any number, at least one, of which the same holds."""

    pattern: Pattern


class Rule(NamedTuple):
    """A rewrite. `declared` says in which way the values may differ; without it, they are the same bits.

    (A NaN is a NaN: its sign and payload are no part of a value.)
    """

    name: str
    root: Pattern
    operands: tuple[Pattern, ...] | Every | None
    then: Callable[..., Node | None]
    declared: str = ""


class Rules:
    """A table of rules; of those that match, the first one that gives a replacement is taken."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        assert all([len(rule.operands or ()) <= _FEW for rule in self.rules])
        self._matching: dict[tuple[Primitive, ...], tuple[Callable[..., Node | None], ...]] = {}

    def matching(self, node: Node) -> tuple[Callable[..., Node | None], ...]:
        """What the rules do whose patterns the node has."""
        inputs = node.inputs
        key: tuple[Primitive, ...]
        if len(inputs) == 1:
            key = (node.primitive, inputs[0].primitive)
        elif len(inputs) == 2:
            key = (node.primitive, inputs[0].primitive, inputs[1].primitive)
        elif len(inputs) <= _FEW:
            key = (node.primitive, *[operand.primitive for operand in inputs])
        else:  # a set: the parts of a concatenation are many, their kinds are few
            kinds = {operand.primitive for operand in inputs}
            key = (node.primitive, *sorted(kinds, key=_name), *[INPUT] * _FEW)
        found = self._matching.get(key)
        if found is None:
            found = self._matching[key] = tuple([rule.then for rule in self.rules if _matches(rule, node)])
        return found


def _name(primitive: Primitive) -> str:
    return primitive.name


def _matches(rule: Rule, node: Node) -> bool:
    operands = [operand.primitive for operand in node.inputs]
    if not _is(node.primitive, rule.root):
        return False
    if isinstance(rule.operands, Every):
        pattern = rule.operands.pattern
        return bool(operands) and all([_is(operand, pattern) for operand in operands])
    if rule.operands is None:
        return True
    return len(operands) == len(rule.operands) and all(map(_is, operands, rule.operands))


def _is(primitive: Primitive, pattern: Pattern) -> bool:
    if pattern is None:
        return True
    return primitive.name == pattern if isinstance(pattern, str) else pattern(primitive)


class Rewriter(Trace):
    """The trace that is active during a pass: it makes nodes in normal form, and no two of one value."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules
        self.known: dict[Hashable, Node] = {}
        self.notes: dict[Node, Any] = {}  # of rules, for themselves
        self.changed = False
        self.origin: Any = None  # of the node that is being replaced

    def add(self, primitive: Primitive, operands: tuple[Carrier, ...], params: dict[str, Any]) -> Node:
        key = key_of(primitive, operands, params)
        found = self.known.get(key)
        if found is None:
            type = primitive.infer(*[node.type for node in operands], **params)
            found = self.known[key] = self.normal(Node(primitive, operands, params, type, self.origin))
        return found

    def once(self, primitive: Primitive, inputs: tuple[Node, ...], params: dict[str, Any]) -> Node:
        return self.add(primitive, inputs, params)  # what it makes is made once, whoever asks

    def lift(self, array: Array) -> Node:
        raise AssertionError("a pass made an array; what it makes are nodes")

    def visit(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """What a node of the graph becomes, given what its operands became.

        Nodes are made anew from the first change on: their order is that of their creation, and should stay.
        """
        key = key_of(node.primitive, inputs, node.params)
        found = self.known.get(key)
        if found is None:
            self.origin = node.origin
            same = Node(node.primitive, inputs, node.params, node.type, node.origin) if self.changed else node
            found = self.known[key] = self.normal(same)
        if found is not node:
            self.changed = True
        return found

    def normal(self, node: Node) -> Node:
        """The node, or what the first rule that applies replaces it by."""
        for then in self.rules.matching(node):
            result = then(node, *node.inputs)
            if result is not None:
                assert result.type == node.type, f"a rewrite of {node} gives {result}"
                return result
        return node


def notes() -> dict[Node, Any]:
    """What rules noted of nodes on the walk that is going on: what was found of operands need not be found again."""
    rewriter = state.trace.get()
    assert isinstance(rewriter, Rewriter)
    return rewriter.notes


def rewrite(graph: Graph, rules: Rules, replacements: Mapping[Node, Replacement] | None = None) -> Graph:
    """The graph with `rules` applied wherever they can be, and the nodes that `replacements` names replaced.

    Inputs, outputs and aliases keep their places; if nothing is changed, the result is the graph itself. An input that
    is a computed node, or a weak scalar, gets a stand-in: rules must not look behind it, nor constructors promote it.
    """
    replacements = replacements or {}
    rewriter = Rewriter(rules)
    inputs = tuple([_plain(node) for node in graph.inputs])
    rewriter.changed = inputs != graph.inputs
    new = dict(zip(graph.inputs, inputs, strict=True))
    with state.using(state.trace, rewriter):
        for node in graph.nodes:
            if node in replacements:
                rewriter.changed, rewriter.origin = True, node.origin
                new[node] = replacements[node](new.__getitem__)
                assert new[node].type == node.type, f"a replacement of {node} gives {new[node]}"
            else:
                new[node] = rewriter.visit(node, tuple([new[source] for source in node.inputs]))
    outputs = tuple([new[node] for node in graph.outputs])
    return Graph(inputs, outputs, graph.aliases) if rewriter.changed else graph


def _plain(node: Node) -> Node:
    if node.primitive is INPUT and not node.weak:
        return node
    return make_input(node.params["name"] if node.primitive is INPUT else "", node.type)
