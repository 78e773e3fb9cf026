"""What makes training fast, without a clock: kernels, barriers and bytes of steps like those of the benchmarks."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chainrule import optim
from chainrule.backends.native import drawing, walk
from chainrule.backends.native.runner import Runner
from chainrule.bench.steps_chainrule import Gpt, Mlp
from chainrule.bench.workloads import WORKLOADS
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.nn import functional as F
from chainrule.passes.fuse import MOST_SCALARS
from chainrule.passes.kernels import Product, Whole
from chainrule.passes.tally import ProgramTally, tally
from tests.backends.native.models import Training, labelled, numbers, of_classes, text, training
from tests.natively import natively
from tests.passes.interpreted import Lowered, Memory, lowered


def tabular() -> Training:
    return training(Mlp([32, 64, 64, 1]), lambda p: optim.Adam(p, 1e-3), F.mse_loss, numbers(64, 32))


def images() -> Training:
    make = lambda p: optim.SGD(p, 0.01, momentum=0.9)
    return training(Mlp([784, 512, 256, 10]), make, F.cross_entropy, labelled(128, 784, 10))


def characters(layers: int = 2) -> Training:
    model = Gpt(replace(WORKLOADS["gpt_char"], layers=layers))
    return training(model, lambda p: optim.AdamW(p, 1e-3), of_classes, text(4, 64, 65), clip=1.0)


STEPS: dict[str, Callable[[], Training]] = {"tabular": tabular, "images": images, "characters": characters}

# (kernels, barriers, bytes that kernels move for each byte of inputs and outputs): at most.
BUDGETS = {"tabular": (25, 5, 2.8), "images": (18, 6, 1.65), "characters": (177, 45, 5.2)}
# What one more block of a language model may add: (kernels, barriers).
PER_BLOCK = (71, 19)


native = pytest.fixture(autouse=True)(natively)


def compiled(trained: Training, calls: int = 1) -> Any:
    """Its step, called with other batches."""
    trained.run(calls)
    return trained.step


@functools.cache
def counted(make: Callable[..., Training], *arguments: int) -> tuple[Lowered, ProgramTally]:
    """A step's kernels and what they move: of its graph alone, so that nothing has to be compiled."""
    with state.using(state.executor, "reference"):
        program = lowered(compiled(make(*arguments)).graph)
    memory = Memory(program, [])
    return program, tally(program.buffers, program.phases, memory.sizes, memory.end)


@pytest.mark.parametrize("name", STEPS)
def test_kernels_barriers_and_bytes_of_a_step(name: str) -> None:
    program, count = counted(STEPS[name])
    kernels, barriers, ratio = BUDGETS[name]
    outside = sum(program.buffers.size_of(node) for node in (*program.graph.inputs, *program.graph.outputs))
    assert len(count.kernels) <= kernels
    assert count.barriers <= barriers
    assert count.bytes_read + count.bytes_written <= ratio * outside


def test_a_block_adds_the_same_each_time() -> None:
    (_, one), (_, two), (_, three) = [counted(characters, layers) for layers in (1, 2, 3)]
    for most, counts in zip(
        PER_BLOCK, zip(*[(len(count.kernels), count.barriers) for count in (one, two, three)], strict=True), strict=True
    ):
        more, still_more = counts[1] - counts[0], counts[2] - counts[1]
        assert abs(still_more - more) <= 1, "of the calls that add up gradients' norms, one does it for two blocks"
        assert still_more <= most
    assert three.distinct <= two.distinct + 1, "equal blocks share their kernels' code"
    assert max(len(getattr(one.kernel, "steps", ())) for one in three.kernels) <= 3 * MOST_SCALARS, "nor do those grow"
    assert three.arena_bytes - two.arena_bytes <= 1.2 * (two.arena_bytes - one.arena_bytes)


