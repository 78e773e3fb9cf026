"""What can only be compiled here: kernels of every kind for other processors. Nothing that they call may be missing."""

from __future__ import annotations

import functools

import llvmlite.binding as llvm
import numpy as np
import pytest

from chainrule.backends.native.drawing import Drawing
from chainrule.backends.native.emit import emit, name_of
from chainrule.backends.native.level import Level
from chainrule.backends.native.symbols import symbols_of
from chainrule.backends.native.text import Function, module_text
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import DTYPES
from chainrule.passes.kernels import Columns, Kernel, Product, Rows, Whole
from tests.backends.native.machine_code import OTHER_LEVELS
from tests.backends.native.models import begun
from tests.backends.native.primitive_cases import PRIMITIVES, cases
from tests.backends.native.primitive_checks import LAYOUTS, together

TRAININGS = ("batch norm", "gpt")


@functools.cache
def kernels() -> tuple[Kernel, ...]:
    """Of every primitive on one case, the element types in turn, and of training steps."""
    found = dict.fromkeys(kernel for graph in (*_of_primitives(), *_of_trainings()) for kernel in _kernels_of(graph))
    return tuple(found)


def _kernels_of(graph: Graph) -> list[Kernel]:
    return [call.kernel for call in Drawing(graph).buffers.calls]


def _of_primitives() -> list[Graph]:
    rng = np.random.default_rng(0)
    graphs = []
    for k, name in enumerate(PRIMITIVES):
        given = [case for dtype in DTYPES for case in cases(REGISTRY[name], dtype, rng)[:1]]
        graphs.append(together(name, [given[k % len(given)]], LAYOUTS)[0])
    return graphs


def _of_trainings() -> list[Graph]:
    graphs = []
    with state.using(state.executor, "reference"):
        for name in TRAININGS:
            trained = begun(name)
            trained.run(1)
            graphs.append(trained.step.graph)  # type: ignore[attr-defined]
    return graphs


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
def test_kernels_of_every_kind_compile(level: Level) -> None:
    assert {type(kernel) for kernel in kernels()} == {Rows, Columns, Product, Whole}
    functions: list[Function] = []
    for kernel in kernels():
        functions += emit(name_of(kernel), kernel, level)[0]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(level.triple)
    machine = target.create_target_machine(  # as in jit.py, but for the effort
        cpu=level.cpu, features=level.features, opt=0, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(module_text(functions, level), llvm.create_context())
    module.verify()
    symbols = symbols_of(bytes(machine.emit_object(module)))
    assert {name_of(kernel) for kernel in kernels()} <= symbols.defined
    assert symbols.undefined <= {"memcpy", "memmove", "memset"}
