"""Matrix products: C[batch, m, n] = sum over k of A[batch, m, k] B[batch, k, n], and what is done with each result.

**Order of arithmetic.** An element is the sum over k in order, one chain of multiply-adds from 0; for k beyond
`gemm_blocking.LONGEST_BLOCK` it is the sum, in order, of the sums of blocks of about 512. A product with one row is a
sum over k of `level.width` chains, lane l taking every width-th k (`gemv`). Which it is follows from m, n and k alone:
not from the operands' layout, from the tile that an element falls in, nor from the number of threads.
"""

from __future__ import annotations

import dataclasses
import math

from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.gemm_blocking import blocking
from chainrule.backends.native.gemm_driver import KERNEL, Driver
from chainrule.backends.native.gemm_epilogue import Epilogue, RowMajor
from chainrule.backends.native.gemv import emit_vector_product
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function
from chainrule.passes.kernels import Access, Load, Matrix, Position, Product, Step, Store


def emit_product(
    name: str, product: Product, level: Level, epilogue: Epilogue | None = None
) -> tuple[list[Function], int]:
    """The kernel NAME(table, slots, scratch, part, parts), with what it calls, and the bytes of scratch it needs.

    The functions' names begin with NAME. Without an epilogue the product goes to the place of the first store.
    """
    element = ELEMENTS[product.dtype.name]
    epilogue = epilogue or RowMajor(product.stores[0].access, element)
    batch = math.prod(product.batch)
    if not batch * product.m * product.n:
        f = Function(name, KERNEL, level)
        f.end()
        return [f], 0
    if product.m == 1:
        return emit_vector_product(name, product, element, level, epilogue)
    cut = blocking(element, level, product.m, product.n, product.k, batch, product.a, product.b)
    return Driver(name, product, cut, level, epilogue).emit(), cut.scratch * cut.bytes


def oriented(product: Product) -> Product:
    """The product as it is emitted best: one with a single column is turned into one with a single row."""
    return transposed(product) if product.n == 1 and product.m != 1 else product


def transposed(product: Product) -> Product:
    """C^T = B^T A^T: the same results at the same places, with rows and columns exchanged in the body."""

    def turned(strides: tuple[int, ...]) -> tuple[int, ...]:
        return (*strides[:-2], strides[-1], strides[-2])

    def place(access: Access) -> Access:
        return dataclasses.replace(access, strides=turned(access.strides))

    def step(one: Step) -> Step:
        if isinstance(one, Load):
            return dataclasses.replace(one, access=place(one.access))
        return dataclasses.replace(one, strides=turned(one.strides)) if isinstance(one, Position) else one

    def matrix(one: Matrix) -> Matrix:
        return dataclasses.replace(one, row=one.column, column=one.row)

    def store(one: Store) -> Store:
        return dataclasses.replace(one, access=place(one.access))

    return dataclasses.replace(
        product,
        m=product.n,
        n=product.m,
        a=matrix(product.b),
        b=matrix(product.a),
        steps=tuple(map(step, product.steps)),
        stores=tuple(map(store, product.stores)),
    )
