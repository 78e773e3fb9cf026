"""Compiles functions of vectors and runs them over arrays: to test what kernels are made of."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Reg, module_text, vector
from tests.backends.native.machine_code import library

Array = npt.NDArray[Any]
Emit = Callable[..., Reg]


def over_arrays(
    emit: Emit, level: Level, operands: Sequence[str], result: str, lanes: int, name: str = "kernel"
) -> str:
    """A module with `NAME(ptr result, ptr operands..., i64 count)`; count is a multiple of lanes."""
    words = [f"x{k}" for k in range(len(operands))]
    f = Function(name, [("ptr", "y"), *(("ptr", word) for word in words), ("i64", "count")], level)

    def body(i: Reg, _: list[Reg]) -> None:
        loaded = [
            f.load(f.pointer(f.parameters[word], i, element), vector(lanes, element))
            for word, element in zip(words, operands, strict=True)
        ]
        f.store(emit(f, *loaded), f.pointer(f.parameters["y"], i, result))

    f.loop(0, f.parameters["count"], lanes, body)
    f.end()
    return module_text([f], level)


def run(emit: Emit, level: Level, arrays: Sequence[Array], result: npt.DTypeLike, lanes: int = 0) -> Array:
    """emit(f, *vectors) -> vector over whole arrays of one size, `lanes` at a time (0: a register of float32)."""
    lanes = lanes or level.width
    size = arrays[0].size
    padded = -(-size // lanes) * lanes
    inputs = [np.concatenate([array.reshape(-1), np.zeros(padded - size, array.dtype)]) for array in arrays]
    output = np.empty(padded, result)
    elements = [ELEMENTS[array.dtype.name] for array in inputs]
    text = over_arrays(emit, level, elements, ELEMENTS[output.dtype.name], lanes)
    made = library(text, level)
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(inputs) + 1), ctypes.c_int64)
    signature(made.address("kernel"))(output.ctypes.data, *(array.ctypes.data for array in inputs), padded)
    return output[:size]


def floats_of_every_exponent(dtype: npt.DTypeLike, count: int, seed: int = 0) -> Array:
    """About `count` floats: random mantissas and signs at every exponent (denormals too), then the special values."""
    kind = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    mantissa = np.finfo(kind).nmant
    bits = kind.itemsize * 8
    unsigned = np.dtype(f"u{kind.itemsize}")
    exponents = np.arange((1 << (bits - 1 - mantissa)) - 1, dtype=np.uint64)
    each = -(-count // exponents.size)
    words = np.repeat(exponents, each) << np.uint64(mantissa)
    words |= rng.integers(0, 1 << mantissa, words.size, dtype=np.uint64)
    words |= rng.integers(0, 2, words.size, dtype=np.uint64) << np.uint64(bits - 1)
    return np.concatenate([words.astype(unsigned).view(kind), special_floats(dtype)])


def special_floats(dtype: npt.DTypeLike) -> Array:
    """NaN, infinities, zeros, the ends of the range, whole and half numbers, and neighbours of them."""
    info = np.finfo(dtype)
    plain = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 7.0, 10.0, 88.5, 100.0, float(info.max), float(info.tiny)]
    plain += [float(info.smallest_subnormal), float(np.pi / 2), float(np.pi), float(np.e), float("inf")]
    values = np.array([*plain, *(-value for value in plain), float("nan")], dtype)
    with np.errstate(all="ignore"):
        return np.concatenate([values, np.nextafter(values, np.dtype(dtype).type(0)), np.nextafter(values, values * 2)])


def ulps(found: Array, exact: Array) -> Array:
    """How many units in the last place `found` is off the wider `exact` (float64 for float32, else long double).

    The unit is that of the exact value in found's type. One unit over the largest number is where infinity begins; a
    NaN or an infinity that is not shared is infinitely far off.
    """
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(found.dtype)
        exponent = np.frexp(np.maximum(np.abs(exact), exact.dtype.type(info.tiny)))[1] - 1
        off = np.abs(found.astype(exact.dtype) - exact) / np.ldexp(exact.dtype.type(1), exponent - info.nmant)
    finite = np.isfinite(found) & np.isfinite(rounded)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    smaller = np.minimum(np.abs(found), np.abs(rounded))
    touching = (np.isinf(found) ^ np.isinf(rounded)) & (smaller >= np.nextafter(info.max, found.dtype.type(0)))
    result = np.where(finite, off, np.where(same, 0.0, np.where(touching, 1.0, np.inf)))
    return np.asarray(result, np.float64)
