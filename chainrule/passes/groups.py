"""What fusion makes: groups of nodes, each a kernel in the making, and where every node is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from chainrule.ir.types import Shape
from chainrule.ir.value import Node
from chainrule.passes.kernels import Level
from chainrule.passes.views import Views

Order = tuple[int, int]  # kernels that need inputs only: (0, n), the others (1, n)


@dataclass(eq=False)
class Group:
    """A kernel in the making: its nodes in order, with their levels."""

    kind: str  # rows, columns, product, scalars; or the name of a primitive with a kernel of its own
    order: Order
    domain: Shape  # rows: the points of its elements; columns: (batch, rows, columns); product: (*batch, m, n)
    levels: dict[Node, Level] = field(default_factory=dict)
    inner: int = 0  # rows: the length of a row, once something is reduced along it
    root: Node | None = None  # the product, or the node of a kernel of its own

    @property
    def outer_size(self) -> int:
        """The number of rows."""
        return math.prod(self.domain) // self.inner


class Join(NamedTuple):
    """What it takes for a node to join a group: itself and what floats below it, with levels, and the finer domain."""

    levels: dict[Node, Level]
    domain: Shape
    inner: int


@dataclass
class Fused:
    """The groups in an order in which they can run, and where each node is computed."""

    groups: list[Group]
    home: dict[Node, Group]
    views: Views


def reduced_block(node: Node) -> tuple[int, int, int]:
    """(before, reduced, after) of a reduction whose axes lie side by side: the sizes of the three parts."""
    axes, shape = axes_of(node), node.inputs[0].shape
    if not axes:
        return math.prod(shape), 1, 1
    return math.prod(shape[: axes[0]]), math.prod(shape[axes[0] : axes[-1] + 1]), math.prod(shape[axes[-1] + 1 :])


def axes_of(node: Node) -> tuple[int, ...]:
    """The axes of a reduction that have more than one element to reduce (or none)."""
    axes = node.params["axes"] if "axes" in node.params else (node.params["axis"],)
    return tuple(axis for axis in axes if node.inputs[0].shape[axis] != 1)
