"""Groups of nodes as descriptions of kernels (`kernels.py`), with the memory that each reads and writes."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterable

from chainrule.ir.trace import INPUT
from chainrule.ir.types import DType, Shape, int64
from chainrule.ir.value import Node
from chainrule.passes.fuse import CONSTANT, RANDOM, REDUCTION, SELECTION
from chainrule.passes.groups import Fused, Group
from chainrule.passes.kernels import (
    Access,
    Apply,
    Call,
    Columns,
    Constant,
    Kernel,
    Level,
    Load,
    Matrix,
    Place,
    Position,
    Product,
    Reduce,
    Rows,
    Step,
    Store,
    Whole,
)
from chainrule.passes.refine import View, collapsed

# Equal blocks of a model have equal steps: looking one up takes a fifth of making it.


@functools.lru_cache(4096)
def _load(
    operand: int,
    strides: tuple[int, ...],
    offset: int,
    dtype: DType,
    level: Level,
    index: int | None = None,
    stride: int = 0,
    length: int = 0,
) -> Load:
    return Load(Access(operand, strides, offset), dtype, level, index, stride, length)


@functools.lru_cache(4096)
def _store(operand: int, strides: tuple[int, ...], offset: int, step: int, dtype: DType, level: Level) -> Store:
    return Store(Access(operand, strides, offset), step, dtype, level)


@functools.lru_cache(4096)
def _apply(primitive: str, operands: tuple[int, ...], dtype: DType, level: Level) -> Apply:
    return Apply(primitive, operands, dtype, level)


class Description:
    """One group on its way to a kernel: steps in order, and the sources (nodes that stand in memory) that it reads."""

    def __init__(self, fused: Fused, group: Group) -> None:
        self.fused, self.group = fused, group
        self.steps: list[Step] = []
        self.operands: dict[Node, int] = {}  # the numbers in the kernel of the nodes whose memory they are in
        self.reads: dict[Node, None] = {}
        self._step_of: dict[Node, int] = {}
        self._loads: dict[object, int] = {}
        if group.root is not None:
            self._root(group.root)
        for node, level in group.levels.items():
            if node is not group.root:
                self._step_of[node] = self._compute(node, level)

    # Operands

    def operand(self, source: Node) -> int:
        """The kernel's number for a source."""
        return self.operands.setdefault(self.fused.views.layout.holder(source), len(self.operands))

    def _reads(self, source: Node) -> int:
        self.reads[source] = None
        return self.operand(source)

    def strides(self, view: View, level: Level) -> tuple[int, ...]:
        """A view's strides over the group's domain."""
        group = self.group
        if group.kind == "scalars":
            return (0,)
        if group.kind == "columns" and level is Level.ROW:
            fine = view.reshaped((group.domain[0], group.domain[2]))
            assert fine is not None
            return fine.strides[0], 0, fine.strides[1]
        if group.kind != "rows":
            fine = view.reshaped(group.domain)
            assert fine is not None
            return fine.strides
        if level is Level.ROW:
            outer = outer_of(group)
            fine = view.reshaped(outer)  # a result's own shape may be finer than the rows need
            assert fine is not None
            return fine.strides + (0,) * (len(group.domain) - len(outer))
        fine = view.reshaped(group.domain)
        assert fine is not None
        return fine.strides

    # Steps

    def _add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def _root(self, node: Node) -> None:
        """The product, or the primitive with a kernel of its own: what it computes is there before the steps."""
        self._step_of[node] = self._add(Constant(0, node.dtype, Level.ELEMENT))
        for source, _ in self.fused.views.operands(node):
            self._reads(source)

    def _compute(self, node: Node, level: Level) -> int:
        name = node.primitive.name
        if name in CONSTANT:
            return self._value(node, View.contiguous(node.shape), level)
        if name in RANDOM:
            return self._random(node, level)
        if name in SELECTION:
            return self._selection(node, level)
        if name in REDUCTION:
            ((source, view),) = self.fused.views.operands(node)
            return self._add(Reduce(name, self._value(source, view, Level.ELEMENT), node.dtype))
        operands = tuple([self._value(*operand, level) for operand in self.fused.views.operands(node)])
        if name == "alias" or node in self.fused.views.copied:
            return operands[0]
        if not node.params:
            return self._add(_apply(name, operands, node.dtype, level))
        return self._add(Apply(name, operands, node.dtype, level, tuple(sorted(node.params.items()))))

    def _value(self, source: Node, view: View, level: Level) -> int:
        """The step of an operand at a level: computed here, a constant, or read from memory."""
        name = source.primitive.name
        if name == "full":
            return self._constant(source.params["value"], source.dtype)
        if name == "iota":  # of whatever view, even where it is stored here for another kernel
            return self._add(Position(self.strides(view, level), source.dtype, level, view.offset))
        return self._step_of[source] if source in self._step_of else self._load(source, view, level)

    def _constant(self, value: object, dtype: DType) -> int:
        key = ("constant", repr(value), dtype)
        if key not in self._loads:
            self._loads[key] = self._add(Constant(value, dtype))
        return self._loads[key]

    def _load(
        self, source: Node, view: View, level: Level, index: int | None = None, stride: int = 0, length: int = 0
    ) -> int:
        strides = self.strides(view, level)
        at = self._reads(source)
        if index is None:
            level = self._level_of(strides, level)
        key = (at, strides, view.offset, level, index, stride)
        if key not in self._loads:
            self._loads[key] = self._add(_load(at, strides, view.offset, source.dtype, level, index, stride, length))
        return self._loads[key]

    def _level_of(self, strides: tuple[int, ...], level: Level) -> Level:
        """The lowest level at which a load of these strides has its value."""
        if not any(strides):
            return Level.UNIFORM
        group = self.group
        if group.kind == "rows" and group.inner and not any(strides[len(outer_of(group)) :]):
            return min(level, Level.ROW)
        return level

    def _random(self, node: Node, level: Level) -> int:
        source, view = self.fused.views.of(node.inputs[0])
        state = [self._uniform(source, view.offset + k * view.strides[0]) for k in range(2)]
        place = self._add(Position(self.strides(View.contiguous(node.shape), level), int64, level))
        more = [self._value(*operand, level) for operand in self.fused.views.operands(node)[1:]]
        params = tuple(sorted((key, value) for key, value in node.params.items() if key != "shape"))
        return self._add(Apply(node.primitive.name, (place, *state, *more), node.dtype, level, params))

    def _uniform(self, source: Node, offset: int) -> int:
        """One element of a source, for the whole kernel."""
        zeros = (0,) * len(self.group.domain)
        key = (self._reads(source), zeros, offset)
        if key not in self._loads:
            self._loads[key] = self._add(_load(key[0], zeros, offset, source.dtype, Level.UNIFORM))
        return self._loads[key]

    def _selection(self, node: Node, level: Level) -> int:
        """index_select and gather: a load at an index along one axis."""
        axis = node.params["axis"]
        (x, view), index = self.fused.views.operands(node)
        own = self.fused.views.of(node.inputs[0])[1]
        return self._load(x, view, level, self._value(*index, level), own.strides[axis], own.shape[axis])

    # The kernel

    def finish(self, stored: Iterable[Node]) -> Call:
        """The kernel with stores of those of its nodes that others read."""
        group = self.group
        stores = []
        for node in stored:
            level = group.levels[node]
            place = self.fused.views.place(node)
            strides = self.strides(place, level)
            stores.append(_store(self.operand(node), strides, place.offset, self._step_of[node], node.dtype, level))
        writes = frozenset(self.operand(node) for node in stored)
        both = writes & {self.operand(source) for source in self.reads}
        kernel = self._kernel(tuple(stores))
        label = " ".join(node.primitive.name for node in group.levels)
        return Call(kernel, tuple(range(len(self.operands))), writes, label, both)

    def _kernel(self, stores: tuple[Store, ...]) -> Kernel:
        group, steps = self.group, tuple(self.steps)
        types = tuple(node.dtype for node in self.operands)
        if group.kind == "columns":
            before, rows, after = group.domain
            return Columns((before, rows, after), steps, stores, types)
        if group.kind == "product":
            return self._product_kernel(steps, stores, types)
        if group.kind == "scalars":
            return Rows((1,), steps, stores, types)
        if group.root is not None:
            return self._whole(group.root, types)
        return compact(Rows(group.domain, steps, stores, types), len(outer_of(group)) if group.inner else None)

    def _product_kernel(self, steps: tuple[Step, ...], stores: tuple[Store, ...], types: tuple[DType, ...]) -> Product:
        node = self.group.root
        assert node is not None
        sources = self.fused.views.operands(node)
        a, b = [
            Matrix(self.operand(source), view.strides[:-2], view.strides[-2], view.strides[-1], view.offset)
            for source, view in sources
        ]
        m, n = node.shape[-2:]
        k = node.inputs[0].shape[-1]
        return Product(node.shape[:-2], m, n, k, a, b, node.dtype, steps, stores, types)

    def _whole(self, node: Node, types: tuple[DType, ...]) -> Whole:
        places = []
        for source, view in self.fused.views.operands(node):
            places.append(Place(self.operand(source), view.shape, view.strides, view.offset, source.dtype))
        own = View.contiguous(node.shape)
        result = Place(self.operand(node), own.shape, own.strides, 0, node.dtype)
        return Whole(node.primitive.name, tuple(sorted(node.params.items())), tuple(places), result, types)


