"""What the passes make of a graph: buffers, calls of kernels on them, phases; and their machine code."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping

from chainrule.backends.native.attention_blocks import LOWERING
from chainrule.backends.native.blueprint import Blueprint, NotCompiledError
from chainrule.backends.native.emit import emit, has_row, name_of
from chainrule.backends.native.jit import compile_object, meanwhile
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, module_text
from chainrule.backends.native.whole import WHOLE
from chainrule.ir.graph import Graph
from chainrule.passes.canonical import canonical
from chainrule.passes.describe import Buffers
from chainrule.passes.expand import MissingRowError
from chainrule.passes.fuse import fuse
from chainrule.passes.graph_passes import graph_passes
from chainrule.passes.in_place import in_place, last_refusing
from chainrule.passes.kernels import Call, Kernel
from chainrule.passes.memory import lifetimes, plan
from chainrule.passes.schedule import Turn, schedule

_ALIGNMENT = 64  # bytes, of each thread's scratch memory


class Drawing:
    """A graph on its way to machine code."""

    def __init__(self, graph: Graph) -> None:
        try:
            lowered = canonical(graph_passes(graph, has_row, LOWERING))
        except MissingRowError as error:
            raise NotCompiledError(f"there is no machine code yet for {', '.join(error.names)}.") from None
        fused = fuse(lowered, WHOLE)
        self.buffers = Buffers(fused, lowered.inputs, lowered.outputs)
        self.inputs = len(lowered.inputs)
        self.outputs = tuple([self.buffers.number[fused.views.of(node)[0]] for node in lowered.outputs])
        written = Counter(self.outputs)
        alone = {k: j for k, j in graph.aliases.items() if written[self.outputs[k]] == 1}
        self.replaced = {self.outputs[k]: j for k, j in alone.items()}  # {an output's buffer: an input's}

    @functools.cached_property
    def phases(self) -> list[list[Turn]]:
        """The calls in their order."""
        return schedule(self.buffers.calls, self.replaced)

    def in_place(self) -> tuple[int, ...]:
        """Which outputs may be written over the inputs that they replace."""
        found = in_place(self.phases, self.replaced)
        return tuple([k for k, buffer in enumerate(self.outputs) if buffer in found])

    def blueprint(self, level: Level) -> tuple[Blueprint, bytes]:
        """The program as data, and the object code of its kernels (nothing, of none).

        LLVM compiles on a thread of its own while this one plans: a deep model has more to plan, and no more kernels.
        """
        kernels: dict[Kernel, int] = {}
        numbers = [kernels.setdefault(call.kernel, len(kernels)) for call in self.buffers.calls]
        names, functions, scratch = _written(list(kernels), level)
        code = meanwhile(compile_object, module_text(functions, level), level) if functions else bytes
        blueprint = self._planned(dict(zip(self.buffers.calls, numbers, strict=True)), names, scratch)
        return blueprint, code()

    def _planned(self, numbers: Mapping[Call, int], names: tuple[str, ...], scratch: int) -> Blueprint:
        """The program as data; `numbers` are those of the kernels that are called."""
        external = {*range(self.inputs), *self.outputs}
        sizes = {k: self.buffers.size_of(node) for node, k in self.buffers.number.items() if k not in external}
        offsets, arena_bytes = plan(sizes, lifetimes(self.phases))
        phases = [
            tuple([(numbers[turn.call], turn.owner, *turn.call.buffers) for turn in phase]) for phase in self.phases
        ]
        return Blueprint(
            kernels=names,
            phases=tuple(phases),
            buffers=len(self.buffers.number),
            outputs=self.outputs,
            in_place=self.in_place(),
            checked=last_refusing(self.phases),
            offsets=tuple(offsets.items()),
            arena_bytes=arena_bytes,
            scratch_bytes=-(-max(scratch, 1) // _ALIGNMENT) * _ALIGNMENT,
        )


def _written(kernels: list[Kernel], level: Level) -> tuple[tuple[str, ...], list[Function], int]:
    """The names of the kernels' functions, all functions, the scratch memory that a thread needs."""
    functions: list[Function] = []
    scratch = 0
    names = tuple([name_of(kernel) for kernel in kernels])
    for name, kernel in zip(names, kernels, strict=True):
        found, needed = emit(name, kernel, level)
        functions += found
        scratch = max(scratch, needed)
    return names, functions, scratch
