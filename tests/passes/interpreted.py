"""Graphs through all passes, and what comes of them run in NumPy: in one arena, in phases, call by call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.backends.native.drawing import Drawing
from chainrule.ir.graph import Graph
from chainrule.ir.types import Array
from chainrule.ir.value import Node
from chainrule.passes.describe import Buffers
from chainrule.passes.kernels import Call, Columns, Product, Rows
from chainrule.passes.memory import lifetimes, overlaps, plan
from chainrule.passes.schedule import Turn
from tests.backends.native.interpret import interpret


@dataclass(frozen=True)
class Lowered:
    """What the passes make of a graph."""

    graph: Graph
    drawing: Drawing

    @property
    def buffers(self) -> Buffers:
        """The numbers of what stands in memory."""
        return self.drawing.buffers

    @property
    def phases(self) -> list[list[Turn]]:
        """The calls between barriers."""
        return self.drawing.phases

    @property
    def calls(self) -> list[Call]:
        """All of them, in an order in which they can run."""
        return [turn.call for phase in self.phases for turn in phase]

    def text(self) -> str:
        """A line per kernel: its kind, what it runs over, and the primitives in it; a rule between phases."""
        phases = ["\n".join(sorted(described(turn.call) for turn in phase)) for phase in self.phases]
        return "\n---\n".join(phases)


def described(call: Call) -> str:
    """One kernel in a line."""
    kernel = call.kernel
    kind = type(kernel).__name__.lower()
    if isinstance(kernel, Product):
        over = [*kernel.batch, kernel.m, kernel.n, kernel.k]
    elif isinstance(kernel, Rows | Columns):
        over = list(kernel.domain)
    else:
        over, kind = list(kernel.result.shape), "whole"
    return f"{kind} {over}: {call.label}"


def lowered(graph: Graph) -> Lowered:
    """All passes."""
    return Lowered(graph, Drawing(graph))


class Memory:
    """The arena and what stands in it: a read of what was not written, or is not there any more, is an error."""

    def __init__(self, program: Lowered, arrays: Sequence[Array], *, in_place: bool = False) -> None:
        drawing = program.drawing
        self.nodes: dict[int, Node] = {k: node for node, k in program.buffers.number.items()}
        self.outputs = drawing.outputs
        self.replaced: dict[int, int] = {}  # {an output's buffer: the input's that it is written over}
        if in_place:
            self.replaced = {drawing.outputs[k]: program.graph.aliases[k] for k in drawing.in_place()}
        inside = {k for k in self.nodes if k >= drawing.inputs and k not in self.outputs}
        self.sizes = {k: program.buffers.size_of(self.nodes[k]) for k in inside}
        lives = lifetimes(program.phases)
        self.offsets, self.end = plan(self.sizes, lives)
        assert not list(overlaps(self.offsets, self.sizes, lives))
        self.arena = np.full(self.end, 0x7F, np.uint8)
        self.owner = np.full(self.end, -1)  # the buffer that each byte belongs to
        self.written: set[int] = set(range(drawing.inputs))
        self.flat = {k: self._flat(k, arrays) for k in self.nodes}
        for output, source in self.replaced.items():
            self.flat[output] = self.flat[source]

    def _flat(self, k: int, arrays: Sequence[Array]) -> Array:
        node = self.nodes[k]
        if k < len(arrays):
            given = np.ascontiguousarray(arrays[k]).reshape(-1).copy()
            given.flags.writeable = k in self.replaced.values()
            return given
        if k in self.offsets:
            start = self.offsets[k]
            found: Array = self.arena[start : start + self.sizes[k]].view(node.dtype.numpy)
            return found
        return np.empty(math.prod(node.shape), node.dtype.numpy)

    def bytes_of(self, k: int) -> slice:
        """Where a buffer lies in the arena."""
        start = self.offsets.get(k, 0)
        return slice(start, start + self.sizes.get(k, 0))

    def run(self, call: Call) -> None:
        """One call. What it writes is its own from then on."""
        for k in call.reads:
            assert k in self.written, f"{call.label} reads what nothing has written"
            assert (self.owner[self.bytes_of(k)] == k).all(), f"{call.label} reads what was overwritten"
        interpret(call.kernel, [self.flat[k] for k in call.buffers])
        for k in call.writes:
            self.owner[self.bytes_of(k)] = k
            self.written.add(k)


def run(program: Lowered, arrays: Sequence[Array], seed: int = 0, *, in_place: bool = False) -> list[Array]:
    """The outputs. The calls of a phase run in a random order: none may need another.

    With `in_place`, outputs are written over the inputs that they replace, as far as the program allows it.
    """
    memory = Memory(program, arrays, in_place=in_place)
    rng = np.random.default_rng(seed)
    for phase in program.phases:
        for k in rng.permutation(len(phase)):
            memory.run(phase[k].call)
    return [memory.flat[k].reshape(node.shape) for k, node in zip(memory.outputs, program.graph.outputs, strict=True)]
