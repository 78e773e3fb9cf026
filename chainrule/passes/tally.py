"""What the kernels of a program do and move, counted without running them: for people, and for tests without a clock.

Bytes are those of the elements that a kernel touches, each counted once however often it is read. A FLOP is an
addition, a product or a function (`exp`, `sqrt`) of floating-point numbers; a multiply-add is two.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.ir.origin import Origin, layer_path
from chainrule.ir.value import Node
from chainrule.passes.describe import Buffers
from chainrule.passes.kernels import (
    Access,
    Apply,
    Call,
    Columns,
    Kernel,
    Level,
    Load,
    Place,
    Product,
    Reduce,
    Rows,
    Whole,
)
from chainrule.passes.refine import View
from chainrule.passes.schedule import Turn
from chainrule.passes.views import is_identity

_ADDING = frozenset({"cumsum", "cumprod", "index_add", "scatter_add", "recurrence"})  # an operation per element

# Products of scores with something of the width of q and k, of the depth of v.
_OF_SCORES = {"blocked_attention": (1, 1), "blocked_attention_gradients": (3, 2)}


@dataclass(frozen=True)
class KernelTally:
    """One call of a kernel in a program."""

    number: int
    phase: int
    kind: str  # rows, columns, product, or the primitive of a kernel of its own
    shape: tuple[int, ...]  # what it runs over; of a product (*batch, m, n, k)
    fused: tuple[str, ...]  # the primitives that it computes
    origin: str  # the layer or the line that it comes from, "" if unknown
    bytes_read: int
    bytes_written: int
    flops: int
    owner: int  # -1: shared by all threads; else the thread that runs it, counted modulo the threads
    kernel: Kernel


@dataclass(frozen=True)
class StoredTally:
    """A value that stands in memory because another kernel reads it."""

    value: str
    size: int  # bytes
    writer: int
    readers: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class ProgramTally:
    """All of a program."""

    kernels: tuple[KernelTally, ...]  # in the order in which they run
    stored: tuple[StoredTally, ...]
    phases: int
    arena_bytes: int  # for what is stored between kernels

    @property
    def distinct(self) -> int:
        """How many kernels were compiled."""
        return len({one.kernel for one in self.kernels})

    @property
    def barriers(self) -> int:
        """How often all threads wait for each other."""
        return max(0, self.phases - 1)

    @property
    def bytes_read(self) -> int:
        """By all kernels."""
        return sum(one.bytes_read for one in self.kernels)

    @property
    def bytes_written(self) -> int:
        """By all kernels."""
        return sum(one.bytes_written for one in self.kernels)

    @property
    def flops(self) -> int:
        """Of all kernels."""
        return sum(one.flops for one in self.kernels)

    @property
    def product_flops(self) -> int:
        """Those of multiply-adds in matrix products, inside attention too."""
        kernels = [one.kernel for one in self.kernels]
        return sum(
            flops_of_product(kernel) if isinstance(kernel, Product) else flops_of(kernel)
            for kernel in kernels
            if isinstance(kernel, Product) or (isinstance(kernel, Whole) and kernel.primitive in _OF_SCORES)
        )


def tally(buffers: Buffers, phases: Sequence[Sequence[Turn]], arena: Iterable[int], arena_bytes: int) -> ProgramTally:
    """Counts a program. `arena`: the buffers that are neither inputs nor outputs."""
    nodes = {number: node for node, number in buffers.number.items()}
    turns = [(k, turn) for k, phase in enumerate(phases) for turn in phase]
    kernels = [_kernel_tally(number, k, turn, nodes, buffers) for number, (k, turn) in enumerate(turns)]
    stored = _stored([turn.call for _, turn in turns], nodes, set(arena), buffers)
    return ProgramTally(tuple(kernels), tuple(stored), len(phases), arena_bytes)


def _kernel_tally(number: int, phase: int, turn: Turn, nodes: dict[int, Node], buffers: Buffers) -> KernelTally:
    call, kernel = turn.call, turn.call.kernel
    sizes = [buffers.size_of(nodes[buffer]) for buffer in call.buffers]
    read, written = traffic(kernel, sizes)
    fused = tuple(call.label.split())
    return KernelTally(
        number, phase, kind_of(kernel), shape_of(kernel), fused, _origin(call, nodes, buffers), read, written,
        flops_of(kernel), turn.owner, kernel,
    )  # fmt: skip


def kind_of(kernel: Kernel) -> str:
    """The kind of a kernel in a word."""
    return kernel.primitive if isinstance(kernel, Whole) else type(kernel).__name__.lower()


def shape_of(kernel: Kernel) -> tuple[int, ...]:
    """What a kernel runs over."""
    if isinstance(kernel, Product):
        return (*kernel.batch, kernel.m, kernel.n, kernel.k)
    return kernel.result.shape if isinstance(kernel, Whole) else kernel.domain


def _origin(call: Call, nodes: dict[int, Node], buffers: Buffers) -> str:
    """Where a kernel comes from: its product, else the first of its nodes of which it is known."""
    for buffer in sorted(call.writes):
        group = buffers.fused.home.get(nodes[buffer])
        if group is not None:
            for node in ([group.root] if group.root is not None else []) + list(group.levels):
                if node.origin is not None:
                    return short_origin(node.origin)
    return ""


def short_origin(origin: Origin) -> str:
    """The layer's path, or file and line."""
    if origin.code is None:
        return layer_path(origin.layers)
    name = origin.code.co_filename.replace("\\", "/").rpartition("/")[2]
    return layer_path(origin.layers) or f"{name}:{origin.line}"


