"""Small programs for the tests of passes: traced from functions, run on values that are hard on arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import BOOL, FLOATING, Array, Type, bool_, float32, float64, int64
from chainrule.ir.types import uint8 as u8_
from chainrule.ir.verify import verify

SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 2.0, 0.5, 1e-40, 3e38)


def f32(*shape: int) -> Type:
    return Type(shape, float32)


def f64(*shape: int) -> Type:
    return Type(shape, float64)


def i64(*shape: int) -> Type:
    return Type(shape, int64)


def u8(*shape: int) -> Type:
    return Type(shape, u8_)


def boolean(*shape: int) -> Type:
    return Type(shape, bool_)


def traced(function: Callable[..., Any], *types: Type) -> Graph:
    """The graph of a function of nodes."""
    inputs = tuple(make_input(f"x{k}", type) for k, type in enumerate(types))
    with state.using(state.trace, Trace()):
        results = function(*inputs)
    return Graph(inputs, tuple(results) if isinstance(results, tuple | list) else (results,))


def values(rng: np.random.Generator, types: Sequence[Type]) -> list[Array]:
    """Random arrays, a third of their floats special."""
    return [_values(rng, type) for type in types]


def _values(rng: np.random.Generator, type: Type) -> Array:
    if type.dtype.category == BOOL:
        return rng.random(type.shape) < 0.5
    if type.dtype.category != FLOATING:
        low = 0 if type.dtype is u8_ else -9
        return rng.integers(low, 250 if type.dtype is u8_ else 9, type.shape).astype(type.dtype.numpy)
    plain = rng.standard_normal(type.shape) * 10.0 ** rng.integers(-3, 4, type.shape)
    special = rng.choice(SPECIAL, type.shape)
    with np.errstate(over="ignore"):
        return np.asarray(np.where(rng.random(type.shape) < 0.33, special, plain), type.dtype.numpy)


def run(graph: Graph, arrays: Sequence[Array]) -> list[Array]:
    """The graph's outputs by the reference backend."""
    return reference.compile(graph)(arrays)


def bits(array: Array) -> tuple[Any, ...]:
    """What two arrays have in common if they are the same bits: a NaN is a NaN."""
    array = np.array(array, order="C")
    if array.dtype.kind == "f":
        nan = np.isnan(array)
        return array.dtype, array.shape, nan.tobytes(), np.where(nan, array.dtype.type(0), array).tobytes()
    return array.dtype, array.shape, array.tobytes()


def assert_same_bits(before: Graph, after: Graph, rng: np.random.Generator, rounds: int = 4) -> None:
    """Both graphs are valid, have one interface, and compute the same bits."""
    verify(before)
    verify(after)
    assert [node.type for node in after.inputs] == [node.type for node in before.inputs]
    assert after.aliases == before.aliases
    for _ in range(rounds):
        arrays = values(rng, [node.type for node in before.inputs])
        expected, found = run(before, arrays), run(after, arrays)
        for k, (a, b) in enumerate(zip(expected, found, strict=True)):
            assert bits(a) == bits(b), f"output {k} of\n{before}\nis {a}, of\n{after}\nit is {b}"
