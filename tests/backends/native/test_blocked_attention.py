"""Attention in blocks: the reference's results from kernels that hold no [L, S], and to any order; linear memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.reverse import reverse
from chainrule.backends import reference
from chainrule.backends.native.attention_blocks import bounds_of, pays
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.runner import Runner
from chainrule.backends.native.text import module_text
from chainrule.backends.native.whole import emit_whole
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Array, DType, Type, float32, float64
from chainrule.nn import functional as F
from chainrule.ops.attention import scaled_dot_product_attention
from chainrule.ops.blocked_attention import gradient_operands
from chainrule.passes.kernels import Reduce, Rows, Whole
from chainrule.passes.tally import ProgramTally, tally
from tests.backends.native.machine_code import OTHER_LEVELS
from tests.backends.native.primitive_checks import SUMS, widely
from tests.backends.native.whole_harness import LAYOUTS, kernel_of, laid_out, run, spread
from tests.gradients import check_second_order, check_vjp
from tests.passes.interpreted import Memory, lowered

RNG = np.random.default_rng(0)
BOTH = ["blocked_attention", "blocked_attention_gradients"]
EACH_CAUSAL = pytest.mark.parametrize("causal", [False, True])
each_level = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)


def draw(sizes: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> list[Array]:
    """q, k, v and the cotangent of y, for (*batch, L, S, E, D)."""
    rng, (length, source, width, depth) = np.random.default_rng(seed), sizes[-4:]
    own = (length, width), (source, width), (source, depth), (length, depth)
    return [rng.uniform(-2, 2, (*sizes[:-4], *shape)).astype(dtype) for shape in own]


# The kernels ----------------------------------------------------------------------------------------------------------

# (*batch, L, S, E, D): less than a block and a vector, more than blocks, with something left over
SIZES = [(1, 1, 1, 1), (5, 7, 3, 4), (2, 3, 17, 17, 8, 8), (130, 100, 32, 32), (1, 200, 230, 24, 40), (70, 300, 17, 9)]


def given(
    name: str, sizes: tuple[int, ...], dtype: str, causal: bool, merged: bool = False
) -> tuple[list[Array], dict[str, Any]]:
    q, k, v, g = draw(sizes, dtype)
    params: dict[str, Any] = {"scale": 0.4, "is_causal": causal, "merged": merged}
    if name == "blocked_attention":
        return [q, k, v], params
    source = k.shape[-2]
    bounds = (0, source) if merged else tuple(sorted({0, source // 3, source // 2, source}))
    return gradient_operands(q, k, v, g, 0.4, causal), {**params, "bounds": bounds}


@each_level
@EACH_CAUSAL
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", ["blocked_attention", "blocked_attention_gradients"])
def test_any_layout_in_any_number_of_parts(name: str, sizes: tuple[int, ...], causal: bool, level: Level) -> None:
    for dtype in ("float32", "float64") if len(sizes) > 4 else ("float32",):
        arrays, params = given(name, sizes, dtype, causal)
        expected = widely(name, arrays, params)
        operands = [laid_out(x, LAYOUTS[(k + sizes[-3]) % len(LAYOUTS)]) for k, x in enumerate(arrays)]
        like = np.empty(expected.shape, dtype)
        first, _ = run(name, operands, params, like, level)
        off = np.max(np.abs(first - expected)) / max(1.0, float(np.max(np.abs(expected))))
        assert off <= SUMS[dtype] * 1.5, f"{dtype}: {off}"
        for parts in (2, 3, 4) if dtype == "float32" else ():
            found, _ = run(name, operands, params, like, level, parts=parts, at_end=parts % 2 == 0)
            assert found.tobytes() == first.tobytes()


@each_level
@EACH_CAUSAL
@pytest.mark.parametrize("sizes", [(2, 3, 17, 17, 8, 8), (1, 130, 130, 20, 20), (4, 70, 70, 9, 9)], ids=str)
def test_results_with_the_heads_of_a_position_together(sizes: tuple[int, ...], causal: bool, level: Level) -> None:
    """The bits are those of results by heads."""
    apart, together = ([given(name, sizes, "float32", causal, merged) for name in BOTH] for merged in (False, True))
    *rest, heads, length, _, width, _ = sizes
    for name, (arrays, params), (_, merged) in zip(BOTH, apart, together, strict=True):
        params = {**params, **{key: merged[key] for key in ("bounds",) if key in merged}}
        like = np.empty(widely(name, arrays, params).shape, np.float32)
        operands = [laid_out(x, "plain") for x in arrays]
        expected, _ = run(name, operands, params, like, level)
        wanted = np.asarray(REGISTRY[name].reference(*arrays, **merged))
        for parts in (1, 3):
            found, _ = run(name, operands, merged, like, level, parts=parts)
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
            if name == "blocked_attention":
                size = arrays[0].size
                y, lse = found[:size].reshape(*rest, length, heads, width), found[size:]
                by_head = np.concatenate([np.swapaxes(y, -2, -3).reshape(-1), lse])
            else:
                each = np.moveaxis(found.reshape(*rest, length, 3, heads, width), -3, 0)
                by_head = np.swapaxes(each, -2, -3).reshape(-1)
            assert by_head.tobytes() == expected.tobytes()


@each_level
def test_repeated_elements(level: Level) -> None:
    """Strides of 0, as a cotangent has that is one number."""
    arrays, params = given("blocked_attention_gradients", (20, 30, 9, 5), "float32", True)
    arrays[0] = np.broadcast_to(np.float32(0.5), arrays[0].shape)
    expected = widely("blocked_attention_gradients", arrays, params)
    operands = [spread(np.array(0.5, np.float32), arrays[0].shape), *(laid_out(x, "plain") for x in arrays[1:])]
    found, _ = run("blocked_attention_gradients", operands, params, np.empty(expected.shape, np.float32), level)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * float(np.abs(expected).max()))


@each_level
def test_scores_of_any_size(level: Level) -> None:
    """Neither overflow, nor what is far below the largest, nor a block of nothing but -inf before a finite score."""
    q, k, v, _ = draw((40, 300, 8, 8))
    k[:200] = 0
    k[:200, 0], q[:, 0] = -np.inf, 3
    k[200:] *= 40
    for causal in (False, True):
        params = {"scale": 1.0, "is_causal": causal, "merged": False}
        with np.errstate(all="ignore"):
            expected = widely("blocked_attention", [q, k, v], params)
        like = np.empty(expected.shape, np.float32)
        found, _ = run("blocked_attention", [laid_out(x, "plain") for x in (q, k, v)], params, like, level)
        np.testing.assert_allclose(found[: 40 * 8], expected[: 40 * 8], rtol=1e-4, atol=1e-4)
        assert np.isnan(found).any() == causal, "where all that is seen is -inf, the softmax is NaN"


@each_level
@EACH_CAUSAL
def test_a_nan_reaches_those_that_see_it_and_no_others(causal: bool, level: Level) -> None:
    q, k, v, _ = draw((70, 200, 8, 8))
    k[65] = np.nan
    like = np.empty(70 * 9, np.float32)
    params = {"scale": 1.0, "is_causal": causal, "merged": False}
    found, _ = run("blocked_attention", [laid_out(x, "plain") for x in (q, k, v)], params, like, level)
    rows = np.isnan(found[: 70 * 8].reshape(70, 8))
    expected = np.arange(70) >= 65 if causal else np.ones(70, bool)
    np.testing.assert_array_equal(rows, np.repeat(expected[:, None], 8, 1))


@each_level
def test_what_is_hidden_is_left_out_within_blocks(level: Level) -> None:
    """A factor of 0 would let a NaN through; terms that are not added cannot."""
    length, width, tile = 128, 8, 32
    q, k, v, g = draw((length, length, width, width))
    spoiled = v.copy()
    spoiled[96:] = np.nan
    params: dict[str, Any] = {"scale": 1.0, "is_causal": True, "merged": False}
    like = np.empty(length * (width + 1), np.float32)
    found, _ = run("blocked_attention", [laid_out(x, "plain") for x in (q, k, spoiled)], params, like, level)
    assert np.isfinite(found[: 96 * width]).all()
    arrays = gradient_operands(q, k, v, g, 1.0, True)
    arrays[0][0] = np.nan
    params, like = {**params, "bounds": (0, length)}, np.empty(3 * length * width, np.float32)
    found, _ = run("blocked_attention_gradients", [laid_out(x, "plain") for x in arrays], params, like, level)
    to_q, to_k, to_v = found.reshape(3, length, width)
    assert np.isfinite(to_q[1:]).all()
    assert np.isfinite(to_k[tile:]).all()
    assert np.isfinite(to_v[tile:]).all()


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("name", ["blocked_attention", "blocked_attention_gradients"])
def test_other_processors_get_code(name: str, level: Level) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(level.triple).create_target_machine(cpu=level.cpu, features=level.features, opt=1)
    for dtype in ("float32", "float64") if level.name == "neon" else ("float32",):
        arrays, params = given(name, (130, 100, 20, 33), dtype, True)
        like = np.asarray(REGISTRY[name].reference(*arrays, **params))
        functions, scratch = emit_whole(
            "kernel", kernel_of(name, [laid_out(x, "plain") for x in arrays], params, like), level
        )
        module = llvm.parse_assembly(module_text(functions, level))
        module.verify()
        assert scratch > 0
        assert len(machine.emit_object(module)) > 1000


# When, and what programs become of it ---------------------------------------------------------------------------------


def program(sizes: tuple[int, ...], causal: bool, dtype: DType = float32) -> Graph:
    """y and the gradients of q, k and v, from q, k, v and y's cotangent."""
    length, source, width, depth = sizes[-4:]
    own = (length, width), (source, width), (source, depth), (length, depth)
    types = [Type((*sizes[:-4], *shape), dtype) for shape in own]
    inputs = tuple(make_input(f"x{k}", type, needs_grad=k < 3) for k, type in enumerate(types))
    with state.using(state.trace, Trace()):
        q, k, v, g = inputs
        y = scaled_dot_product_attention(q, k, v, is_causal=causal)
        flows = reverse([y], [g], [q, k, v])
    return Graph(inputs, (y, *(flows[x] for x in (q, k, v))))


