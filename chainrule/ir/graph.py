"""A program: what goes in, what comes out, and the nodes between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType

from chainrule.ir.text import text_of
from chainrule.ir.trace import INPUT
from chainrule.ir.value import Node


@dataclass(frozen=True, eq=False)
class Graph:
    """A traced program. Its nodes are those that an output depends on: what nobody reads is not in it.

    `aliases` {i: j}: output i is the new content of input j, which a backend may overwrite once it was read last.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    aliases: Mapping[int, int] = field(default_factory=dict)
    nodes: tuple[Node, ...] = field(init=False)  # all but inputs; an order in which they can be computed

    def __post_init__(self) -> None:
        for name, value in (
            ("inputs", tuple(self.inputs)),
            ("outputs", tuple(self.outputs)),
            ("aliases", MappingProxyType(dict(self.aliases))),
            ("nodes", nodes_behind(self.outputs, self.inputs)),
        ):
            object.__setattr__(self, name, value)

    def key(self) -> str:
        """The text without names: equal for two graphs that compute the same in the same way.

        A function among the parameters (the derivative of `custom`, which no executor runs) counts by its name.
        """
        return text_of(self, names=False)

    def __str__(self) -> str:
        return text_of(self)


def nodes_behind(outputs: Iterable[Node], inputs: Iterable[Node] = ()) -> tuple[Node, ...]:
    """The nodes that the outputs depend on, inputs left out, in the order of their creation.

    Any node can be an input: a backward program takes nodes of the forward one as given.
    """
    given = set(inputs)
    found = set(given)
    stack = [node for node in dict.fromkeys(outputs) if node not in given]
    found.update(stack)
    while stack:
        for source in stack.pop().inputs:
            if source not in found:
                found.add(source)
                stack.append(source)
    found -= given
    return tuple(sorted([node for node in found if node.primitive is not INPUT], key=attrgetter("order")))
