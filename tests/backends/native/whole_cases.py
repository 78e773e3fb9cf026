"""Random operands and parameters for each primitive with a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rng = np.random.Generator
Case = tuple[list[Array], dict[str, Any]]

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40)


def elements(rng: Rng, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Elements of a type, few of them more than once and some of them special."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        found = rng.standard_normal(shape).astype(kind)
        strange = rng.random(shape) < 0.02
        return np.where(strange, rng.choice(SPECIAL, shape), found).astype(kind)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, kind, endpoint=True)


def shape_of(rng: Rng, ndim: int, size: int = 4000) -> tuple[int, ...]:
    """Lengths of 1, short ones, odd ones and long ones, `size` elements at most."""
    while True:
        shape = tuple(int(rng.choice([1, 2, 3, 5, 8, 16, 17, 33, 64, 130, 700])) for _ in range(ndim))
        if np.prod(shape) <= size:
            return shape


def indices(rng: Rng, shape: tuple[int, ...], length: int, *, negative: bool = False) -> Array:
    """Positions in a dimension, some of them more than once."""
    return rng.integers(-length if negative else 0, length, shape)


def _concatenate(rng: Rng, dtype: str) -> Case:
    shape = shape_of(rng, int(rng.integers(1, 4)), 1000)
    axis = int(rng.integers(len(shape)))
    lengths = rng.choice([0, 1, 4, 37, 300], int(rng.integers(1, 5)))
    xs = [elements(rng, (*shape[:axis], int(n), *shape[axis + 1 :]), dtype) for n in lengths]
    return xs, {"axis": axis}


def _pad(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 5)), 1500), dtype)

    def some(*widths: int) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.choice(widths, x.ndim))

    value = {"f": 1.25, "b": True, "i": -3, "u": 3}[np.dtype(dtype).kind]
    return [x], {"low": some(0, 0, 1, 16), "high": some(0, 0, 1, 33), "interior": some(0, 0, 0, 1, 2), "value": value}


def _slice_update(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 5))), dtype)
    starts, stops, steps = [], [], []
    for n in x.shape:
        start, stop = sorted(rng.integers(0, n + 1, 2)) if rng.random() < 0.6 else (0, n)
        starts.append(int(start))
        stops.append(int(stop))
        steps.append(int(rng.choice([1, 1, 2, 3])))
    bounds = {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
    value = x[tuple(map(slice, starts, stops, steps))]
    return [x, elements(rng, value.shape, dtype)], bounds


def _gather(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 4))), dtype)
    axis = int(rng.integers(x.ndim))
    shape = [n if rng.random() < 0.6 else int(rng.integers(1, n + 1)) for n in x.shape]
    shape[axis] = int(rng.choice([1, 3, 40]))
    return [x, indices(rng, tuple(shape), x.shape[axis])], {"axis": axis}


def _scatter(rng: Rng, dtype: str) -> Case:
    (x, index), params = _gather(rng, dtype)
    return [x, index, elements(rng, index.shape, dtype)], params


def _index_select(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 4))), dtype)
    axis = int(rng.integers(x.ndim))
    return [x, indices(rng, (int(rng.choice([0, 1, 3, 50])),), x.shape[axis])], {"axis": axis}


def _index_add(rng: Rng, dtype: str) -> Case:
    (x, index), params = _index_select(rng, dtype)
    return [x, index, elements(rng, np.take(x, index, **params).shape, dtype)], params


def _take_points(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 5))), dtype)
    axis = int(rng.integers(x.ndim))
    count = int(rng.integers(1, x.ndim - axis + 1))
    points = tuple(int(n) for n in rng.choice([1, 2, 7, 20], int(rng.integers(0, 3))))
    positions = [indices(rng, points, x.shape[axis + k], negative=True) for k in range(count)]
    return [x, *positions], {"axis": axis}


def _put_points(rng: Rng, dtype: str) -> Case:
    (x, *positions), params = _take_points(rng, dtype)
    axis = params["axis"]
    shape = (*x.shape[:axis], *positions[0].shape, *x.shape[axis + len(positions) :])
    return [x, elements(rng, shape, dtype), *positions], params | {"accumulate": bool(rng.integers(2))}


def _pick(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 4))), dtype)
    axis = int(rng.integers(x.ndim))
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return [x, indices(rng, shape, x.shape[axis], negative=True)], {"axis": axis}


def _cumsum(rng: Rng, dtype: str) -> Case:
    x = elements(rng, shape_of(rng, int(rng.integers(1, 4))), dtype)
    return [x], {"axis": int(rng.integers(x.ndim)), "reverse": bool(rng.integers(2))}


def _cumprod(rng: Rng, dtype: str) -> Case:
    (x,), params = _cumsum(rng, dtype)
    return [x], {"axis": params["axis"]}


def _recurrence(rng: Rng, dtype: str) -> Case:
    (x,), params = _cumsum(rng, dtype)
    if np.dtype(dtype).kind == "f":
        return [elements(rng, x.shape, dtype), x], params
    # what a float64 cannot hold has no value of an integer type
    shape = (*x.shape[: params["axis"]], 4, *x.shape[params["axis"] + 1 :])
    return [rng.integers(0, 2, shape).astype(dtype), rng.integers(0, 20, shape).astype(dtype)], params


def _argsort(rng: Rng, dtype: str) -> Case:
    shape = list(shape_of(rng, int(rng.integers(1, 4))))
    axis = int(rng.integers(len(shape)))
    shape[axis] = int(rng.choice([1, 2, 9, 10, 11, 20, 21, 81, 200, 1000]))
    x = elements(rng, tuple(shape), dtype)
    if rng.random() < 0.5 and x.dtype.kind == "f":  # equal ones
        x = np.round(x * 2).astype(dtype)
    return [x], {"axis": axis, "descending": bool(rng.integers(2))}


def _permutation(rng: Rng, dtype: str) -> Case:
    return [rng.integers(-(2**63), 2**63, 2)], {"n": int(rng.choice([2, 3, 4, 9, 31, 130, 2000]))}


CASES: dict[str, Callable[[Rng, str], Case]] = {
    "concatenate": _concatenate,
    "pad": _pad,
    "slice_update": _slice_update,
    "gather": _gather,
    "index_select": _index_select,
    "take_points": _take_points,
    "pick": _pick,
    "index_add": _index_add,
    "scatter": _scatter,
    "scatter_add": _scatter,
    "put_points": _put_points,
    "cumsum": _cumsum,
    "cumprod": _cumprod,
    "recurrence": _recurrence,
    "argsort": _argsort,
    "permutation": _permutation,
}