def blocked(graph: Graph) -> list[str]:
    """The kernels in blocks that a graph becomes."""
    calls = lowered(graph).calls
    return [call.kernel.primitive for call in calls if isinstance(call.kernel, Whole) and "blocked" in call.label]


@EACH_CAUSAL
@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((4, 1024, 1024, 64, 64), (BOTH, BOTH)),
        ((4, 64, 64, 32, 32), ([], [])),  # scores are small: faster stored
        ((4, 256, 256, 64, 64), ([], BOTH)),  # half of them do not count
        ((1, 100_000, 64, 64), ([], [])),  # one position reads all of k once, however it is done
        ((1024, 1024, 64, 1024), ([], [])),  # what comes out is as large as the scores
        ((0, 1024, 1024, 8, 8), ([], [])),
    ],
)
def test_when_scores_are_not_stored(sizes: tuple[int, ...], expected: tuple[list[str], ...], causal: bool) -> None:
    assert blocked(program(sizes, causal)) == expected[causal]


def test_shapes_alone_decide() -> None:
    q, v = Type((4, 512, 64), float32), Type((4, 512, 64), float32)
    assert pays(q, v, 512, False)
    assert not pays(q, v, 500, False)
    assert pays(Type(q.shape, float64), Type(v.shape, float64), 500, False), "its scores have twice the bytes"