# What is computed


def points_at(kernel: Rows | Columns | Product, level: Level) -> int:
    """How many values a step of a level has."""
    if level is Level.UNIFORM:
        return 1
    if isinstance(kernel, Product):
        return math.prod(kernel.batch) * kernel.m * kernel.n
    if level is Level.ELEMENT:
        return math.prod(kernel.domain)
    return math.prod(kernel.domain[:-1]) if isinstance(kernel, Rows) else kernel.domain[0] * kernel.domain[2]


def flops_of(kernel: Kernel) -> int:
    """The FLOPs of a kernel."""
    if isinstance(kernel, Whole):
        if kernel.primitive in _OF_SCORES:
            return _flops_of_attention(kernel)
        floating = kernel.result.dtype.is_floating_point and kernel.primitive in _ADDING
        return math.prod(kernel.inputs[-1].shape) if floating and kernel.inputs else 0
    found = flops_of_product(kernel) if isinstance(kernel, Product) else 0
    for step in kernel.steps:
        if isinstance(step, Apply) and step.dtype.is_floating_point and step.primitive not in ("cast", "alias"):
            found += points_at(kernel, step.level)
        elif isinstance(step, Reduce) and step.dtype.is_floating_point:
            found += points_at(kernel, Level.ELEMENT)
    return found


def _flops_of_attention(kernel: Whole) -> int:
    """Multiply-adds of its products, of the scores that count."""
    *_, q, _, v = kernel.inputs
    (length, width), (source, depth) = q.shape[-2:], v.shape[-2:]
    scores = length * source
    if dict(kernel.params)["is_causal"]:
        seen = min(length, source)
        scores = seen * (seen + 1) // 2 + (length - seen) * source
    by_width, by_depth = _OF_SCORES[kernel.primitive]
    return 2 * math.prod(q.shape[:-2]) * scores * (by_width * width + by_depth * depth)


def flops_of_product(kernel: Product) -> int:
    """Its multiply-adds, two each."""
    return 2 * math.prod(kernel.batch) * kernel.m * kernel.n * kernel.k


# What is moved


def traffic(kernel: Kernel, sizes: Sequence[int]) -> tuple[int, int]:
    """(bytes read, bytes written) by a kernel whose operands have so many bytes."""
    read: dict[int, int] = defaultdict(int)
    written: dict[int, int] = defaultdict(int)
    if isinstance(kernel, Whole):
        for place in kernel.inputs:
            read[place.operand] += _touched(place.shape, place.strides) * place.dtype.itemsize
        written[kernel.result.operand] = _place_bytes(kernel.result)
    else:
        shape = _shape_of_access(kernel)
        if isinstance(kernel, Product):
            for matrix, (rows, columns) in ((kernel.a, (kernel.m, kernel.k)), (kernel.b, (kernel.k, kernel.n))):
                strides = (*matrix.batch, matrix.row, matrix.column)
                read[matrix.operand] += _touched((*kernel.batch, rows, columns), strides) * kernel.dtype.itemsize
        for step in kernel.steps:
            if isinstance(step, Load):
                touched = _touched(shape, step.access.strides)
                if step.index is not None:  # anywhere: as many as there are points
                    touched = points_at(kernel, step.level)
                read[step.access.operand] += touched * step.dtype.itemsize
        for store in kernel.stores:
            written[store.access.operand] += _touched(shape, store.access.strides) * store.dtype.itemsize
    return _within(read, sizes), _within(written, sizes)


