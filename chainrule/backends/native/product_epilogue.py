"""What a fused kernel does with the results of its product: the steps and stores of a description, on fragments."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.backends.native.body import Body, Known, Row, Scope
from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.gemm_epilogue import Fragment, Tile, prefetch
from chainrule.backends.native.text import Function, Index
from chainrule.passes.kernels import Access, Level, Load, Product


class BodyEpilogue:
    """The body of a `Product`: an `Epilogue` for `emit_product`."""

    def __init__(self, product: Product, lanes: int, rows: Mapping[str, Row]) -> None:
        assert all(store.level is Level.ELEMENT for store in product.stores), "a product stores elements alone"
        self.product, self.lanes, self.rows = product, lanes, rows
        self._bodies: dict[str, Body] = {}
        self._tile: Tile | None = None
        self._scopes: dict[int, Scope] = {}  # of the tile's rows
        self._shared: dict[int, Known] = {}  # by vector of columns: what is the same in all rows

    def prepare(self, f: Function) -> None:
        """Pointers and UNIFORM steps."""
        p = self.product
        body = Body(f, p.steps, p.stores, p.operands, self.rows, lanes=self.lanes, given=(0,))
        body.prepare(store=False)
        self._bodies[f.name] = body

    def prefetch(self, f: Function, tile: Tile) -> None:
        """The lines that the tile's places lie in, where its columns are contiguous."""
        body = self._bodies[f.name]
        for access in self._streams():
            element = ELEMENTS[self.product.operands[access.operand].name]
            *_, row, column = access.strides
            origin = f.pointer(body.place(access, (*tile.batch, tile.row)), f.mul(tile.column, column), element)
            prefetch(f, origin, tile, row, element)

    def store(self, f: Function, fragment: Fragment) -> None:
        """The ELEMENT steps and stores of a fragment."""
        body, tile = self._bodies[f.name], fragment.tile
        if self._tile is not tile:
            self._tile, self._scopes, self._shared = tile, {}, {}
        if fragment.i not in self._scopes:
            body.row((*tile.batch, f.add(tile.row, fragment.i)))
            self._scopes[fragment.i] = body.leave()
        body.enter(self._scopes[fragment.i])
        inner: Index = f.add(tile.column, fragment.j)
        if fragment.j not in self._shared:
            self._shared[fragment.j] = body.element(inner, fragment.count, body.invariant())
        known = body.element(inner, fragment.count, given={0: fragment.value, **self._shared[fragment.j]})
        body.store_elements(known, inner, fragment.count)

    def _streams(self) -> list[Access]:
        """Each place that elements are stored to, or loaded from row by row, once."""
        accesses = [store.access for store in self.product.stores]
        accesses += [
            s.access
            for s in self.product.steps
            if isinstance(s, Load) and s.level is Level.ELEMENT and s.index is None and s.access.strides[-2]
        ]
        return [access for access in dict.fromkeys(accesses) if access.strides[-1] == 1]
