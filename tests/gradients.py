"""Directional differences: derivatives found by evaluating only, to hold derivative rules to.

A function here takes carriers and returns carriers. It is differentiated by its floating inputs, and only its floating
results count. For a direction v and a cotangent g, three things must agree:

    <vjp(g), v>          what the rules say
    <g, J v>             J v by central differences, extrapolated to step 0
    J v as vjp of vjp    the derivative of u -> <vjp(u), v>
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chainrule.autodiff.reverse import reverse
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier, Value
from chainrule.ops.creation import zeros_like

Function = Callable[..., Sequence[Carrier]]

# A function may have kinks or a pole 2**-9 away: steps go down until the extrapolations agree, element by element.
STEPS = tuple(2.0**-k for k in range(3, 15))
COLUMNS = 6  # the last one's error is of order step**14
AGREED = 1e-12  # relative: further steps would only add rounding


def is_float(carrier: Carrier | Array) -> bool:
    """Whether derivatives are taken by it."""
    kind = carrier.dtype.kind if isinstance(carrier, np.ndarray) else carrier.dtype.numpy.kind
    return bool(kind == "f")


def variables(arrays: Sequence[Array]) -> list[Value]:
    """Values that a derivative may be asked of, where they are floating."""
    return [Value(array, needs_grad=is_float(array)) for array in arrays]


def floats_of(carriers: Sequence[Carrier]) -> list[Carrier]:
    return [carrier for carrier in carriers if is_float(carrier)]


def evaluate(function: Function, arrays: Sequence[Array]) -> list[Array]:
    """The floating results."""
    return [result.array for result in floats_of(function(*variables(arrays)))]


# By differences -------------------------------------------------------------------------------------------------------


def directional_difference(function: Function, arrays: Sequence[Array], directions: Sequence[Array]) -> Array:
    """J v, all results in one flat array of float64. `directions` belong to the floating inputs, in order."""
    epsilon = max((np.finfo(array.dtype).eps for array in evaluate(function, arrays)), default=0.0)
    size = max((float(np.abs(v).max(initial=0)) for v in directions), default=0.0) or 1.0
    best, best_error, row = np.zeros(0), np.zeros(0), list[Array]()
    for step in STEPS:
        above, below = (_flat(evaluate(function, _moved(arrays, directions, h))) for h in (step / size, -step / size))
        with np.errstate(all="ignore"):
            slope = np.where(above == below, 0.0, (above - below) / (2 * step / size))  # -inf on both sides is flat
            rounding = np.where(above == below, 0.0, epsilon * np.maximum(abs(above), abs(below)) / (step / size))
            row = _extrapolated(slope, row)
        if len(row) == 1:
            best, best_error = slope, np.full(slope.shape, np.inf)
            continue
        for column in range(1, len(row)):
            estimate = row[column]
            error = _no_nan(abs(estimate - row[column - 1]) + rounding)
            best, best_error = np.where(error < best_error, estimate, best), np.minimum(error, best_error)
        if np.all(best_error <= AGREED * np.abs(best).max(initial=0)):
            break
    return best


def _extrapolated(slope: Array, previous: list[Array]) -> list[Array]:
    """The next row of Richardson's table: each column removes one more even power of the step."""
    row = [slope]
    for column, older in enumerate(previous[: COLUMNS - 1]):
        row.append(row[-1] + (row[-1] - older) / (4.0 ** (column + 1) - 1))
    return row


def _no_nan(error: Array) -> Array:
    return np.where(np.isnan(error), np.inf, error)


def _moved(arrays: Sequence[Array], directions: Sequence[Array], step: float) -> list[Array]:
    left = iter(directions)
    return [np.asarray(array + step * next(left), array.dtype) if is_float(array) else array for array in arrays]


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0), *(np.asarray(array, np.float64).reshape(-1) for array in arrays)])


# By the rules ---------------------------------------------------------------------------------------------------------


def vjp(function: Function, arrays: Sequence[Array], cotangents: Sequence[Array]) -> list[Array]:
    """The cotangents of the floating inputs; zeros where nothing flows."""
    given = [*variables(arrays), *(Value(g) for g in cotangents)]
    return [flow.array for flow in pullback(function, len(arrays))(*given)]


def pullback(function: Function, count: int) -> Function:
    """The function (inputs, cotangents) -> vjp; it can be differentiated in its turn."""

    def backward(*carriers: Carrier) -> list[Carrier]:
        inputs, cotangents = carriers[:count], carriers[count:]
        wanted = floats_of(inputs)
        kept = reverse(floats_of(function(*inputs)), cotangents, wanted, create_graph=True)
        return [kept[x] if x in kept else zeros_like(x) for x in wanted]

    return backward


def jvp(function: Function, arrays: Sequence[Array], directions: Sequence[Array]) -> list[Array]:
    """J v by differentiating the vjp, which is linear in its cotangent."""
    inputs = variables(arrays)
    results = floats_of(function(*inputs))
    cotangents = [Value(np.ones(y.shape, y.dtype.numpy), needs_grad=True) for y in results]
    flows = pullback(lambda *_: results, len(inputs))(*inputs, *cotangents)
    kept = reverse(flows, [Value(v) for v in directions], cotangents)
    return [(kept[u] if u in kept else zeros_like(u)).array for u in cotangents]


# Comparing them -------------------------------------------------------------------------------------------------------


def normal_like(rng: np.random.Generator, arrays: Sequence[Array]) -> list[Array]:
    """A random direction."""
    return [np.asarray(rng.standard_normal(array.shape), array.dtype) for array in arrays]


def one_at_a_time(directions: Sequence[Array]) -> list[list[Array]]:
    """The direction as a whole and, of several inputs, each one's part alone."""
    if len(directions) == 1:
        return [list(directions)]
    parts = [[v if k == one else np.zeros_like(v) for k, v in enumerate(directions)] for one in range(len(directions))]
    return [list(directions), *parts]


def check_vjp(function: Function, arrays: Sequence[Array], bound: float, rng: np.random.Generator) -> None:
    """|<vjp(g), v> - <g, J v>| <= bound |g| |J v|, J v by differences, for every floating input and jointly."""
    cotangents = normal_like(rng, evaluate(function, arrays))
    flows = vjp(function, arrays, cotangents)
    for v in one_at_a_time(normal_like(rng, [array for array in arrays if is_float(array)])):
        slope = directional_difference(function, arrays, v)
        difference = abs(_flat(flows) @ _flat(v) - _flat(cotangents) @ slope)
        scale = np.linalg.norm(_flat(cotangents)) * np.linalg.norm(slope)
        assert difference <= bound * scale, f"vjp is off by {difference / (scale or 1):.1e}, allowed are {bound:.0e}"


def check_jvp(function: Function, arrays: Sequence[Array], bound: float, rng: np.random.Generator) -> None:
    """|J v by the rules - J v by differences| <= bound |J v|."""
    v = normal_like(rng, [array for array in arrays if is_float(array)])
    slope = directional_difference(function, arrays, v)
    difference, scale = np.linalg.norm(_flat(jvp(function, arrays, v)) - slope), np.linalg.norm(slope)
    assert difference <= bound * scale, f"jvp is off by {difference / (scale or 1):.1e}, allowed are {bound:.0e}"


def check_second_order(function: Function, arrays: Sequence[Array], bound: float, rng: np.random.Generator) -> None:
    """`check_vjp` for (inputs, cotangents) -> vjp."""
    cotangents = normal_like(rng, evaluate(function, arrays))
    check_vjp(pullback(function, len(arrays)), [*arrays, *cotangents], bound, rng)