def _shape_of_access(kernel: Rows | Columns | Product) -> tuple[int, ...]:
    return (*kernel.batch, kernel.m, kernel.n) if isinstance(kernel, Product) else kernel.domain


def _touched(shape: Sequence[int], strides: Sequence[int]) -> int:
    """The elements at the places of a view."""
    if 0 in shape:
        return 0
    return math.prod([length for length, stride in zip(shape, strides, strict=True) if stride])


def _place_bytes(place: Place) -> int:
    return math.prod(place.shape) * place.dtype.itemsize


def _within(found: dict[int, int], sizes: Sequence[int]) -> int:
    return sum(min(count, sizes[operand]) for operand, count in found.items())


# What is stored, and why


def _stored(calls: list[Call], nodes: dict[int, Node], arena: set[int], buffers: Buffers) -> list[StoredTally]:
    writers = {buffer: k for k, call in reversed(list(enumerate(calls))) for buffer in call.writes}
    readers: dict[int, list[int]] = defaultdict(list)
    for k, call in enumerate(calls):
        for buffer in call.reads:
            readers[buffer].append(k)
    found = []
    for buffer in sorted(arena & writers.keys() & readers.keys(), key=lambda b: (writers[b], b)):
        node, writer = nodes[buffer], writers[buffer]
        reasons = [_why(calls, writers, buffer, node, reader) for reader in readers[buffer]]
        why = "; ".join(dict.fromkeys(reasons))
        value = f"{node.primitive.name} {node.type}"
        found.append(StoredTally(value, buffers.size_of(node), writer, tuple(readers[buffer]), why))
    return found


def _why(calls: list[Call], writers: dict[int, int], buffer: int, node: Node, reader: int) -> str:
    """Why one reader takes a value from memory and not from registers."""
    writer, call = calls[writers[buffer]], calls[reader]
    kernel, operand = call.kernel, call.buffers.index(buffer)
    if isinstance(kernel, Whole):
        return f"read by {kernel.primitive}, a kernel of its own"
    if node.type.size == 1:
        return "one number, made once for all that read it"
    if isinstance(kernel, Product):
        return _why_product(kernel, operand)
    if isinstance(writer.kernel, Whole):
        return f"made by {writer.kernel.primitive}, a kernel of its own"
    places = [step for step in kernel.steps if isinstance(step, Load) and step.access.operand == operand]
    if any(step.index is not None for step in places):
        return "read at computed places"
    if _is_reduced(writer, writer.buffers.index(buffer)):
        return "a reduction, complete when its kernel ends"
    if not all(_is_in_order(kernel, step.access, node.type.size) for step in places):
        return "read in another order, or repeated"
    others = [writers[b] for b in call.reads if writers.get(b, -1) > writers[buffer]]
    if others:
        return f"its reader needs what kernel {max(others)} makes, too"
    if isinstance(writer.kernel, Product) and any(isinstance(step, Reduce) for step in kernel.steps):
        return "its reader reduces, which a product's epilogue does not"
    if type(kernel) is not type(writer.kernel):
        return f"its reader runs over {kind_of(kernel)}"
    return "its reader runs over other points"


def _why_product(kernel: Product, operand: int) -> str:
    for matrix, columns in ((kernel.a, kernel.k), (kernel.b, kernel.n)):
        if matrix.operand == operand:
            return "read by a product, transposed" if matrix.column != 1 and columns > 1 else "read by a product"
    return "read by another product's epilogue"


def _is_reduced(writer: Call, operand: int) -> bool:
    """Whether what a kernel stores there is a reduction along its rows or columns, or made of one."""
    kernel = writer.kernel
    if not isinstance(kernel, Rows | Columns) or not any(isinstance(step, Reduce) for step in kernel.steps):
        return False
    return any(store.level is Level.ROW for store in kernel.stores if store.access.operand == operand)


def _is_in_order(kernel: Rows | Columns, access: Access, size: int) -> bool:
    """Whether a kernel reads all of an array of that size, in its order."""
    return is_identity(View(kernel.domain, access.strides, access.offset), size)
