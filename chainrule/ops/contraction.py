"""Matrix products: the primitives `matmul` and `linear`, and what is said with them: batches, vectors, affine maps."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.ir.errors import DTypeError, ShapeError
from chainrule.ir.operators import operator
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import FLOATING, Array, DType, Shape, Type, bool_
from chainrule.ir.value import Carrier
from chainrule.ops.blas import hold_to_one_thread
from chainrule.ops.creation import number_dtype
from chainrule.ops.elementwise import add
from chainrule.ops.movement import broadcast_shapes, broadcast_to, permute

# The primitive: x [*batch, m, k] @ w [*batch, k, n] -> [*batch, m, n] -------------------------------------------------


def matmul_reference(x: Array, w: Array) -> Array:
    """np.matmul on one thread, with bits that depend on the values and shapes alone."""
    hold_to_one_thread()
    x = x if x.flags.c_contiguous else _row_major(x)
    w = w if w.flags.c_contiguous else _row_major(w)
    product: Array = np.matmul(x, w)
    return product


def _row_major(x: Array) -> Array:
    """x with its matrices row-major; the batch may lie anyhow, and may be repeated.

    BLAS adds in another order for a transposed vector product, and for x @ x.T of one buffer. A parameter's layout is
    not saved with it, so a resumed run would have other bits. A copy costs 0.2 ms for a weight of [512, 784].
    """
    if x.ndim > 2 and x.strides[-2:] == (x.shape[-1] * x.itemsize, x.itemsize):
        return x
    return x.copy()


def product_cost(x: Array, w: Array) -> int:
    """Nanoseconds of a product: fifty multiply-adds take one."""
    return int(x.size * w.shape[-1] // 50)


def _infer(x: Type, w: Type) -> Type:
    check_operands("matmul", x, w)
    if len(x.shape) < 2 or len(x.shape) != len(w.shape) or x.shape[:-2] != w.shape[:-2]:
        raise ShapeError(f"matmul: the primitive takes matrices of one batch shape, not x {x} @ w {w}.")
    return Type((*x.shape[:-1], w.shape[-1]), x.dtype)


def _vjp(g: Carrier, y: Carrier, x: Carrier, w: Carrier) -> tuple[Carrier, Carrier]:
    return _matmul(g, transposed(w)), _matmul(transposed(x), g)


_matmul: Primitive = Primitive(
    "matmul",
    matmul_reference,
    _infer,
    _vjp,
    cost=product_cost,
    samples=lambda rng: [
        ((rng.standard_normal((*batch, m, k)), rng.standard_normal((*batch, k, n))), {})
        for batch, m, k, n in (
            ((), 2, 3, 4),
            ((), 1, 1, 1),
            ((2,), 2, 3, 1),
            ((2, 1), 1, 2, 3),
            ((), 0, 3, 2),
            ((), 2, 0, 3),
            ((2,), 3, 2, 0),
            ((0,), 2, 3, 2),
        )
    ],
)


def transposed(x: Carrier) -> Carrier:
    """x with its last two axes exchanged."""
    return permute(x, _last_two_exchanged(len(x.shape)))


@lru_cache(maxsize=64)
def _last_two_exchanged(ndim: int) -> tuple[int, ...]:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


# matmul ---------------------------------------------------------------------------------------------------------------


@operator("matmul")
def matmul(a: Carrier, b: Carrier) -> Carrier:
    """The matrix product a @ b, by PyTorch's rules: [*batch, m, k] @ [*batch, k, n] -> [*batch, m, n].

    The batches broadcast. An operand of one dimension is a row on the left and a column on the right, and leaves no
    dimension behind. A matrix is not repeated for a batch: the batch becomes more rows of one 2-D product, and so
    does that of the matrix's gradient. ShapeError and DTypeError if the operands do not fit; nothing is promoted.
    """
    if a.__class__ is b.__class__:
        of_a, of_b, dtype = a.shape, b.shape, a.dtype
        if len(of_a) == 2 and len(of_b) == 2 and of_a[1] == of_b[0] and dtype is b.dtype and dtype is not bool_:
            return _matmul(a, b)  # nearly all products: matrices that fit, which need no more looking at
    for one in (a, b):
        if number_dtype(one) is not None:
            raise ShapeError(f"matmul: both operands are tensors of at least 1 dimension, not {one!r}. Use * to scale.")
    check_operands("matmul", a.type, b.type)
    x = a.reshape((1, *a.shape)) if len(a.shape) == 1 else a
    w = b.reshape((*b.shape, 1)) if len(b.shape) == 1 else b
    y = _product(x, w)
    rows = y.shape[-2:-1] if len(a.shape) > 1 else ()
    columns = y.shape[-1:] if len(b.shape) > 1 else ()
    return y.reshape((*y.shape[:-2], *rows, *columns))


def _product(x: Carrier, w: Carrier) -> Carrier:
    (m, k), n = x.shape[-2:], w.shape[-1]
    batch = broadcast_shapes(x.shape[:-2], w.shape[:-2], what="matmul")
    if batch and math.prod(w.shape[:-2]) == 1:  # one matrix for every x
        rows = x.reshape((math.prod(batch) * m, k))
        return _matmul(rows, w.reshape((k, n))).reshape((*batch, m, n))
    if batch and math.prod(x.shape[:-2]) == 1:  # one x for every matrix: y^T = w^T x^T is the case above
        return transposed(_product(transposed(w), transposed(x)))
    return _matmul(broadcast_to(x, (*batch, m, k)), broadcast_to(w, (*batch, k, n)))


def check_operands(what: str, x: Type, w: Type) -> None:
    """Raises unless x @ w is defined, in PyTorch's sense."""
    if not x.shape or not w.shape:
        raise ShapeError(f"{what}: both operands need at least 1 dimension, not x {x} @ w {w}. Use * to scale.")
    check_dtypes(what, x, w)
    inner = w.shape[-2] if len(w.shape) > 1 else w.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(f"{what}: inner sizes differ: x {x} @ w {w} ({x.shape[-1]} != {inner}).")
    for a, b in zip(reversed(x.shape[:-2]), reversed(w.shape[:-2]), strict=False):
        if a != b and 1 not in (a, b):
            raise ShapeError(
                f"{what}: the batches do not broadcast: x {x} @ w {w} ({list(x.shape[:-2])} and {list(w.shape[:-2])}); "
                "their sizes must be equal, or one of them 1."
            )


