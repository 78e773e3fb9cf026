"""Fusion: which nodes of a graph become one kernel.

Nodes are visited in the order of the program. Each joins the kernel of the latest of its operands if that kernel runs
over the same points and the others are ready before it; otherwise it starts a kernel of its own. Kernels keep the
order in which they were started, so no cycle can arise.

Movement costs nothing: a value is a `View` of the node that computes it. Cheap elementwise nodes that depend on inputs
alone, or that only a reduction reads, *float*: they belong to no kernel, and whoever reads them computes them himself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter

from chainrule.ir.graph import Graph
from chainrule.ir.types import Shape
from chainrule.ir.value import Node
from chainrule.passes.groups import Fused, Group, Join, Order, reduced_block
from chainrule.passes.kernels import Level
from chainrule.passes.layout import layout
from chainrule.passes.refine import View, common_refinement
from chainrule.passes.views import MOVEMENT, Views, is_identity, is_row_broadcast, on_domain, points_of, row_stride

CONSTANT = frozenset({"full", "iota"})
REDUCTION = frozenset({"sum", "prod", "max", "min", "any", "all", "argmax", "argmin"})
JOINABLE = frozenset({"rows", "columns", "product"})
RANDOM = frozenset({"uniform", "normal", "randint", "bernoulli"})
SELECTION = frozenset({"index_select", "gather"})  # elementwise but for one operand, which is read at an index
_READS_APART = SELECTION | RANDOM  # their first operand is not read in step with the others
# What is worth computing twice rather than storing: a few instructions a vector.
_CHEAP = """
    add sub mul div neg times over square abs sign relu maximum minimum at_most at_least clamp eq ne lt le gt ge where
    logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor isnan isinf floor ceil trunc round
    cast alias