def outer_of(group: Group) -> Shape:
    """The domain's dimensions that count rows."""
    size, k = 1, len(group.domain)
    while group.inner and size < group.inner:
        k -= 1
        size *= group.domain[k]
    return group.domain[:k]


def compact(kernel: Rows, outer: int | None) -> Rows:
    """The kernel over as few dimensions as its accesses allow; the first `outer` ones stay apart from the others."""
    places = [s.access for s in kernel.steps if isinstance(s, Load)] + [s.access for s in kernel.stores]
    strides = [a.strides for a in places] + [s.strides for s in kernel.steps if isinstance(s, Position)]
    if outer is None:
        domain, found = collapsed(kernel.domain, strides)
    else:
        front, found_front = collapsed(kernel.domain[:outer], [s[:outer] for s in strides])
        back, found_back = collapsed(kernel.domain[outer:], [s[outer:] for s in strides])
        assert len(back) <= 1, "a row has one stride in every access"
        if not back:
            back, found_back = (1,), [(0,) for _ in strides]
        domain, found = (*front, *back), [(*f, *b) for f, b in zip(found_front, found_back, strict=True)]
    if not domain:
        domain, found = (1,), [(0,) for _ in strides]
    remaining = iter(found)

    def moved(s: Load) -> Load:
        at = s.access
        return _load(at.operand, next(remaining), at.offset, s.dtype, s.level, s.index, s.index_stride, s.index_length)

    loads = {k: moved(s) for k, s in enumerate(kernel.steps) if isinstance(s, Load)}
    stores = tuple(
        [_store(s.access.operand, next(remaining), s.access.offset, s.step, s.dtype, s.level) for s in kernel.stores]
    )
    steps: list[Step] = []
    for k, step in enumerate(kernel.steps):
        if isinstance(step, Load):
            steps.append(loads[k])
        elif isinstance(step, Position):
            steps.append(Position(next(remaining), step.dtype, step.level, step.start))
        else:
            steps.append(step)
    return Rows(domain, tuple(steps), stores, kernel.operands)


