"""Random numbers: pure functions of the generator's state, int64[2] = (the bits of the seed, the number of the draw).

Each operation takes one draw; whoever calls it stores `next_state` for the next. Bits are those of `philox.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.primitive import Primitive, Rule
from chainrule.ir.types import BOOL, FLOATING, Array, DType, Shape, Type, bool_, float32, float64, int64, uint8
from chainrule.ir.value import Carrier
from chainrule.ops import philox
from chainrule.ops.creation import iota

SAMPLE_SHAPES: tuple[Shape, ...] = ((2, 3), (), (1,), (0, 2), (5,))


def _drawing(name: str, reference: Rule, dtype_of_result: Rule, *variants: dict[str, Any]) -> Primitive:
    """A primitive of the state and a `shape`; `variants` are the other parameters of its samples."""

    def infer(state: Type, *, shape: Shape, **params: Any) -> Type:
        _check_state(name, state)
        return Type(shape, dtype_of_result(**params))

    return Primitive(
        name,
        lambda state, *, shape, **params: reference(*_stream(state), shape=shape, **params),
        infer,
        samples=lambda rng: [
            ((rng.integers(0, 2**40, 2),), {"shape": shape} | params) for shape in SAMPLE_SHAPES for params in variants
        ],
    )


def _stream(state: Array) -> tuple[int, int]:
    seed, draw = state.tolist()
    return seed, draw


def _check_state(name: str, state: Type) -> None:
    if state != Type((2,), int64):
        raise ShapeError(f"{name}: the state of a generator is i64[2] (seed and draw), this is {state}.")


def _check_float(name: str, dtype: DType) -> DType:
    if dtype.category != FLOATING:
        raise DTypeError(f"{name}: the numbers are of floating point, so they cannot be {dtype.name}.")
    return dtype


_FLOATS = ({"dtype": float32}, {"dtype": float64})
_uniform = _drawing(
    "uniform",
    lambda seed, draw, *, shape, dtype: philox.uniform(seed, draw, shape, dtype.numpy),
    lambda *, dtype: dtype,
    *_FLOATS,
)
_normal = _drawing(
    "normal",
    lambda seed, draw, *, shape, dtype: philox.normal(seed, draw, shape, dtype.numpy),
    lambda *, dtype: dtype,
    *_FLOATS,
)
_randint = _drawing(
    "randint",
    lambda seed, draw, *, low, high, shape, dtype: philox.randint(seed, draw, low, high, shape).astype(dtype.numpy),
    lambda *, low, high, dtype: dtype,
    {"low": -2, "high": 5, "dtype": int64},
    {"low": 0, "high": 256, "dtype": uint8},
    {"low": 0, "high": 2**63, "dtype": int64},
    {"low": 0, "high": 9, "dtype": float32},
)


def uniform(state: Carrier, shape: Shape, dtype: DType = float32) -> Carrier:
    """Evenly distributed numbers in [0, 1)."""
    _check_state("uniform", state.type)
    return _uniform(state, shape=shape, dtype=_check_float("uniform", dtype))


def normal(state: Carrier, shape: Shape, dtype: DType = float32) -> Carrier:
    """Standard normal numbers: mean 0, variance 1."""
    _check_state("normal", state.type)
    return _normal(state, shape=shape, dtype=_check_float("normal", dtype))


def randint(state: Carrier, low: int, high: int, shape: Shape, dtype: DType = int64) -> Carrier:
    """Evenly distributed integers from `low` to `high` - 1."""
    _check_state("randint", state.type)
    least, most = _range_of(dtype)
    if not least <= low < high <= most + 1:
        raise ArgumentError(
            f"randint: needs low < high, and {dtype.name} holds {least} to {most}; received low {low}, high {high}."
        )
    return _randint(state, low=low, high=high, shape=shape, dtype=dtype)


def _range_of(dtype: DType) -> tuple[int, int]:
    """The integers that a type can hold, each of them exactly."""
    if dtype.category == FLOATING:
        exact = 2 ** (np.finfo(dtype.numpy).nmant + 1)
        return -exact, exact
    return (0, 1) if dtype.category == BOOL else (int(np.iinfo(dtype.numpy).min), int(np.iinfo(dtype.numpy).max))


# bernoulli ------------------------------------------------------------------------------------------------------------


def _bernoulli_reference(state: Array, p: Array, *, dtype: DType) -> Array:
    outside = ~((p >= 0) & (p <= 1))  # NaN is outside too
    if outside.any():
        raise ArgumentError(f"bernoulli: a probability must lie in [0, 1], this one is {p[outside].flat[0]}.")
    return philox.bernoulli(*_stream(state), p, p.shape).astype(dtype.numpy)


def _infer_bernoulli(state: Type, p: Type, *, dtype: DType) -> Type:
    _check_state("bernoulli", state)
    return Type(p.shape, dtype)


_bernoulli = Primitive(
    "bernoulli",
    _bernoulli_reference,
    _infer_bernoulli,
    samples=lambda rng: [
        ((rng.integers(0, 2**40, 2), rng.uniform(size=shape)), {"dtype": dtype})
        for shape in SAMPLE_SHAPES
        for dtype in (float64, bool_)
    ],
)


def bernoulli(state: Carrier, p: Carrier, dtype: DType | None = None) -> Carrier:
    """1 with probability p, else 0, for each element of p; in p's element type unless `dtype` says another."""
    _check_state("bernoulli", state.type)
    _check_float("bernoulli", p.dtype)
    return _bernoulli(state, p, dtype=dtype or p.dtype)


# permutation ----------------------------------------------------------------------------------------------------------


def _infer_permutation(state: Type, *, n: int) -> Type:
    _check_state("permutation", state)
    return Type((n,), int64)


_permutation = Primitive(
    "permutation",
    lambda state, *, n: philox.permutation(*_stream(state), n),
    _infer_permutation,
    samples=lambda rng: [((rng.integers(0, 2**40, 2),), {"n": n}) for n in (0, 1, 5)],
)


def permutation(state: Carrier, n: int) -> Carrier:
    """0, 1, ..., n - 1 in a random order."""
    _check_state("permutation", state.type)
    if n < 0:
        raise ArgumentError(f"permutation: n must be at least 0, not {n}.")
    return _permutation(state, n=n)


# The next draw --------------------------------------------------------------------------------------------------------


def next_state(state: Carrier) -> Carrier:
    """The state after one draw."""
    _check_state("next_state", state.type)
    return state + iota(2, int64)  # (seed + 0, draw + 1)
