"""Norms. Where a norm is 0 its derivative is taken as 0, as PyTorch does."""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.reduction import Dim, as_dtype, axes_of
from chainrule.functions.table import function, on_tensors
from chainrule.ir.errors import ArgumentError, DTypeError, NotYetError
from chainrule.ir.types import FLOATING, DType
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import reduction
from chainrule.ops.elementwise import where

LINALG: dict[str, Any] = {}  # what `chainrule.linalg` holds


def p_norm(what: str, x: Carrier, p: Any, axes: tuple[int, ...], keepdim: bool) -> Carrier:
    """(sum |x|^p)^(1/p) over axes; for p = inf the largest |x|, for -inf the smallest, for 0 how many are not 0."""
    if x.dtype.category != FLOATING:
        raise DTypeError(f"{what}: a floating tensor is needed, not {x.type}. Convert it: `x.float()`.")
    if p == 2:
        return _root(reduction.sum_(ops.square(x), axes, keepdim), 2)
    if p == 0:
        return reduction.sum_(ops.sign(ops.abs_(x)), axes, keepdim)
    size = ops.abs_(x)
    if p == 1:
        return reduction.sum_(size, axes, keepdim)
    if p in (math.inf, -math.inf):
        return (reduction.amax if p > 0 else reduction.amin)(size, axes, keepdim)
    return _root(reduction.sum_(_power(size, p), axes, keepdim), p)


def _power(size: Carrier, p: float) -> Carrier:
    """|x|^p, with derivative 0 at 0."""
    zero = ops.eq(size, 0)
    return where(zero, 0.0 if p > 0 else math.inf, ops.pow_(where(zero, 1.0, size), p))


def _root(total: Carrier, p: float) -> Carrier:
    zero = ops.eq(total, 0)
    inner = where(zero, 1.0, total)
    return where(zero, total, ops.sqrt(inner) if p == 2 else ops.pow_(inner, 1 / p))


@function("norm", method=True)
def norm(input: Carrier, p: Any = "fro", dim: Dim = None, keepdim: bool = False, dtype: DType | None = None) -> Carrier:
    """The p-norm over `dim`; "fro" is the 2-norm."""
    if isinstance(p, str) and p != "fro":
        raise NotYetError(f'norm: p={p!r} is not there yet. Use "fro" or a number.')
    return p_norm("norm", as_dtype(input, dtype), 2 if p in ("fro", None) else p, axes_of("norm", input, dim), keepdim)


@function("dist", method=True)
def dist(input: Carrier, other: Carrier, p: float = 2) -> Carrier:
    """The p-norm of input - other."""
    difference = ops.sub(input, other)
    return p_norm("dist", difference, p, axes_of("dist", difference, None), False)


def vector_norm(
    x: Carrier, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Carrier:
    """The norm of order `ord` over `dim`, of x as one vector if None."""
    return p_norm("vector_norm", as_dtype(x, dtype), ord, axes_of("vector_norm", x, dim), keepdim)


def matrix_norm(
    A: Carrier, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: DType | None = None
) -> Carrier:
    """The Frobenius norm, or the largest (smallest) sum of |a| over columns (1, -1) or rows (inf, -inf)."""
    A = as_dtype(A, dtype)
    axes = axes_of("matrix_norm", A, dim)
    if len(axes) != 2:
        raise ArgumentError(f"matrix_norm: `dim` names two dimensions, not {dim}.")
    if ord == "fro":
        return p_norm("matrix_norm", A, 2, axes, keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise NotYetError(f"matrix_norm: ord={ord!r} is not there yet. There are 'fro', 1, -1, inf and -inf.")
    rows, columns = (axis % len(A.shape) for axis in dim)
    inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = p_norm("matrix_norm", A, 1, (inner,), True)
    extreme = (reduction.amax if ord > 0 else reduction.amin)(sums, (outer,), True)
    return extreme.reshape(reduction.reduced_shape(A.shape, axes, keepdim))


def linalg_norm(
    A: Carrier, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Carrier:
    """A vector's or a matrix's norm, as `dim` or the number of dimensions says. Without `ord`: the 2-norm of all."""
    if ord is not None and (
        (dim is not None and not isinstance(dim, int) and len(dim) == 2) or (dim is None and len(A.shape) == 2)
    ):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


LINALG["vector_norm"] = on_tensors(vector_norm, "vector_norm")
LINALG["matrix_norm"] = on_tensors(matrix_norm, "matrix_norm")
LINALG["norm"] = on_tensors(linalg_norm, "norm")
