"""Whether a native program agrees with the reference, on random programs: in values and, over threads, in bits.

How far may results differ that are rounded in another order? As far as the reference is from a float64 run of it, or
moves when its inputs change in their last places, times `FACTOR`: a program that is that sensitive says no more. Where
both are nothing, `FLOOR` times the type's epsilon is allowed, of the largest element. In float64 nothing says how far
the reference is off, so that there it must cover what cancels: 1 + x keeps little of a small x.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import chainrule as cr
from chainrule.backends import reference
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.runner import Runner, aligned
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.types import Array
from tests.backends.random_programs import Author

THREADS = (1, 2, 3, 4)
FACTOR = 4.0
FLOOR = {"float32": 16, "float64": 8192}
_TRIALS = 12
LEVELS = host_levels()


class Disagreement(AssertionError):
    """A native program gives something else than the reference."""


@dataclass(frozen=True)
class Sample:
    """A graph and its inputs; those of the same program in float64, where it is in float32."""

    graph: Graph
    arrays: list[Array]
    wide: tuple[Graph, list[Array]] | None = None
    names: tuple[str, ...] = ()

    @functools.cached_property
    def found(self) -> list[Array]:
        """The reference's results."""
        return reference.compile(self.graph)(self.arrays)

    @functools.cached_property
    def exact(self) -> list[Array]:
        """In float64."""
        return reference.compile(self.wide[0])(self.wide[1]) if self.wide is not None else self.found

    def moved(self) -> list[Array]:
        """How far each result moves when inputs change in their last places; kinks are met on the way."""
        most = [np.zeros(()) for _ in self.found]
        run = reference.compile(self.graph)
        for trial in range(_TRIALS):
            rng = np.random.default_rng(trial)
            for k, result in enumerate(run([_shaken(array, rng) for array in self.arrays])):
                if result.dtype.kind == "f":
                    most[k] = np.fmax(most[k], np.max(_off(result, self.found[k]), initial=0))
        return most


def sample(seed: int, length: int, dtype: type[np.floating] = np.float32) -> Sample:
    """A random program."""
    author = Author(seed, length)
    graph, arrays = traced(author, dtype)
    wide = traced(author, np.float64) if dtype is np.float32 else None
    return Sample(graph, arrays, wide, tuple(author.names))


def traced(author: Author, dtype: type[np.floating]) -> tuple[Graph, list[Array]]:
    """The graph of an author's program, and values for its inputs."""
    with state.using(state.executor, "reference"):
        cr.manual_seed(author.seed)
        compiled = cr.compile(author.function())
        arguments = author.arguments(dtype)
        compiled(*arguments)
    program = compiled.last
    assert program is not None
    graph: Graph = compiled.graph
    return replacing(graph), [program._value(source, arguments).array for source in program.sources]


def replacing(graph: Graph) -> Graph:
    """The graph with outputs (gradients, mostly) that replace inputs of their type, as parameters are replaced."""
    aliases = dict(graph.aliases)
    for k, output in enumerate(graph.outputs):
        free = [j for j, x in enumerate(graph.inputs) if j not in aliases.values() and x.type == output.type]
        if k not in aliases and free:
            aliases[k] = free[0]
    return Graph(graph.inputs, graph.outputs, aliases)


def run_over_inputs(runner: Runner, arrays: Sequence[Array]) -> list[Array]:
    """The results, where the program allows it in the memory of copies of the inputs that they replace."""
    table, graph = runner.tables[0], runner.graph
    held = [_own(array) for array in arrays]
    results = []
    for k, array in enumerate(held):
        table[1 + k] = array.ctypes.data
    for k, (buffer, node) in enumerate(zip(runner.outputs, graph.outputs, strict=True)):
        result = held[graph.aliases[k]] if k in runner.in_place else _own(np.empty(node.shape, node.dtype.numpy))
        table[1 + buffer] = result.ctypes.data
        results.append(result)
    assert runner.run_on(0), "an index was out of range"
    return results


def _own(array: Array) -> Array:
    found = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    found[...] = array
    return found  # type: ignore[no-any-return]


def check(sample: Sample, level: Level = LEVELS[0], threads: Sequence[int] = THREADS) -> None:
    """Raises Disagreement."""
    running = [threads[-1]]
    runner = Runner(sample.graph, lambda: running[0], reference.compile, level)
    before = [array.copy() for array in sample.arrays]
    first: list[Array] = []
    for running[0] in reversed(threads):
        found = runner(sample.arrays)
        first = first or found
        for k, (a, b) in enumerate(zip(found, first, strict=True)):
            if a.tobytes() != b.tobytes():
                raise Disagreement(f"output {k} has other bits on {running[0]} threads than on {threads[-1]}")
    if any(a.tobytes() != b.tobytes() for a, b in zip(before, sample.arrays, strict=True)):
        raise Disagreement("an input was written")
    for k, (a, b) in enumerate(zip(run_over_inputs(runner, sample.arrays), first, strict=True)):
        if a.tobytes() != b.tobytes():
            raise Disagreement(f"output {k} has other bits when outputs replace inputs")
    compare(sample, first)


def compare(sample: Sample, found: Sequence[Array]) -> None:
    """Raises Disagreement where results are not those of the reference."""
    moved: list[Array] = []
    for k, (got, want, exact) in enumerate(zip(found, sample.found, sample.exact, strict=True)):
        if got.dtype != want.dtype or got.shape != want.shape:
            raise Disagreement(f"output {k} is {got.dtype} {got.shape}, not {want.dtype} {want.shape}")
        if got.dtype.kind != "f":
            if got.tobytes() != np.ascontiguousarray(want).tobytes():
                raise Disagreement(f"output {k} is {got}, not {want}")
            continue
        off = np.max(_off(got, exact), initial=0)
        largest = np.max(np.abs(exact), initial=0, where=np.isfinite(exact))
        allowed = FLOOR[got.dtype.name] * float(np.finfo(got.dtype).eps) * largest + FACTOR * np.max(
            _off(want, exact), initial=0
        )
        if not off <= allowed:
            moved = moved or sample.moved()
            if not off <= allowed + FACTOR * moved[k]:
                raise Disagreement(f"output {k} {got.shape} is off by {off} of {largest}; {allowed} is allowed")


def _off(found: Array, exact: Array) -> Array:
    """How far apart; 0 where both are the same infinity or NaN, infinite where one is."""
    with np.errstate(all="ignore"):
        off = np.abs(found.astype(np.longdouble) - exact)
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    return np.asarray(np.where(same, 0, np.where(np.isnan(off), np.inf, off)))


def _shaken(array: Array, rng: np.random.Generator) -> Array:
    """With some elements one to four units of the last place away."""
    if array.dtype.kind != "f":
        return array
    steps = rng.integers(-4, 5, array.shape) * rng.integers(0, 2, array.shape)
    return np.asarray(array * (1 + steps * np.finfo(array.dtype).eps), array.dtype)
