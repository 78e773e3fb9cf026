"""What became of a compiled function: `compiled.explain()`."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.executor import Executor
from chainrule.ir.graph import Graph
from chainrule.ir.types import Array

WIDTH = 120


@dataclass(frozen=True)
class Listing:
    """A program of the reference executor: it runs the graph as it is."""

    primitives: tuple[str, ...]

    executor = "reference"

    def __str__(self) -> str:
        head = f"executor reference: {len(self.primitives)} nodes, each run by NumPy on its own; nothing is fused"
        counts = ", ".join(f"{name} x{count}" for name, count in Counter(self.primitives).most_common())
        return "\n".join([head, *textwrap.wrap(counts, WIDTH, initial_indent="  ", subsequent_indent="  ")])


@dataclass(frozen=True)
class Explanation:
    """The programs of a compiled function: one, or forward and backward where it is a step of the tape.

    `parts` holds (name, report) pairs. A report of the native executor has its figures in `tally`.
    """

    parts: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        if len(self.parts) == 1:
            return str(self.parts[0][1])
        return "\n\n".join(f"{name}\n{report}" for name, report in self.parts)


def report_of(execute: Executor, graph: Graph, arrays: Sequence[Array | None] | None) -> Any:
    """What an executor made of a graph. With `arrays`, its inputs as far as they are known, it is timed."""
    if hasattr(execute, "report"):
        return execute.report(arrays)
    return Listing(tuple([node.primitive.name for node in graph.nodes]))