class Buffers:
    """All calls of a program, over numbered buffers: one per source that stands in memory."""

    def __init__(self, fused: Fused, inputs: Iterable[Node], outputs: Iterable[Node]) -> None:
        self.fused = fused
        self.number: dict[Node, int] = {node: k for k, node in enumerate(inputs)}
        descriptions = [Description(fused, group) for group in fused.groups]
        wanted: dict[Group, list[Node]] = defaultdict(list)
        read = dict.fromkeys(source for d in descriptions for source in d.reads)
        read |= dict.fromkeys(fused.views.of(node)[0] for node in outputs)
        joined = fused.views.layout.joined
        for source in dict.fromkeys(piece for whole in read for piece in joined.get(whole, (whole,))):
            home = fused.home.get(source)
            if home is not None:
                wanted[home].append(source)
        self.calls: list[Call] = []
        for description in descriptions:
            call = description.finish(wanted[description.group])
            buffers = tuple([self._buffer(node) for node in description.operands])
            writes, both = (frozenset(buffers[k] for k in some) for some in (call.writes, call.both))
            self.calls.append(Call(call.kernel, buffers, writes, call.label, both))

    def _buffer(self, source: Node) -> int:
        assert source.primitive is not INPUT or source in self.number, f"{source} is not among the inputs"
        return self.number.setdefault(source, len(self.number))

    def size_of(self, source: Node) -> int:
        """Bytes."""
        return int(math.prod(source.shape) * source.dtype.itemsize)