def check_dtypes(what: str, x: Type, w: Type) -> None:
    """Raises unless both are of one element type that has products."""
    if x.dtype is not w.dtype:
        name, dtype = _conversion(x.dtype, w.dtype)
        raise DTypeError(
            f"{what}: x and w must have one element type: x {x}, w {w}. Convert one of them, e.g. `{name}.to({dtype})`."
        )
    if x.dtype is bool_:
        raise DTypeError(
            f"{what}: bools have no matrix product: x {x}, w {w}. Convert them, e.g. `x.to(chainrule.int64)`."
        )


def _conversion(x: DType, w: DType) -> tuple[str, DType]:
    """The operand to convert, and to what: an integer to the other's type, else the right one to the left one's."""
    return ("x", w) if x.category != FLOATING and w.category == FLOATING else ("w", x)


# linear: x [m, k], weight [n, k], perhaps a bias [n] -> x @ weight^T + bias [m, n] ------------------------------------


def _linear_reference(x: Array, weight: Array, *bias: Array) -> Array:
    """The bits of the product and the sum that it expands into."""
    y = matmul_reference(x, weight.T)
    return np.add(y, bias[0], out=y) if bias else y


def _infer_linear(x: Type, weight: Type, *bias: Type) -> Type:
    _check_linear(x, weight)
    result = Type((*x.shape[:-1], *weight.shape[:-1]), x.dtype)
    if len(x.shape) != 2 or len(weight.shape) != 2 or bias not in ((), (Type(weight.shape[:1], x.dtype),)):
        raise ShapeError(
            f"linear: the primitive takes x [m, k], a weight [n, k] and a bias [n]: {x}, {weight}, {bias}."
        )
    return result


