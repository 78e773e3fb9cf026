"""Products of vectors and matrices. The matrices are the last two dimensions; nothing is promoted."""

from __future__ import annotations

import math
from typing import Any

from chainrule.functions.arithmetic import scaled
from chainrule.functions.norms import LINALG
from chainrule.functions.table import FUNCTIONS, function
from chainrule.ir.errors import ShapeError
from chainrule.ir.value import Carrier
from chainrule.ops import contraction
from chainrule.ops import elementwise as ops
from chainrule.ops.einsum import einsum as einsum_of_carriers
from chainrule.ops.movement import check_broadcast, normalise_axis


def dimensions(what: str, *wanted: tuple[str, Carrier, int]) -> None:
    """Raises ShapeError unless each operand has its number of dimensions."""
    for name, x, count in wanted:
        if len(x.shape) != count:
            raise ShapeError(
                f"{what}: `{name}` must have {count} dimension{'s' * (count > 1)}, it is {x.type}. "
                "matmul takes any number, and broadcasts."
            )


@function("matmul", method=True)
def matmul(input: Carrier, other: Carrier) -> Carrier:
    """input @ other: [*batch, m, k] @ [*batch, k, n] -> [*batch, m, n]; batches broadcast."""
    return contraction.matmul(input, other)


@function("mm", method=True)
def mm(input: Carrier, mat2: Carrier) -> Carrier:
    """[m, k] @ [k, n] -> [m, n]."""
    dimensions("mm", ("input", input, 2), ("mat2", mat2, 2))
    return contraction.matmul(input, mat2)


@function("bmm", method=True)
def bmm(input: Carrier, mat2: Carrier) -> Carrier:
    """[b, m, k] @ [b, k, n] -> [b, m, n]."""
    dimensions("bmm", ("input", input, 3), ("mat2", mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: the batches differ: input {input.type}, mat2 {mat2.type}. matmul broadcasts.")
    return contraction.matmul(input, mat2)


@function("mv", method=True)
def mv(input: Carrier, vec: Carrier) -> Carrier:
    """[m, k] @ [k] -> [m]."""
    dimensions("mv", ("input", input, 2), ("vec", vec, 1))
    return contraction.matmul(input, vec)


@function("dot", "vdot", method=True)
def dot(input: Carrier, tensor: Carrier) -> Carrier:
    """The sum of the products of two vectors."""
    dimensions("dot", ("input", input, 1), ("tensor", tensor, 1))
    return contraction.matmul(input, tensor)


@function("inner", method=True)
def inner(input: Carrier, other: Carrier) -> Carrier:
    """Sums of products over the last dimensions of both: [*a, k], [*b, k] -> [*a, *b]."""
    if not input.shape or not other.shape:
        return ops.mul(input, other)
    n = len(other.shape)
    return _tensordot(input, other, (len(input.shape) - 1,), (n - 1,))


@function("outer", "ger", method=True)
def outer(input: Carrier, vec2: Carrier) -> Carrier:
    """All products of the elements of two vectors: [m], [n] -> [m, n]."""
    dimensions("outer", ("input", input, 1), ("vec2", vec2, 1))
    return ops.mul(input.reshape((*input.shape, 1)), vec2)


@function("einsum", tensor_first=False)
def einsum(equation: str, *operands: Any) -> Carrier:
    """The sum of products that the equation names, e.g. "bij,bjk->bik"."""
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    return einsum_of_carriers(equation, *given)


@function("tensordot")
def tensordot(a: Carrier, b: Carrier, dims: Any = 2) -> Carrier:
    """Sums of products over `dims`: a number of last dimensions of a and first of b, or a pair of lists."""
    if isinstance(dims, int):
        if not 0 <= dims <= min(len(a.shape), len(b.shape)):
            raise ShapeError(f"tensordot: {dims} dimensions are more than a {a.type} or b {b.type} has.")
        first, second = tuple(range(len(a.shape) - dims, len(a.shape))), tuple(range(dims))
    else:
        first = tuple(normalise_axis(axis, len(a.shape), "tensordot") for axis in dims[0])
        second = tuple(normalise_axis(axis, len(b.shape), "tensordot") for axis in dims[1])
    return _tensordot(a, b, first, second)


def _tensordot(a: Carrier, b: Carrier, first: tuple[int, ...], second: tuple[int, ...]) -> Carrier:
    lengths = tuple(a.shape[axis] for axis in first)
    if lengths != tuple(b.shape[axis] for axis in second):
        raise ShapeError(f"tensordot: dimensions {first} of a {a.type} and {second} of b {b.type} differ in length.")
    rows = tuple(axis for axis in range(len(a.shape)) if axis not in first)
    columns = tuple(axis for axis in range(len(b.shape)) if axis not in second)
    inner_size = math.prod(lengths)
    left = a.permute((*rows, *first)).reshape((math.prod(a.shape[axis] for axis in rows), inner_size))
    right = b.permute((*second, *columns)).reshape((inner_size, math.prod(b.shape[axis] for axis in columns)))
    shape = tuple(a.shape[axis] for axis in rows) + tuple(b.shape[axis] for axis in columns)
    return contraction.matmul(left, right).reshape(shape)


# With something added -------------------------------------------------------------------------------------------------


def _added(what: str, input: Carrier, product: Carrier, beta: Any, alpha: Any) -> Carrier:
    """beta input + alpha product; with beta = 0 the input is not looked at, as in PyTorch (NaN is not passed on)."""
    category = product.dtype.category
    term = scaled(what, alpha, product, category)
    check_broadcast(input.shape, product.shape)
    return term if beta == 0 else ops.add(scaled(what, beta, input, category), term)


@function("addmm", method=True, in_place_too=True)
def addmm(input: Carrier, mat1: Carrier, mat2: Carrier, *, beta: Any = 1, alpha: Any = 1) -> Carrier:
    """beta input + alpha mat1 @ mat2."""
    dimensions("addmm", ("mat1", mat1, 2), ("mat2", mat2, 2))
    return _added("addmm", input, contraction.matmul(mat1, mat2), beta, alpha)


@function("addmv", method=True, in_place_too=True)
def addmv(input: Carrier, mat: Carrier, vec: Carrier, *, beta: Any = 1, alpha: Any = 1) -> Carrier:
    """beta input + alpha mat @ vec."""
    dimensions("addmv", ("mat", mat, 2), ("vec", vec, 1))
    return _added("addmv", input, contraction.matmul(mat, vec), beta, alpha)


@function("addr", method=True, in_place_too=True)
def addr(input: Carrier, vec1: Carrier, vec2: Carrier, *, beta: Any = 1, alpha: Any = 1) -> Carrier:
    """beta input + alpha outer(vec1, vec2)."""
    dimensions("addr", ("vec1", vec1, 1), ("vec2", vec2, 1))
    return _added("addr", input, ops.mul(vec1.reshape((*vec1.shape, 1)), vec2), beta, alpha)


@function("baddbmm", method=True, in_place_too=True)
def baddbmm(input: Carrier, batch1: Carrier, batch2: Carrier, *, beta: Any = 1, alpha: Any = 1) -> Carrier:
    """beta input + alpha batch1 @ batch2, of batches of matrices."""
    dimensions("baddbmm", ("batch1", batch1, 3), ("batch2", batch2, 3))
    return _added("baddbmm", input, contraction.matmul(batch1, batch2), beta, alpha)


LINALG["matmul"] = FUNCTIONS["matmul"]
