"""Products with one row: y[n] = sum over k of x[k] B[k, n].

The sum of an element is made of `level.width` chains (more for very few columns): chain l takes x[k] B[k, n] for every
k that leaves the remainder l. The chains are added in a tree: l and l + half, then halves of that. Where B's columns
are contiguous the chains are the lanes of a vector; where its rows are, each chain is a vector of columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from chainrule.backends.native.gemm_driver import KERNEL, matrix_place, shares
from chainrule.backends.native.gemm_epilogue import Epilogue, Fragment, Tile, operand
from chainrule.backends.native.gemm_packing import Packing, call_packing, emit_packing
from chainrule.backends.native.gemm_tile import batch_indices, multiply_add
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Index, Reg, size_of, vector
from chainrule.passes.kernels import Product

AT_ONCE = 8  # chains under way at once
STRIP = 64  # vectors of columns whose chains are kept in scratch while rows of B go by


def emit_vector_product(
    name: str, product: Product, element: str, level: Level, epilogue: Epilogue
) -> tuple[list[Function], int]:
    """The kernel with what it calls, and the bytes of scratch it needs."""
    emitted = _VectorProduct(name, product, element, level, epilogue)
    emitted.emit()
    return [*emitted.packings, emitted.f], emitted.scratch * size_of(element)


_Vectors = Callable[[Index, Index, Callable[[Index, int], None]], None]  # a loop over vectors of columns


@dataclass(frozen=True)
class _Operands:
    """One batch: where its x and B are, packed or not."""

    indices: tuple[Index, ...]
    x: Reg
    x_k: int
    b: Reg
    b_k: int
    b_column: int


class _VectorProduct:
    """Emits one product."""

    def __init__(self, name: str, product: Product, element: str, level: Level, epilogue: Epilogue) -> None:
        self.f = Function(name, KERNEL, level)
        self.product, self.element, self.lanes, self.epilogue = product, element, level.width, epilogue
        self.type = vector(self.lanes, element)
        # Few columns need more chains than lanes; where they lie otherwise they are packed, so that bits are the same.
        self.vectors = max(1, 1 << (AT_ONCE // min(product.n, AT_ONCE)).bit_length() - 1)
        self.along_k = self.vectors > 1 or product.b.row == 1
        self.packings: list[Function] = []
        self.scratch = 0

    def emit(self) -> None:
        """All groups of columns of this part's share."""
        f, p = self.f, self.product
        x = operand(f, p.a.operand, p.a.offset, self.element)
        b = operand(f, p.b.operand, p.b.offset, self.element)
        self.epilogue.prepare(f)
        full, rest = divmod(p.n, self.lanes)

        def batch(flat: Index, first: Index, end: Index) -> None:
            indices = batch_indices(f, flat, p.batch)
            here_x, here_b = (matrix_place(f, q, m, indices, self.element) for q, m in ((x, p.a), (b, p.b)))
            here = _Operands(indices, *self._contiguous(here_x, here_b))

            def vectors(start: Index, stop: Index, body: Callable[[Index, int], None]) -> None:
                f.loop(start, f.minimum(stop, full), 1, lambda v, _: body(v, self.lanes))
                if rest:
                    f.when(f.below(full, stop), lambda: body(full, rest))

            if self.along_k:
                vectors(first, end, lambda v, count: self._store(here, v, count, self._along_k(here, v, count)))
            else:
                f.loop(first, end, STRIP, lambda v, _: self._strip(here, v, f.minimum(f.add(v, STRIP), end), vectors))

        shares(f, full + bool(rest), math.prod(p.batch), batch)
        f.end()

    def _contiguous(self, x: Reg, b: Reg) -> tuple[Reg, int, Reg, int, int]:
        """The operands as the chosen order wants them."""
        p, x_k, b_k, b_column = self.product, self.product.a.column, self.product.b.row, self.product.b.column
        self.scratch = 0
        if self.along_k and x_k != 1:
            x, x_k = self._packed(x, 1, 0, x_k), 1
        if self.along_k and b_k != 1:
            b, b_k, b_column = self._packed(b, p.n, b_column, b_k), 1, p.k
        if not self.along_k:
            self.scratch = STRIP * self.lanes * self.lanes
        return x, x_k, b, b_k, b_column

    def _packed(self, source: Reg, columns: int, stride: int, stride_k: int) -> Reg:
        """Columns, one behind the other in scratch."""
        f, k = self.f, self.product.k
        packing = Packing(self.f.name, self.element, 1, 1, stride, stride_k, rest=True)
        if all(one.name != packing.name for one in self.packings):
            self.packings.append(emit_packing(packing, f.level))
        target = f.pointer(f.parameters["scratch"], self.scratch, self.element)
        call_packing(f, packing, source, target, k, columns)
        self.scratch += -(-(k * columns) // 16) * 16
        return target

    def _store(self, here: _Operands, v: Index, count: int, value: Reg) -> None:
        """A vector of columns is done."""
        f = self.f
        tile = Tile(here.indices, 0, f.mul(v, self.lanes), 1, count)
        self.epilogue.prefetch(f, tile)
        self.epilogue.store(f, Fragment(tile, 0, 0, value, count))

    # Chains are lanes

    def _along_k(self, here: _Operands, v: Index, count: int) -> Reg:
        """Each column is a sum of vectors along k."""
        f, k_end = self.f, self.product.k
        b = f.pointer(here.b, f.mul(v, self.lanes * here.b_column), self.element)
        step = self.vectors * self.lanes
        whole = k_end - k_end % step

        def steps(k: Index, u: int, valid: int, sums: list[Reg]) -> None:
            at = f.add(k, u * self.lanes)
            one = f.load_first(f.pointer(here.x, at, self.element), self.type, valid)
            for j in range(count):
                place = f.pointer(b, f.add(at, j * here.b_column), self.element)
                found = f.load_first(place, self.type, valid)
                sums[j * self.vectors + u] = multiply_add(f, one, found, sums[j * self.vectors + u])

        def rounds(k: Index, held: list[Reg]) -> list[Reg]:
            sums = list(held)
            for u in range(self.vectors):
                steps(k, u, self.lanes, sums)
            return sums

        sums = f.loop(0, whole, step, rounds, [f.const(0, self.type)] * (self.vectors * count))
        for u in range(-(-(k_end - whole) // self.lanes)):
            steps(whole, u, min(self.lanes, k_end - whole - u * self.lanes), sums)
        columns = [self._tree(sums[j * self.vectors : (j + 1) * self.vectors]) for j in range(count)]
        return self._across(columns + [f.const(0, self.type)] * (self.lanes - count))

    def _plus(self, a: Reg, b: Reg) -> Reg:
        return self.f.op("add" if "i" in a.type else "fadd", a, b)

    def _tree(self, chains: list[Reg]) -> Reg:
        """A chain and the one half of them further on, until one is left."""
        while len(chains) > 1:
            half = len(chains) // 2
            chains = [self._plus(a, b) for a, b in zip(chains[:half], chains[half:], strict=True)]
        return chains[0]

    def _across(self, columns: list[Reg]) -> Reg:
        """As many vectors as lanes -> one vector of the sums over their lanes, in the tree's order."""
        group = self.lanes  # lanes that a column still has
        while group > 1:
            half = group // 2
            low = [g + lane for g in range(0, 2 * self.lanes, group) for lane in range(half)]
            columns = [
                self._plus(self.f.shuffle(a, b, low), self.f.shuffle(a, b, [lane + half for lane in low]))
                for a, b in zip(columns[::2], columns[1::2], strict=True)
            ]
            group = half
        return columns[0]

    # Chains are vectors

    def _strip(self, here: _Operands, start: Reg, stop: Index, vectors: _Vectors) -> None:
        """Some vectors of columns: their chains are in scratch, while a few whole rows of B after the others go by."""
        f, k_end, zero = self.f, self.product.k, self.f.const(0, self.type)
        rest = k_end % self.lanes

        def chains(v: Index) -> list[Reg]:
            first = f.pointer(
                f.parameters["scratch"], f.mul(f.op("sub", f.index(v), start), self.lanes**2), self.element
            )
            return [f.pointer(first, lane * self.lanes, self.element) for lane in range(self.lanes)]

        def clear(v: Index, _: int) -> None:
            for place in chains(v):
                f.store(zero, place)

        def rows(k: Index, many: int) -> None:
            ones = []
            for row in range(many):
                place = f.pointer(here.x, f.mul(f.add(k, row), here.x_k), self.element)
                ones.append(f.splat(f.load(place, self.element), self.lanes))
            vectors(start, stop, lambda v, count: add(k, ones, v, count))

        def add(k: Index, ones: list[Reg], v: Index, count: int) -> None:
            column = f.mul(v, self.lanes * here.b_column)
            for row, place in enumerate(chains(v)):
                if row < len(ones):
                    at = f.pointer(here.b, f.add(column, f.mul(f.add(k, row), here.b_k)), self.element)
                    sums = multiply_add(f, ones[row], self._columns(here, at, count), f.load(place, self.type))
                else:  # as lanes behind the end do, where chains are lanes: -0 becomes 0
                    sums = multiply_add(f, zero, zero, f.load(place, self.type))
                f.store(sums, place)

        def finish(v: Index, count: int) -> None:
            self._store(here, v, count, self._tree([f.load(place, self.type) for place in chains(v)]))

        f.loop(start, stop, 1, lambda v, _: clear(v, 0))
        f.loop(0, k_end - rest, self.lanes, lambda k, _: rows(k, self.lanes))
        if rest:
            rows(k_end - rest, rest)
        vectors(start, stop, finish)

    def _columns(self, here: _Operands, place: Reg, valid: int) -> Reg:
        """One row of B for a vector of columns."""
        f = self.f
        if here.b_column == 1:
            return f.load_first(place, self.type, valid)
        found = f.const(0, self.type)
        for j in range(valid):
            found = f.with_lane(found, j, f.load(f.pointer(place, j * here.b_column, self.element), self.element))
        return found
