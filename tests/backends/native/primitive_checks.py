"""One primitive natively against the reference: many operands in one program, read through views, within a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backends import reference
from chainrule.backends.native.level import Level
from chainrule.backends.native.runner import Runner
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Array, type_of
from chainrule.ir.value import Node
from chainrule.ops.movement import broadcast_to, flip, permute, slice_
from tests.backends.native.primitive_cases import Case
from tests.passes.programs import traced

# How far a native result may be: of each element from the reference's where the primitive is elementwise (what that
# itself is off is in it); of the largest element from what the reference gives in a wider type where it adds up. The
# rest must be the same bits, but for NaNs, which are all one, and the signs of zeros.
BOUNDS = {"float32": 5e-7, "float64": 2e-14}
SUMS = {"float32": 2e-6, "float64": 4e-15}
ABSOLUTE = {"gelu": 1.0, "ndtr": 1.0, "lgamma": 1.0, "digamma": 1.0, "logaddexp2": 1.0, "polygamma": 1.0, "normal": 1.0}
_ADDING = """
    sum prod var logsumexp matmul linear softmax log_softmax layer_norm scaled_dot_product_attention cross_entropy
    squared_error binary_cross_entropy softplus attention_gradients blocked_attention blocked_attention_gradients
"""
ADDING = frozenset(_ADDING.split())
TERMS = frozenset({"sum", "matmul", "linear"})
# What no rounding can be seen in, whatever the type.
_EXACT = """
    add sub mul div neg over times square reciprocal remainder floor_divide fmod abs sign floor ceil trunc round relu
    maximum minimum at_least at_most clamp where cast sqrt rsqrt detach alias max min full iota uniform bernoulli
    randint broadcast_to reshape permute slice flip pad concatenate slice_update gather index_select take_points pick
    scatter index_add scatter_add put_points cumsum cumprod recurrence one_hot affine
"""
EXACT = frozenset(_EXACT.split())

# Operands as views ----------------------------------------------------------------------------------------------------

View = Callable[[Any], Any]


def plain(array: Array) -> tuple[Array, View]:
    return array, lambda x: x


def permuted(array: Array) -> tuple[Array, View]:
    order = tuple(reversed(range(array.ndim)))
    return np.array(array.transpose(order), order="C"), lambda x: permute(x, order)


def backwards(array: Array) -> tuple[Array, View]:
    axes = tuple(range(array.ndim))
    return np.array(np.flip(array, axes)), lambda x: flip(x, axes)


def apart(array: Array) -> tuple[Array, View]:
    """Every second one along every axis, from the second on."""
    wide = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
    wide[tuple(slice(1, 2 * n, 2) for n in array.shape)] = array
    bounds = tuple((1, max(1, 2 * n), 2) for n in array.shape)
    return wide, lambda x: slice_(x, *(tuple(k) for k in zip(*bounds, strict=True))) if bounds else x


def repeated(array: Array) -> tuple[Array, View]:
    """One place of the first axis, everywhere: another array."""
    if not array.ndim or not array.shape[0]:
        return plain(array)
    return array[:1].copy(), lambda x: broadcast_to(x, array.shape)


LAYOUTS = (plain, permuted, backwards, apart, repeated)


# Running --------------------------------------------------------------------------------------------------------------


def together(
    name: str, given: Sequence[Case], layouts: Sequence[Callable[[Array], tuple[Array, View]]]
) -> tuple[Graph, list[Array], list[list[Array]]]:
    """One graph of a primitive on many operands, the arrays of its inputs, and what the operands are."""
    arrays: list[Array] = []
    views: list[list[View]] = []
    for k, (operands, _) in enumerate(given):
        laid_out = [layouts[(k + j) % len(layouts)](np.asarray(array)) for j, array in enumerate(operands)]
        arrays += [array for array, _ in laid_out]
        views.append([view for _, view in laid_out])

    def read(*inputs: Node) -> list[list[Node]]:
        remaining = iter(inputs)
        return [[view(next(remaining)) for view in own] for own in views]

    def function(*inputs: Node) -> list[Node]:
        return [REGISTRY[name](*operands, **params) for operands, (_, params) in zip(read(*inputs), given, strict=True)]

    types = [type_of(array) for array in arrays]
    seen = reference.compile(traced(lambda *inputs: [x for own in read(*inputs) for x in own], *types))(arrays)
    remaining = iter(seen)
    return traced(function, *types), arrays, [[next(remaining) for _ in own] for own in views]


def run(graph: Graph, arrays: Sequence[Array], level: Level, threads: int = 2) -> list[Array]:
    return Runner(graph, lambda: threads, reference.compile, level)(arrays)


def check(name: str, given: Sequence[Case], level: Level, layouts: Sequence[Any] = LAYOUTS) -> None:
    """Raises AssertionError where a result is not the reference's."""
    graph, arrays, seen = together(name, given, layouts)
    expected = reference.compile(graph)(arrays)
    found = run(graph, arrays, level)
    for got, want, operands, (_, params) in zip(found, expected, seen, given, strict=True):
        exact = widely(name, operands, params) if name in ADDING and want.dtype.kind == "f" else want
        factors = operands[0].size / max(1, want.size) if name == "prod" else 1  # each is rounded
        shapes = [f"{x.dtype}{list(x.shape)}" for x in operands]
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        largest = np.max(np.abs(exact), initial=1.0, where=np.isfinite(exact))
        if name in TERMS:  # that may cancel
            largest = np.max(widely(name, [np.abs(x) for x in operands], params), initial=1.0)
        assert_close(name, got, exact, f"{name} of {shapes} {params}", float(largest) * factors)


def widely(name: str, operands: Sequence[Array], params: dict[str, Any]) -> Array:
    """The reference in a wider type."""
    wider = {np.dtype(np.float32): np.float64, np.dtype(np.float64): np.longdouble}
    with np.errstate(all="ignore"):
        return np.asarray(
            REGISTRY[name].reference(*[x.astype(wider.get(x.dtype, x.dtype)) for x in operands], **params)
        )


def assert_close(name: str, got: Array, want: Array, what: str, largest: float) -> None:
    """Within the table. `want` may be of a wider type; `largest` is what sums are as exact as."""
    if got.dtype.kind != "f" or name in EXACT:
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite].astype(got.dtype), err_msg=what)
    least = ABSOLUTE.get(name, 0.0)
    off = np.abs(got[finite].astype(np.longdouble) - want[finite])
    size = largest if name in ADDING else np.maximum(least, np.abs(want[finite]))
    bound = (SUMS if name in ADDING else BOUNDS)[got.dtype.name] * size
    assert np.all(off <= bound), f"{what}: {np.max(off)} off of {np.max(size)}"
