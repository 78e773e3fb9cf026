"""Matrix products: the primitive `matmul`, and what is said with it: batched products and affine maps."""

from __future__ import annotations

import math

import numpy as np

from chainrule.ir.errors import DTypeError, ShapeError
from chainrule.ir.operators import operator
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import FLOATING, Array, DType, Shape, Type, bool_
from chainrule.ir.value import Carrier
from chainrule.ops.blas import hold_to_one_thread
from chainrule.ops.creation import number_dtype
from chainrule.ops.elementwise import add
from chainrule.ops.movement import broadcast_shapes, broadcast_to

# The primitive: x [*batch, m, k] @ w [*batch, k, n] -> [*batch, m, n] -------------------------------------------------


def matmul_reference(x: Array, w: Array) -> Array:
    """np.matmul on one thread, with bits that depend on the values and shapes alone."""
    hold_to_one_thread()
    return np.asarray(np.matmul(_row_major(x), _row_major(w)))


def _row_major(x: Array) -> Array:
    """x with its matrices row-major; the batch may lie anyhow, and may be repeated.

    BLAS adds in another order for a transposed vector product, and for x @ x.T of one buffer. A parameter's layout is
    not saved with it, so a resumed run would have other bits. A copy costs 0.2 ms for a weight of [512, 784].
    """
    rows = (x.shape[-1] * x.itemsize, x.itemsize)
    return x if x.strides[-2:] == rows else np.ascontiguousarray(x)


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
    n = len(x.shape)
    return x.permute((*range(n - 2), n - 1, n - 2))


# matmul ---------------------------------------------------------------------------------------------------------------


@operator("matmul")
def matmul(a: Carrier, b: Carrier) -> Carrier:
    """The matrix product a @ b, by PyTorch's rules: [*batch, m, k] @ [*batch, k, n] -> [*batch, m, n].

    The batches broadcast. An operand of one dimension is a row on the left and a column on the right, and leaves no
    dimension behind. A matrix is not repeated for a batch: the batch becomes more rows of one 2-D product, and so
    does that of the matrix's gradient. ShapeError and DTypeError if the operands do not fit; nothing is promoted.
    """
    if a.__class__ is b.__class__ and _plain(a.shape, b.shape) and a.dtype is b.dtype and a.dtype is not bool_:
        return _matmul(a, b)
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


def _plain(a: Shape, b: Shape) -> bool:
    """Whether two shapes are those of matrices that fit: what nearly all products are, and need no more looking at."""
    return len(a) == 2 and len(b) == 2 and a[1] == b[0]


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


# linear ---------------------------------------------------------------------------------------------------------------


def linear(x: Carrier, weight: Carrier, bias: Carrier | None = None) -> Carrier:
    """x [*, in] @ weight.T + bias -> [*, out], of a weight [out, in] and a bias [out].

    A weight of one dimension [in] leaves none. ShapeError names the layer that would have fitted.
    """
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