def _linear_vjp(g: Carrier, y: Carrier, x: Carrier, weight: Carrier, *bias: Carrier) -> tuple[Carrier, ...]:
    to_product = _matmul(g, weight), _matmul(transposed(g), x)
    return (*to_product, g.sum((0,))) if bias else to_product


def _expanded_linear(x: Carrier, weight: Carrier, *bias: Carrier) -> Carrier:
    y = _matmul(x, transposed(weight))
    return y + broadcast_to(bias[0], y.shape) if bias else y


def _linear_samples(rng: np.random.Generator) -> list[Any]:
    return [
        (tuple(rng.standard_normal(shape) for shape in ((m, k), (n, k), (n,))[:count]), {})
        for m, k, n in ((2, 3, 4), (1, 1, 1), (1, 5, 2), (3, 2, 1), (0, 3, 2), (2, 0, 3), (3, 2, 0))
        for count in (2, 3)
    ]


_linear = Primitive(
    "linear",
    _linear_reference,
    _infer_linear,
    _linear_vjp,
    cost=lambda x, weight, *bias: product_cost(x, weight.T),
    expand=_expanded_linear,
    samples=_linear_samples,
)


def linear(x: Carrier, weight: Carrier, bias: Carrier | None = None) -> Carrier:
    """x [*, in] @ weight.T + bias -> [*, out], of a weight [out, in] and a bias [out].

    A weight of one dimension [in] leaves none. ShapeError names the layer that would have fitted.
    """
    of_x, of_weight, dtype = x.shape, weight.shape, x.dtype
    fits = len(of_weight) == 2 and of_x and of_x[-1] == of_weight[1] and dtype is weight.dtype and dtype is not bool_
    if not fits or (bias is not None and (bias.shape != of_weight[:1] or bias.dtype is not dtype)):
        return _unusual_linear(x, weight, bias)
    rows = x if len(of_x) == 2 else x.reshape((math.prod(of_x[:-1]), of_x[-1]))
    y = _linear(rows, weight) if bias is None else _linear(rows, weight, bias)
    return y if rows is x else y.reshape((*of_x[:-1], of_weight[0]))


def _unusual_linear(x: Carrier, weight: Carrier, bias: Carrier | None) -> Carrier:
    """A weight or a bias of another number of dimensions, or what does not fit."""
    _check_linear(x.type, weight.type)
    y = matmul(x, transposed(weight) if len(weight.shape) == 2 else weight)
    if bias is None:
        return y
    if bias.dtype is not y.dtype:
        raise DTypeError(
            f"linear: the bias {bias.type} and the weight {weight.type} must have one element type. "
            f"Convert it, e.g. `bias.to({y.dtype})`."
        )
    if not expands(bias.shape, y.shape):
        raise ShapeError(
            f"linear: the bias {bias.type} does not fit the output {y.type}: it needs shape {list(weight.shape[:-1])}, "
            "one number per feature."
        )
    return add(y, bias)


def _check_linear(x: Type, weight: Type) -> None:
    if not x.shape or len(weight.shape) not in (1, 2):
        raise ShapeError(
            f"linear: an input [*, in] and a weight [out, in] or [in] are needed, not x {x} and a weight {weight}."
        )
    check_dtypes("linear", x, weight)
    if x.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear: the input has {x.shape[-1]} features, the weight {weight} takes {weight.shape[-1]}: x {x}. "
            f"Did you mean Linear({x.shape[-1]}, {weight.shape[0] if len(weight.shape) == 2 else 1})?"
        )


def expands(shape: Shape, result: Shape) -> bool:
    """Whether `shape` broadcasts to exactly `result`."""
    return len(shape) <= len(result) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(result), strict=False)
    )