@EACH_CAUSAL
def test_the_ranges_of_k_take_the_same_work(causal: bool) -> None:
    """As many as keep four threads busy, however few heads there are."""
    for heads, source in ((1, 4096), (3, 2048), (8, 1024), (40, 4096), (1, 130)):
        bounds = bounds_of(heads, source, causal)
        assert (bounds[0], bounds[-1]) == (0, source)
        work = [(b - a) * (source - (a + b) / 2 if causal else 1) for a, b in pairwise(bounds)]
        assert heads * len(work) >= min(16, heads * (source // 256))
        assert max(work) <= 1.8 * sum(work) / len(work)


@EACH_CAUSAL
def test_memory_grows_with_the_length_and_not_with_its_square(causal: bool) -> None:
    found = []
    for length in (1024, 2048, 4096):
        made = lowered(program((4, length, length, 64, 64), causal))
        memory = Memory(made, [])
        count = tally(made.buffers, made.phases, memory.sizes, memory.end)
        found.append(count.arena_bytes)
    assert found[1] <= 2.05 * found[0]
    assert found[2] <= 2.05 * found[1]
    assert found[2] < 4096 * 4096 * 4, "less than the scores of one head"


@EACH_CAUSAL
def test_products_are_those_of_blocks(causal: bool) -> None:
    made = lowered(program((4, 1024, 1024, 64, 64), causal))
    memory = Memory(made, [])
    count = tally(made.buffers, made.phases, memory.sizes, memory.end)
    scores = 1024 * 1025 // 2 if causal else 1024 * 1024
    assert count.product_flops == 7 * 2 * 4 * 64 * scores, "two forward, five backward"


def tally_of(compiled: Any) -> ProgramTally:
    """What is counted of a compiled function's one program."""
    ((_, report),) = compiled.explain().parts
    found: ProgramTally = report.tally
    return found


# Whole programs -------------------------------------------------------------------------------------------------------


@EACH_CAUSAL
@pytest.mark.parametrize("sizes", [(2, 600, 500, 24, 40), (1, 3, 515, 700, 33, 8)], ids=str)
def test_values_and_gradients_of_a_program(sizes: tuple[int, ...], causal: bool) -> None:
    """Against the reference in float64; the same bits for any number of threads."""
    graph = program(sizes, causal)
    assert blocked(graph) == BOTH
    q, k, v, g = draw(sizes)
    exact = reference.compile(program(sizes, causal, float64))([x.astype(float) for x in (q, k, v, g)])
    first = None
    for threads in (1, 2, 3, 4):
        found = Runner(graph, lambda: threads, reference.compile, host_levels()[0])([q, k, v, g])  # noqa: B023
        first = first or found
        assert [x.tobytes() for x in found] == [x.tobytes() for x in first]
    for one, wanted in zip(first or (), exact, strict=True):
        assert one.shape == wanted.shape
        assert np.max(np.abs(one - wanted)) <= SUMS["float32"] * max(1.0, float(np.max(np.abs(wanted))))


@EACH_CAUSAL
def test_gradients_of_gradients_of_long_sequences(causal: bool) -> None:
    """A penalty on the norm of a gradient, natively against the reference."""

    def penalty(q: Any, k: Any, v: Any) -> Any:
        q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        flows = cr.autograd.grad((y * y).sum(), [q, k, v], create_graph=True)
        return cr.autograd.grad(sum((flow * flow).sum() for flow in flows), [q, k, v])

    q, k, v = (cr.tensor(0.5 * x) for x in draw((2, 512, 520, 8, 12), "float64")[:3])
    expected = penalty(q, k, v)
    with state.using(state.executor, "native"):
        step = cr.compile(penalty)
        found = step(q, k, v)
    names = {one.kernel.primitive for one in tally_of(step).kernels if isinstance(one.kernel, Whole)}
    assert set(BOTH) <= names
    for one, wanted in zip(found, expected, strict=True):
        scale = np.max(np.abs(wanted.numpy()))
        assert np.max(np.abs(one.numpy() - wanted.numpy())) <= 1e-12 * scale


def test_the_rules_behind_them_hold_to_second_order() -> None:
    """Of sizes at which programs take blocks; against differences."""
    q, k, v, _ = (0.3 * x for x in draw((64, 256, 3, 2), "float64"))

    def attention(q: Any, k: Any, v: Any) -> Any:
        return [scaled_dot_product_attention(q, k, v, is_causal=True)]

    rng = np.random.default_rng(1)
    check_vjp(attention, [q, k, v], 1e-7, rng)
    check_second_order(attention, [q, k, v], 1e-7, rng)


def test_transposed_heads_are_read_where_they_are() -> None:
    """q, k and v as slices of one projection, [positions, heads, width]: no copy of them is made."""
    heads, length, width = 4, 300, 16

    def step(x: Any) -> Any:
        q, k, v = (part.reshape(length, heads, width).transpose(0, 1) for part in x.chunk(3, 1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    x = cr.tensor(RNG.standard_normal((length, 3 * heads * width)).astype("f"))
    with state.using(state.executor, "native"):
        compiled = cr.compile(step)
        found = compiled(x)
    kernels = tally_of(compiled).kernels
    assert [one.kind for one in kernels if one.kind != "rows"] == ["blocked_attention"]
    assert sum(one.bytes_read for one in kernels) <= 2 * x.numpy().nbytes
    np.testing.assert_allclose(found.numpy(), step(x).numpy(), atol=3e-6)


def test_heads_are_merged_and_their_gradients_laid_side_by_side_where_they_are_made() -> None:
    """A transformer's attention between two projections: beside kernels in blocks and products, only the rows' sums."""
    heads, length, width = 4, 256, 16

    def step(x: Any, w: Any, p: Any) -> Any:
        x, w, p = (a.detach().requires_grad_() for a in (x, w, p))
        parts = (x @ w).split(heads * width, -1)
        q, k, v = (part.view(4, length, heads, width).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(4, length, heads * width)
        return cr.autograd.grad(((y @ p) ** 2).sum(), [x, w, p])

    shapes = (4, length, 24), (24, 3 * heads * width), (heads * width, 24)
    given = [cr.tensor(0.5 * RNG.standard_normal(shape).astype("f")) for shape in shapes]
    expected = step(*given)
    with state.using(state.executor, "native"):
        compiled = cr.compile(step)
        found = compiled(*given)
    kernels = [one.kernel for one in tally_of(compiled).kernels]
    assert [kernel.primitive for kernel in kernels if isinstance(kernel, Whole)] == BOTH
    (rows,) = [kernel for kernel in kernels if isinstance(kernel, Rows)]
    assert [step.operation for step in rows.steps if isinstance(step, Reduce)] == ["sum"]
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-4 * np.abs(wanted.numpy()).max())