def calls_of(work: Callable[[], object]) -> int:
    """How many calls of Python functions it takes."""
    calls = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(on_event)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_of_compiling_is_the_same_for_each_block_however_many() -> None:
    """Traces, passes and the program's key; of machine code, equal blocks need no more."""
    with state.using(state.executor, "reference"):
        trained: list[Any] = [characters(layers) for layers in (1, 1, 4, 8)]  # the first one warms caches
        works: list[list[int]] = [[calls_of(lambda one=one: one.run(1)) for one in trained]]  # type: ignore[misc]
    graphs: list[Graph] = [one.step.graph for one in trained]
    works.append([calls_of(lambda graph=graph: drawing.Drawing(graph)) for graph in graphs])  # type: ignore[misc]
    works.append([calls_of(graph.key) for graph in graphs])
    nodes = len(graphs[3].nodes) - len(graphs[2].nodes)
    for (_, one, four, eight), calls_a_node in zip(works, (55, 100, 5), strict=True):
        assert (eight - four) / 4 <= 1.02 * (four - one) / 3
        assert eight - four <= calls_a_node * nodes


@pytest.mark.parametrize("name", STEPS)
def test_products_do_what_training_takes_and_no_more(name: str) -> None:
    """Forward, and for both operands backward; nothing is computed twice."""
    program, count = counted(STEPS[name])
    products = [call.kernel for call in program.calls if isinstance(call.kernel, Product)]
    names = [node.primitive.name for node in program.graph.nodes]
    matmuls = names.count("matmul") + names.count("linear")
    attentions = 2 * names.count("scaled_dot_product_attention") + 4 * names.count("attention_gradients")
    assert len(products) == matmuls + attentions, "q k^T is not made again for the gradient"
    if name == "tabular":
        assert count.product_flops == 2 * 64 * (3 * 64 * 64 + 2 * 32 * 64 + 3 * 64)
    elif name == "images":
        assert count.product_flops == 2 * 128 * (2 * 784 * 512 + 3 * 512 * 256 + 3 * 256 * 10)


@pytest.mark.parametrize("name", ["tabular", "images"])
def test_updates_of_weights_are_no_passes_of_their_own(name: str) -> None:
    """Each is in the kernel that makes its gradient: what is left of rows is small."""
    program, count = counted(STEPS[name])
    written = {k: node for node, k in program.buffers.number.items()}
    large = [
        one
        for one, call in zip(count.kernels, [turn.call for phase in program.phases for turn in phase], strict=True)
        if one.kind == "rows" and any(written[k].type.size >= 2048 for k in call.writes)
    ]
    assert not large, [one.fused for one in large]


@pytest.mark.parametrize("name", STEPS)
def test_one_trace_serves_every_batch(name: str) -> None:
    step = compiled(STEPS[name](), calls=3)
    assert step.traces == 1


@pytest.mark.parametrize("name", STEPS)
def test_a_call_is_one_launch_of_machine_code(name: str) -> None:
    """Kernels and barriers, and no way back into Python: each step of the program is a kernel's address, or a wait."""
    runner = compiled(STEPS[name]()).last.execute
    assert isinstance(runner, Runner)
    codes = runner.steps[:, 0].tolist()
    waits = [code for code in codes if code in (walk.BARRIER, walk.CHECKED_BARRIER)]
    assert len(waits) == len(runner.phases) - 1
    assert codes[-1] == walk.END
    assert len(codes) == 1 + len(waits) + sum(map(len, runner.phases))
    assert not any(callable(value) for node in runner.graph.nodes for value in node.params.values())


def test_nothing_in_a_language_model_moves_elements() -> None:
    """Heads are merged, and the gradients of queries, keys and values laid side by side, by the products' stores."""
    program, count = counted(characters, 1)
    assert [call.kernel.primitive for call in program.calls if isinstance(call.kernel, Whole)] == ["index_add"]
    assert not [one.fused for one in count.kernels if set(one.fused) <= {"reshape", "permute", "concatenate"}]
