"""Attention in blocks: softmax(scale q k^T) v, and the logarithm of each row's sum of exponentials.

    for each unit of the share: a head and some positions of q, in panels of a tile's width
        for each block of k that one of them sees
            for each panel
                s = k (scale log2(e) q)^T    positions of k down, of q along the lanes
                m' = max(m, max s)           the largest score of each position of q so far
                p = 2^(s - m')
                l = l 2^(m - m') + sum p
                o = o 2^(m - m') + v^T p
        y = (o / l)^T, lse = (m + log2 l) log(2)

Positions of q lie along the lanes, so nothing is ever summed across lanes, and the products read k and v by rows.
Milakov & Gimelshein 2018, https://arxiv.org/abs/1805.02867; Dao et al. 2022, https://arxiv.org/abs/2205.14135.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from chainrule.backends.native.attention_blocks import balanced, forward_block
from chainrule.backends.native.block_products import Block, Blocks, Matrix, Part
from chainrule.backends.native.body import share
from chainrule.backends.native.float_math import exp2_normal
from chainrule.backends.native.formulas import Lanes, where
from chainrule.backends.native.gemm_blocking import ceil_div
from chainrule.backends.native.gemm_tile import UNROLL, batch_indices
from chainrule.backends.native.nests import in_memory, pointer_to
from chainrule.backends.native.text import Function, Index, Reg, element_of
from chainrule.backends.native.vector_math import exp2, log2
from chainrule.passes.kernels import Place, Whole

_POSITIONS = 128  # of q in a unit: blocks of k are read so many times fewer
_AT_ONCE = 2  # rows of scores whose exponentials are under way together
_SMALLEST = -126.0  # 2^x is no normal number of float32 below
LN2 = math.log(2)
LOWEST = -sys.float_info.max  # smaller than any score but -inf; in float32 it is -inf, so see `lowest`


def lowest(element: str) -> float:
    """The smallest number: what a maximum begins with, so that what is masked, -inf, counts for nothing."""
    return LOWEST if element == "double" else -3.4028234663852886e38


def power_of_two(f: Function, x: Reg) -> Reg:
    """2^x for x <= 0: in float32 0 where it would be denormal."""
    if element_of(x.type) == "double":
        return exp2(f, x)
    lanes = Lanes(f, x)
    return where(lanes < _SMALLEST, 0.0, exp2_normal(lanes)).reg


def matrix(f: Function, place: Place, indices: tuple[Index, ...]) -> Matrix:
    """The matrix of an operand in one batch."""
    offset: Index = 0
    for index, stride in zip(indices, place.strides, strict=False):
        offset = f.add(offset, f.mul(index, stride))
    at = f.pointer(pointer_to(f, place), offset, in_memory(place.dtype))
    return Matrix(at, place.strides[-2], place.strides[-1], place.shape[-1])


def of_head(
    f: Function, start: Reg, head: Index, shape: tuple[int, int, int], element: str, each: int = 1, k: int = 0
) -> Matrix:
    """[length, width] of one head in [*, length, each, heads, width], the k-th; `shape`: length, heads, width."""
    length, heads, width = shape
    batch, within = f.divmod(head, heads) if heads > 1 else (head, 0)
    offset = f.mul(f.add(f.mul(batch, length * each * heads), f.add(within, k * heads)), width)
    return Matrix(f.pointer(start, offset, element), each * heads * width, 1, width)


def positions(f: Function, start: Index, lanes: int, element: str) -> Reg:
    """start, start + 1, ... as integers as wide as the elements."""
    integer = "i32" if element == "float" else "i64"
    first = f.index(start)
    first = f.convert("trunc", first, integer) if integer == "i32" else first
    return f.op("add", f.splat(first, lanes), f.consts(range(lanes), integer))


class _Forward:
    """The code of one kernel."""

    def __init__(self, f: Function, kernel: Whole) -> None:
        self.f, self.kernel, params = f, kernel, dict(kernel.params)
        self.scale, self.causal = float(params["scale"]), bool(params["is_causal"])
        self.merged = bool(params["merged"])
        self.q, self.k, self.v = kernel.inputs
        self.batch = self.q.shape[:-2]
        (self.length, self.width), (self.source, self.depth) = self.q.shape[-2:], self.v.shape[-2:]
        self.element = in_memory(kernel.result.dtype)
        blocks = self.blocks = Blocks(f, self.element)
        self.lanes, self.vectors = blocks.lanes, blocks.vectors
        self.panel = self.vectors * self.lanes  # positions of q
        self.positions = balanced(self.length, _POSITIONS, self.panel)
        self.units = ceil_div(self.length, self.positions)
        self.padded = blocks.padded(self.depth)
        self.panels = self.positions // self.panel
        self.block = forward_block(self.source, self.causal)
        self.rows_of_q = blocks.block(self.positions, self.width)
        self.panels_of_q = blocks.block(self.panels * self.width, self.panel)
        self.keys = blocks.block(self.block, self.width)
        self.values = blocks.block(self.block, self.depth)
        self.scores = blocks.block(self.block, self.panel)
        self.sums = blocks.block(self.panels * self.padded, self.panel)  # o
        self.largest = blocks.block(self.panels, self.panel)  # m
        self.total = blocks.block(self.panels, self.panel)  # l
        self.factors = blocks.block(1, self.panel)  # exp(m - m')
        self.row = blocks.block(self.panel, self.depth)  # of results, turned

    def emit(self) -> int:
        """The kernel's body. Returns the bytes of scratch that it needs."""
        f, heads = self.f, math.prod(self.batch)
        if heads:
            f.loop(*share(f, heads * self.units), 1, lambda unit, _: self._unit(unit))
        return self.blocks.bytes

    def _unit(self, unit: Reg) -> None:
        f = self.f
        head, number = f.divmod(unit, self.units)
        start = f.mul(self._folded(number), self.positions)
        count = f.minimum(f.op("sub", f.index(self.length), f.index(start)), self.positions)
        indices = batch_indices(f, head, self.batch)
        q, k, v = (matrix(f, place, indices) for place in (self.q, self.k, self.v))
        self._begin(q, start, count)
        end = f.minimum(f.add(start, count), self.source) if self.causal else self.source
        f.loop(0, end, self.block, lambda at, _: self._block(k, v, start, at))
        f.range(0, self.panels, 1, lambda panel: self._finish(head, start, count, panel))

    def _folded(self, number: Index) -> Index:
        """Which positions a unit has: the first, the last, the second, ... if the later ones see more."""
        f = self.f
        if not self.causal or self.units < 3:
            return number
        half, odd = f.divmod(number, 2)
        other = f.op("sub", f.index(self.units - 1), f.index(half))
        return f.select(f.compare("icmp eq", f.index(odd), f.index(0)), f.index(half), other)

    def _begin(self, q: Matrix, start: Index, count: Index) -> None:
        f, blocks = self.f, self.blocks
        blocks.copy_in(self.rows_of_q, q.below(f, start, self.element), count, self.scale / LN2)

        def panel(number: Index) -> None:
            rows = self._part(self.rows_of_q, number, self.panel)
            blocks.transpose(self._part(self.panels_of_q, number, self.width), rows, self.width)

        f.range(0, self.panels, 1, panel)
        blocks.fill(self.sums, 0)
        blocks.fill(self.total, 0)
        blocks.fill(self.largest, lowest(self.element))

    def _part(self, block: Block, number: Index, rows: int) -> Block:
        """Some rows of a block: of one panel."""
        return Block(block.row(self.f, self.f.mul(number, rows), self.element), rows, block.width)

    def _block(self, k: Matrix, v: Matrix, start: Index, at: Reg) -> None:
        f = self.f
        rows = f.minimum(f.op("sub", f.index(self.source), at), self.block) if self.source % self.block else self.block
        for block, source in ((self.keys, k), (self.values, v)):
            self.blocks.copy_in(block, source.below(f, at, self.element), rows)

        def panel(number: Index) -> None:
            first = f.add(start, f.mul(number, self.panel))
            if self.causal:
                last = f.add(first, self.panel - 1)
                f.when(f.compare("icmp sle", at, f.index(last)), lambda: self._panel(number, first, at))
            else:
                self._panel(number, first, at)

        f.range(0, self.panels, 1, panel)

    def _panel(self, number: Index, first: Index, at: Reg) -> None:
        """One block of k for one panel of q."""
        f, blocks = self.f, self.blocks
        q = self._part(self.panels_of_q, number, self.width)
        # How many positions of the block the last one of the panel sees, in whole rounds.
        seen: Index = self.block
        rows, terms = Part.ALL, Part.ALL
        if self.causal:
            seen = f.op("sub", f.index(f.add(first, self.panel + UNROLL - 1)), at)
            seen = f.minimum(f.op("and", seen, f.const(-UNROLL, "i64")), self.block)
            rows, terms = Part.FIRST_ROWS, Part.FIRST_TERMS
        shape = self.block, self.panel, self.width
        blocks.multiply(self.scores, self.keys, q, shape, part=rows, limit=seen)
        behind = f.add(at, self.block)
        hidden = []
        if self.causal:
            hidden.append(f.compare("icmp sgt", f.index(behind), f.index(f.add(first, 1))))
        if self.source % self.block:
            hidden.append(f.compare("icmp sgt", f.index(behind), f.index(self.source)))
        if hidden:
            some = hidden[0] if len(hidden) == 1 else f.op("or", *hidden)
            f.when(some, lambda: self._mask(first, at, seen))
        self._softmax(number, seen)
        sums = self._part(self.sums, number, self.padded)
        shape = self.depth, self.panel, self.block
        how: dict[str, Any] = {"turned": True, "factors": self.factors.at, "part": terms, "limit": seen}
        blocks.multiply(sums, self.values, self.scores, shape, **how)

    def _mask(self, first: Index, at: Reg, seen: Index) -> None:
        """-inf for scores that do not count."""
        f = self.f
        limits = []
        for v in range(self.vectors):
            integers = positions(f, f.add(first, v * self.lanes), self.lanes, self.element)
            last = f.const(self.source - 1, integers.type)
            limits.append(f.intrinsic("smin", integers, last) if self.causal else last)
        nothing = f.const(-math.inf, self.blocks.type)

        def row(i: Index) -> None:
            here = f.add(at, i)
            integer = "i32" if self.element == "float" else "i64"
            key = f.index(here) if integer == "i64" else f.convert("trunc", f.index(here), integer)
            keys = f.splat(key, self.lanes)
            place = self.scores.row(f, i, self.element)
            found = self.blocks.vectors_of(place, self.vectors)
            kept = [f.compare("icmp sle", keys, limit) for limit in limits]
            self.blocks.put([f.select(keep, one, nothing) for keep, one in zip(kept, found, strict=True)], place)

        f.range(0, seen, 1, row)

    def _softmax(self, number: Index, seen: Index) -> None:
        """Scores to exponentials, with what belongs to the panel's positions of q."""
        f, blocks = self.f, self.blocks
        m, total = (block.row(f, number, self.element) for block in (self.largest, self.total))
        before = blocks.vectors_of(m, self.vectors)
        largest = self._over_rows(seen, before, self._larger)
        blocks.put(largest, m)
        factors = [power_of_two(f, f.op("fsub", a, b)) for a, b in zip(before, largest, strict=True)]
        blocks.put(factors, self.factors.at)
        sums = [f.op("fmul", a, b) for a, b in zip(blocks.vectors_of(total, self.vectors), factors, strict=True)]

        def powers(place: Reg, sums: list[Reg]) -> list[Reg]:
            found = blocks.vectors_of(place, self.vectors)
            found = [power_of_two(f, f.op("fsub", s, top)) for s, top in zip(found, largest, strict=True)]
            blocks.put(found, place)
            return [f.op("fadd", a, b) for a, b in zip(sums, found, strict=True)]

        blocks.put(self._over_rows(seen, sums, powers), total)

    def _larger(self, place: Reg, held: list[Reg]) -> list[Reg]:
        f = self.f
        found = self.blocks.vectors_of(place, self.vectors)
        return [f.select(f.compare("fcmp ogt", s, top), s, top) for s, top in zip(found, held, strict=True)]

    def _over_rows(self, rows: Index, carried: list[Reg], step: Callable[[Reg, list[Reg]], list[Reg]]) -> list[Reg]:
        f = self.f

        def some(i: Reg, held: list[Reg]) -> list[Reg]:
            for k in range(_AT_ONCE):
                held = step(self.scores.row(f, f.add(i, k), self.element), held)
            return held

        return f.loop(0, rows, _AT_ONCE, some, carried)

    def _finish(self, head: Index, start: Index, count: Index, number: Index) -> None:
        """The panel's results."""
        f, blocks = self.f, self.blocks
        done = f.mul(number, self.panel)
        rows = f.minimum(f.op("sub", f.index(count), f.index(done)), self.panel)
        m, total = (
            blocks.vectors_of(block.row(f, number, self.element), self.vectors) for block in (self.largest, self.total)
        )
        sums = self._part(self.sums, number, self.padded)

        def divided(i: Index) -> None:
            place = sums.row(f, i, self.element)
            found = blocks.vectors_of(place, self.vectors)
            blocks.put([f.op("fdiv", a, b) for a, b in zip(found, total, strict=True)], place)

        f.range(0, self.depth, 1, divided)
        blocks.transpose(self.row, sums, self.panel)
        ln2 = f.const(LN2, blocks.type)
        logs = [f.op("fmul", f.op("fadd", a, log2(f, b)), ln2) for a, b in zip(m, total, strict=True)]
        blocks.put(logs, self.factors.at)
        result = pointer_to(f, self.kernel.result)
        at = f.add(start, done)
        heads = self.batch[-1] if self.merged else 1
        y = of_head(f, result, head, (self.length, heads, self.depth), self.element)
        blocks.copy_out(self.row, y.below(f, at, self.element), rows, lambda x, _: x)
        place = f.add(f.mul(head, self.length), at)
        to = f.pointer(result, f.add(place, math.prod(self.batch) * self.length * self.depth), self.element)

        def one(i: Index) -> None:
            f.store(f.load(f.pointer(self.factors.at, i, self.element), self.element), f.pointer(to, i, self.element))

        f.loop(0, rows, 1, lambda i, _: one(i))


def blocked_attention(f: Function, kernel: Whole) -> int:
    """y and lse, packed."""
    return _Forward(f, kernel).emit()