"""
CHEAP = frozenset(_CHEAP.split())
_FREE = CHEAP | MOVEMENT | CONSTANT

# Numbers in one kernel: a longer chain (the norms of all gradients, added up) is several calls of the same code.
MOST_SCALARS = 32

_order = attrgetter("order")


def _made_for(node: Node, known: Collection[Node]) -> list[Node]:
    """A node, and what it needs beyond what is known."""
    found, waiting = dict.fromkeys([node]), [node]
    while waiting:
        for source in waiting.pop().inputs:
            if source not in known and source not in found:
                found[source] = None
                waiting.append(source)
    return list(found)


class Fusion:
    """One run of the pass."""

    def __init__(self, graph: Graph, alone: Iterable[str] = ()) -> None:
        """`alone`: primitives with a kernel of their own, which nothing joins."""
        self.graph, self.alone = graph, frozenset(alone) - SELECTION
        self.views = Views(layout(graph))
        self._sources = self.views.sources  # asked several times of every node
        self.groups: list[Group] = []
        self._orders = 0
        self._given = frozenset(graph.inputs)
        self.home: dict[Node, Group] = {}
        self.floating: set[Node] = set()
        self.outputs = {self.views.of(node)[0] for node in graph.outputs}
        self.readers: dict[Node, list[Node]] = defaultdict(list)
        self.reading: dict[Node, list[Group]] = defaultdict(list)  # the groups that read what stands in memory
        for node in graph.nodes:
            for source in node.inputs:
                self.readers[source].append(node)

    def run(self) -> Fused:
        """Puts every node into a group."""
        for node in self._in_order():
            self._visit(node)
        for node in self.graph.outputs:
            self._materialise(self.views.of(node)[0])
        self.groups.sort(key=_order)
        return Fused(self.groups, self.home, self.views)

    def _in_order(self) -> list[Node]:
        """All nodes; numbers made of inputs alone first, so that whatever needs one need not come after it.

        A reduction of what is cheap to make of inputs is such a number, too: how many targets there are.
        """
        early = {*self.graph.inputs}
        cheap = {*self.graph.inputs}  # of inputs alone
        for node in self.graph.nodes:
            name = node.primitive.name
            is_number = node.type.size == 1
            if is_number and early.issuperset(node.inputs):
                early.add(node)
                cheap.add(node)
            elif cheap.issuperset(node.inputs):
                if is_number and name in REDUCTION:
                    early.update(_made_for(node, early))
                    cheap.add(node)
                elif name in _FREE:
                    cheap.add(node)
        nodes = self.graph.nodes
        return [node for node in nodes if node in early] + [node for node in nodes if node not in early]

    # One node

    def _visit(self, node: Node) -> None:
        name = node.primitive.name
        if name in CONSTANT or (name in MOVEMENT and self.views.of(node)[0] is not node):
            return
        if node in self.views.layout.joined:
            self.home[node] = Group(name, self._order_after(self._needs(node)), node.shape, root=node)  # no kernel
        elif name in self.alone or (name in SELECTION and node.type.size == 0):  # it checks its indices all the same
            self._start_alone(node)
        elif name == "matmul":
            self._start_product(node)
        elif name in REDUCTION:
            self._visit_reduction(node)
        elif node.type.size == 1 and name not in SELECTION and name not in RANDOM:
            self._visit_scalar(node)
        else:
            self._visit_elementwise(node)

    def _visit_elementwise(self, node: Node) -> None:
        if self._may_float(node):
            self.floating.add(node)
            return
        self._place(node)

    def _place(self, node: Node) -> None:
        """Has an elementwise node computed in the latest of its operands' kernels, else in one of its own."""
        if node.primitive.name in _READS_APART:
            self._put_in_memory(node.inputs[:1])
        for group in self._hosts(node):
            join = self._join(group, node)
            if join is not None:
                break
        else:
            group = self._new("rows", self._order_after(self._needs(node)), points_of(node, self.views))
            join = self._join(group, node)
        assert group is not None
        if join is None:  # what floats below it runs over other points
            for source, _ in self.views.operands(node):
                self._materialise(source)
            group.order = self._order_after(self._needs(node))
            join = self._join(group, node)
        assert join is not None, f"a kernel of its own must take {node}"
        self._take(group, join)
        self.home[node] = group  # it may have been there already, afloat

    def _hosts(self, node: Node) -> Iterator[Group]:
        """The kernels that an elementwise node may join, the best first; asked only as far as it takes."""
        latest = self._latest(node)
        if latest is not None and latest.kind in JOINABLE:
            yield latest
        yield from self._candidates(node, "rows")

    def _may_float(self, node: Node) -> bool:
        """Cheap, and either of inputs alone or read by one reduction alone."""
        if node.primitive.name not in CHEAP or node in self.outputs:
            return False
        if self._only_reader(node) in REDUCTION:
            return True
        return all([self._is_early(source, node.type.size) for source in self._sources(node)])

    def _only_reader(self, node: Node) -> str:
        """The name of the one primitive that computes with a node, past movement; "" if there are several."""
        readers = self.readers[node]
        while len(readers) == 1 and readers[0].primitive.name == "reshape":
            readers = self.readers[readers[0]]
        return readers[0].primitive.name if len(readers) == 1 else ""

    def _is_early(self, source: Node, size: int) -> bool:
        """Whether something is there before the first large kernel, and costs little to read at `size` points."""
        home = self.home.get(source)
        if home is not None:
            return home.order[0] == 0 and (home.kind == "scalars" or 4 * source.type.size <= size)
        return source in self.floating or self._is_given(source)

    def _is_given(self, node: Node) -> bool:
        """An input of the program or a constant."""
        source = self.views.of(node)[0]
        return source in self._given or source.primitive.name in CONSTANT

    def _visit_scalar(self, node: Node) -> None:
        for source in self._sources(node):
            self._materialise(source)
        group = self._latest(node)
        full = group is not None and len(group.levels) >= MOST_SCALARS
        if group is None or full or group.kind != "scalars" or not self._ready(node, group):
            group = self._new("scalars", self._order_after(self._needs(node)), (1,))
        group.levels[node] = Level.UNIFORM
        self.home[node] = group

    def _visit_reduction(self, node: Node) -> None:
        before, reduced, after = reduced_block(node)
        domain: Shape = (before, reduced) if after == 1 else (before, reduced, after)
        kind, inner = ("rows", reduced) if after == 1 else ("columns", 0)
        for group in self._candidates(node, kind):
            if self._reduces_in(group, node, domain, inner):
                return
        group = self._new(kind, self._order_after(self._needs(node)), domain)
        group.inner = inner
        self._reduce_into(group, node)

    def _candidates(self, node: Node, kind: str) -> list[Group]:
        """Groups that might take a reduction: those that compute what it reads, or read it too; the latest first."""
        roots = self._roots(node)
        found = {self.home[root] for root in roots if root in self.home}
        # One number that both read is no reason: all updates of an optimiser read the same few.
        found.update(group for root in roots if root.type.size > 1 for group in self.reading[root][-4:])
        return sorted([group for group in found if group.kind == kind], key=_order, reverse=True)

    def _reduces_in(self, group: Group, node: Node, domain: Shape, inner: int) -> bool:
        """Lets a reduction join, if it runs over the group's points and all it needs is ready."""
        if group.kind == "columns":
            join = self._join_operand(group, node) if group.domain == domain else None
        else:
            finer = common_refinement(group.domain, domain) if group.inner in (0, inner) else None
            if finer is None:
                return False
            before = group.inner, group.domain
            group.inner, group.domain = inner, finer
            join = self._join_operand(group, node) if self._has_rows(group) else None
            if join is None:
                group.inner, group.domain = before
        if join is None:
            return False
        self._take(group, join)
        self._own(group, node, Level.ROW)
        return True

    def _has_rows(self, group: Group) -> bool:
        """Whether all that a group reads lies along its rows with one stride each."""
        for node, level in group.levels.items():
            state = 1 if node.primitive.name in RANDOM else 0  # the generator's, read once
            for source, view in self.views.operands(node)[state:]:
                if source in group.levels or source.primitive.name == "full" or level is not Level.ELEMENT:
                    continue
                if row_stride(view, group.domain, group.inner) is None:
                    return False
        return True

    def _reduce_into(self, group: Group, node: Node) -> None:
        """A new group's reduction, with what floats below it."""
        join = self._join_operand(group, node)
        if join is None:  # what floats there runs over other points
            for source in self._sources(node):
                self._materialise(source)
            if self._needs_copy(group, node):
                operand = node.inputs[0]
                self.views.copy(operand, node)
                self._place(operand)
            group.order = self._order_after(self._needs(node))
            join = self._join_operand(group, node)
            assert join is not None, f"a kernel of its own must take {node}"
        self._take(group, join)
        self._own(group, node, Level.ROW)

    def _needs_copy(self, group: Group, node: Node) -> bool:
        """Whether what a reduction reads does not lie along its rows with one stride."""
        ((_, view),) = self.views.operands(node)
        return not self._reads_outside(group, view, Level.ELEMENT, [group.domain])

    def _start_product(self, node: Node) -> None:
        self._put_in_memory(node.inputs)
        group = self._new("product", self._order_after(self._needs(node)), node.shape)
        group.root = node
        self._own(group, node, Level.ELEMENT)

    def _start_alone(self, node: Node) -> None:
        self._put_in_memory(node.inputs)
        group = self._new(node.primitive.name, self._order_after(self._needs(node)), node.shape)
        group.root = node
        self._own(group, node, Level.ELEMENT)

    def _put_in_memory(self, operands: Iterable[Node]) -> None:
        """What a kernel reads in ways of its own stands in memory: constants too, a number as one element."""
        for operand in operands:
            source = self.views.of(operand)[0]
            if source.primitive.name == "full":
                source = self.views.scalar(source)
            if source.primitive.name in CONSTANT and source not in self.home:
                self._place(source)
            self._materialise(source)

    def _materialise(self, source: Node) -> None:
        """A floating node that must stand in memory gets a kernel, or joins one."""
        if source not in self.floating:
            return
        self.floating.discard(source)
        if source.type.size == 1:
            self._visit_scalar(source)
            return
        self._place(source)

    # Joining

    def _join_operand(self, group: Group, reduction: Node) -> Join | None:
        """What it takes to have a reduction's operand in the group, or readable from it."""
        if not self._ready(reduction, group):
            return None
        ((source, view),) = self.views.operands(reduction)
        adding: dict[Node, Level] = {}
        box = [group.domain]
        if self._is_given(source):
            fine = self._reads_outside(group, view, Level.ELEMENT, box)
        else:
            fine = self._operand(group, source, view, Level.ELEMENT, adding, box)
        return Join(adding, box[0], group.inner) if fine else None

    def _join(self, group: Group, node: Node) -> Join | None:
        """What it takes for an elementwise node to join, or None."""
        if not self._ready(node, group):
            return None
        adding: dict[Node, Level] = {}
        box = [group.domain]
        level = self._level(group, points_of(node, self.views))
        if level is None or not self._add(group, node, level, adding, box):
            return None
        return Join(adding, box[0], group.inner)

    def _level(self, group: Group, shape: Shape) -> Level | None:
        size, total = math.prod(shape), math.prod(group.domain)
        if group.kind == "columns":
            return Level.ROW if size == group.domain[0] * group.domain[2] else None
        if size == total:
            return Level.ELEMENT
        return Level.ROW if group.inner and size == group.outer_size else None

    def _add(self, group: Group, node: Node, level: Level, adding: dict[Node, Level], box: list[Shape]) -> bool:
        """Enters a node and what floats below it in `adding`; box[0] is the domain, made finer as needed."""
        held = group.levels.get(node, adding.get(node))
        if held is not None:
            return held is level
        shape = points_of(node, self.views)
        if not self._refine(group, shape, level, box):
            return False
        name, operands = node.primitive.name, self.views.operands(node)
        if name in _READS_APART:
            if not self._selects(group, name, *operands[0], level, box):
                return False
            operands = operands[1:]
        for source, view in operands:
            if self._is_given(source):
                if source.primitive.name != "full" and not self._reads_outside(group, view, level, box):
                    return False
            elif not self._operand(group, source, view, level, adding, box):
                return False
        adding[node] = level
        return True

    def _selects(self, group: Group, name: str, source: Node, view: View, level: Level, box: list[Shape]) -> bool:
        """Whether the operand that is read at an index (or the generator's state) stands in memory."""
        if source in group.levels or source in self.floating or group.kind != "rows":
            return False
        return name in RANDOM or self._reads_outside(group, view, level, box)

    def _operand(
        self, group: Group, source: Node, view: View, level: Level, adding: dict[Node, Level], box: list[Shape]
    ) -> bool:
        held = group.levels.get(source, adding.get(source))
        if held is not None:
            return self._reads_inside(group, source, view, held, level)
        if source in self.floating:
            if level is Level.ELEMENT and is_identity(view, source.type.size):
                return self._add(group, source, level, adding, box)
            if level is Level.ROW and is_identity(view, source.type.size):
                return self._add(group, source, level, adding, box)
            if level is Level.ELEMENT and group.kind == "rows" and group.inner and source.type.size == group.outer_size:
                return is_row_broadcast(view, group.outer_size) and self._add(group, source, Level.ROW, adding, box)
            self._materialise(source)
            home = self.home[source]
            if home is group or home.order >= group.order:
                return False
        return self._reads_outside(group, view, level, box)

    def _reads_inside(self, group: Group, source: Node, view: View, held: Level, level: Level) -> bool:
        if held is level:
            return self.views.is_in_step(view, source)
        if held is Level.ROW and level is Level.ELEMENT and group.kind == "rows":
            return is_row_broadcast(view, group.outer_size)
        return False

    def _refine(self, group: Group, shape: Shape, level: Level, box: list[Shape]) -> bool:
        """Makes the domain fine enough for a shape."""
        if group.kind == "rows":
            if level is Level.ROW:
                shape = (*shape, group.inner)
            finer = common_refinement(box[0], shape)
            if finer is None:
                return False
            box[0] = finer
            return True
        if group.kind == "columns":
            return level is Level.ROW or math.prod(shape) == math.prod(group.domain)
        return True

    def _reads_outside(self, group: Group, view: View, level: Level, box: list[Shape]) -> bool:
        """Whether the places that a view reads are affine in the points of the group's domain."""
        if group.kind == "rows":
            if not self._refine(group, view.shape, level, box):
                return False
            if level is Level.ELEMENT and group.inner:
                return row_stride(view, box[0], group.inner) is not None
            return True
        return on_domain(view, group.domain, level, group.kind) is not None

    # Order

    def _roots(self, node: Node) -> Sequence[Node]:
        """What a node reads of memory, through what floats below it."""
        sources = self._sources(node)
        return sources if self.floating.isdisjoint(sources) else self._below(sources)

    def _below(self, sources: Iterable[Node]) -> list[Node]:
        found, stack = [], [*sources]
        while stack:
            source = stack.pop()
            if source in self.floating:
                stack.extend(self._sources(source))
            else:
                found.append(source)
        return found

    def _needs(self, node: Node) -> list[Group]:
        """The groups that must have run before a node is computed."""
        home = self.home
        return [home[root] for root in self._roots(node) if root in home]

    def _latest(self, node: Node) -> Group | None:
        needs = self._needs(node)
        return max(needs, key=_order) if needs else None

    def _ready(self, node: Node, group: Group) -> bool:
        """Whether all that a node needs is in the group, or before it."""
        return all([need is group or need.order < group.order for need in self._needs(node)])

    def _order_after(self, needs: list[Group]) -> Order:
        late = any(group.order[0] for group in needs) if needs else False
        self._orders += 1
        return (int(late), self._orders)

    def _new(self, kind: str, order: Order, domain: Shape) -> Group:
        if kind not in ("scalars", "rows") and not order[0]:
            order = (1, order[1])
        group = Group(kind, order, domain)
        self.groups.append(group)
        return group

    def _own(self, group: Group, node: Node, level: Level) -> None:
        group.levels[node] = level
        if node not in self.floating:
            self.home[node] = group
        for source in self._sources(node):
            if source not in group.levels:
                reading = self.reading[source]
                if not reading or reading[-1] is not group:
                    reading.append(group)

    def _take(self, group: Group, join: Join) -> None:
        group.domain, group.inner = join.domain, join.inner
        for node, level in join.levels.items():
            self._own(group, node, level)


def fuse(graph: Graph, alone: Iterable[str] = ()) -> Fused:
    """The graph's nodes in groups."""
    return Fusion(graph, alone).run()
