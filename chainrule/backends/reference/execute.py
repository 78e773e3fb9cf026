"""A graph as a flat list of instructions over numbered registers.

An instruction costs 0.3 us on top of its NumPy call: everything that can be is worked out beforehand, and NumPy's
warnings are switched off once around the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from chainrule.backends.coverage import Coverage, coverage_of
from chainrule.ir.errors import ChainruleError
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.quiet import quietly
from chainrule.ir.types import Array
from chainrule.ir.value import Node

Operands = Callable[[list[Any]], Sequence[Any]]
# What to call, how to fetch its operands, the register of the result, the registers that nobody reads after it.
Instruction = tuple[Callable[..., Any], Operands, int, tuple[int, ...]]
Program = Callable[[Sequence[Array]], list[Array]]


def compile(graph: Graph) -> Program:
    """The program that takes the graph's inputs and returns its outputs.

    It never writes into an array that it was given: an aliased output is a new array (or a view of an input), and the
    caller puts it where the input was. It may run in several threads at once.
    """
    registers = {node: k for k, node in enumerate((*graph.inputs, *graph.nodes))}
    size = len(registers)
    outputs = _fetching([registers[node] for node in graph.outputs])
    instructions = _instructions(graph, registers)
    blank = [None] * (size - len(graph.inputs))

    def run(arrays: Sequence[Array]) -> list[Array]:
        values: list[Any] = [*arrays, *blank]
        assert len(values) == size, f"the program takes {size - len(blank)} arrays, not {len(arrays)}"
        try:
            for function, operands, register, dead in instructions:
                result = function(*operands(values))
                if result.__class__ is not np.ndarray and result.__class__ is not tuple:
                    result = np.asarray(result)  # NumPy makes scalars of results without dimensions
                values[register] = result
                for k in dead:
                    values[k] = None
        except ChainruleError as error:  # say the line and the layer that the op was traced from
            raise Failed(error, graph.nodes[register - len(graph.inputs)]) from None
        return list(outputs(values))

    def run_quietly(arrays: Sequence[Array]) -> list[Array]:
        try:
            return quietly(run, arrays)  # type: ignore[no-any-return]
        except Failed as failed:
            raise failed.error.at(failed.node.origin) from None

    return run_quietly


class Failed(Exception):
    """An instruction raised: what, and which."""

    def __init__(self, error: ChainruleError, node: Node) -> None:
        self.error, self.node = error, node


def coverage() -> Coverage:
    """A row for every primitive."""
    return coverage_of(REGISTRY)


def _instructions(graph: Graph, registers: dict[Node, int]) -> list[Instruction]:
    """One per node, in order. Found backwards: the first reader met is the last to read."""
    found: list[Instruction] = []
    read = {registers[node] for node in graph.outputs}
    for node in reversed(graph.nodes):
        operands = [registers[source] for source in node.inputs]
        dead = tuple(set(operands) - read)
        read.update(operands)
        reference = node.primitive.reference
        function = partial(reference, **node.params) if node.params else reference
        found.append((function, _fetching(operands), registers[node], dead))
    return found[::-1]


def _fetching(registers: list[int]) -> Operands:
    """A function from the registers to the operands that stand in them."""
    if len(registers) > 1:
        return itemgetter(*registers)
    start = registers[0] if registers else 0
    return itemgetter(slice(start, start + len(registers)))  # a list of one, or of none
