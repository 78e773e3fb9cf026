"""The gradients of attention in blocks, from what the forward pass left of each row: lse, the logarithm of its sum.

    for each unit of the share: a head and a range of positions of k
        for each block of k
            for each block of q that sees it
                s = q (scale log2(e) k)^T, dp = g v^T
                p = 2^(s - log2(e) lse), ds = p (dp - w)
                dv += p^T g, dk += ds^T q, dq += log(2) ds (scale log2(e) k)
            scale dk and dv are complete

Five products, of which one is made for the second time. dq of a unit is a part of its own, for other units add to it
as well. Dao et al. 2022, https://arxiv.org/abs/2205.14135; there the loops are the same, and the parts are added by
atomic operations.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.backends.native.attention_blocks import gradient_blocks
from chainrule.backends.native.attention_forward import LN2, matrix, of_head, positions, power_of_two
from chainrule.backends.native.block_products import Block, Blocks, Matrix, Part
from chainrule.backends.native.body import share
from chainrule.backends.native.gemm_blocking import ceil_div
from chainrule.backends.native.gemm_tile import batch_indices
from chainrule.backends.native.nests import in_memory, pointer_to
from chainrule.backends.native.text import Function, Index, Reg
from chainrule.passes.kernels import Place, Whole

# Which scores are made, and which terms of sums over k and over q count, if later positions are not seen.
_PARTS = Part.LOWER, Part.LOWER_TERMS, Part.UPPER_TERMS
_NOBODY = 3e38  # lse of positions that are none: exp(s - lse) is 0


class _Backward:
    """The code of one kernel."""

    def __init__(self, f: Function, kernel: Whole) -> None:
        self.f, self.kernel, params = f, kernel, dict(kernel.params)
        self.scale, self.causal = float(params["scale"]), bool(params["is_causal"])
        self.bounds: tuple[int, ...] = params["bounds"]
        self.merged = bool(params["merged"])
        self.g, self.w, self.lse, self.q, self.k, self.v = kernel.inputs
        self.batch = self.q.shape[:-2]
        self.heads, self.parts = math.prod(self.batch), len(self.bounds) - 1
        (self.length, self.width), (self.source, self.depth) = self.q.shape[-2:], self.v.shape[-2:]
        self.element = in_memory(kernel.result.dtype)
        blocks = self.blocks = Blocks(f, self.element)
        self.lanes = blocks.lanes
        self.m, self.n = gradient_blocks(self.length, self.source, self.causal)
        self.ragged = any(bound % self.n for bound in self.bounds)
        self.keys = blocks.block(self.n, self.width)  # scaled
        self.values = blocks.block(self.n, self.depth)
        self.turned_keys = blocks.block(self.width, self.n)
        self.turned_values = blocks.block(self.depth, self.n)
        self.to_k = blocks.block(self.n, self.width)
        self.to_v = blocks.block(self.n, self.depth)
        self.queries = blocks.block(self.m, self.width)
        self.cotangents = blocks.block(self.m, self.depth)
        self.rows = blocks.block(2, self.m)  # lse, w
        self.p = blocks.block(self.m, self.n)
        self.ds = blocks.block(self.m, self.n)
        self.to_q = blocks.block(self.m, self.width)

    def emit(self) -> int:
        """The kernel's body. Returns the bytes of scratch that it needs."""
        f = self.f
        if self.heads:
            f.loop(*share(f, self.heads * self.parts), 1, lambda unit, _: self._unit(unit))
        return self.blocks.bytes

    def _unit(self, unit: Reg) -> None:
        f = self.f
        head, part = f.divmod(unit, self.parts)
        first, end = self._bound(part, 0), self._bound(part, 1)
        results = self._results(head, part)
        work = _Work(self, batch_indices(f, head, self.batch), results, end)
        self.blocks.fill(self.to_q, 0)
        f.loop(0, self.length, self.m, lambda start, _: work.begin(start))
        f.loop(first, end, self.n, lambda at, _: work.block_of_k(at))

    def _results(self, head: Index, part: Index) -> tuple[Matrix, Matrix, Matrix]:
        """Where the unit's dq, its head's dk and dv go."""
        f, element, result = self.f, self.element, pointer_to(self.f, self.kernel.result)
        if self.merged:
            shape = self.length, self.batch[-1], self.width
            of_q, of_k, of_v = (of_head(f, result, head, shape, element, 3, k) for k in range(3))
            return of_q, of_k, of_v
        unit = f.add(f.mul(part, self.heads), head)
        to_k = f.pointer(result, self.parts * self.heads * self.length * self.width, element)
        to_v = f.pointer(to_k, self.heads * self.source * self.width, element)
        return (
            of_head(f, result, unit, (self.length, 1, self.width), element),
            of_head(f, to_k, head, (self.source, 1, self.width), element),
            of_head(f, to_v, head, (self.source, 1, self.depth), element),
        )

    def _bound(self, part: Index, more: int) -> Index:
        """Where the range of a part begins, or ends."""
        f = self.f
        if self.parts == 1:
            return self.bounds[more]
        found = f.index(self.bounds[more])
        for k in range(1, self.parts):
            here = f.compare("icmp eq", f.index(part), f.index(k))
            found = f.select(here, f.index(self.bounds[k + more]), found)
        return found


class _Work:
    """The code for one unit."""

    def __init__(
        self, code: _Backward, indices: tuple[Index, ...], results: tuple[Matrix, Matrix, Matrix], end: Index
    ) -> None:
        self.code, self.f, self.blocks, self.element = code, code.f, code.blocks, code.element
        self.to_q, self.to_k, self.to_v = results
        self.end = end
        self.g, self.q, self.k, self.v, self.w = (
            matrix(self.f, place, indices) for place in (code.g, code.q, code.k, code.v, code.w)
        )
        lse = code.lse  # as a matrix of one column
        column = Place(lse.operand, (*lse.shape, 1), (*lse.strides, 1), lse.offset, lse.dtype)
        self.lse = matrix(self.f, column, indices)

    def begin(self, start: Reg) -> None:
        """Zeros for what is added to dq of one block of q."""
        to_q = self.to_q.below(self.f, start, self.element)
        self.blocks.copy_out(self.code.to_q, to_q, self._rows(start), lambda x, _: x)

    def _rows(self, start: Reg) -> Index:
        """How many rows a block of q has."""
        f, code = self.f, self.code
        return f.minimum(f.op("sub", f.index(code.length), start), code.m) if code.length % code.m else code.m

    def block_of_k(self, at: Reg) -> None:
        """One block of k, and all that see it."""
        f, code, blocks = self.f, self.code, self.blocks
        left = f.op("sub", f.index(self.end), at)
        rows: Index = f.minimum(left, code.n) if code.ragged else code.n
        blocks.copy_in(code.keys, self.k.below(f, at, self.element), rows, code.scale / LN2)
        blocks.copy_in(code.values, self.v.below(f, at, self.element), rows)
        blocks.transpose(code.turned_keys, code.keys, code.width)
        blocks.transpose(code.turned_values, code.values, code.depth)
        blocks.fill(code.to_k, 0)
        blocks.fill(code.to_v, 0)
        first = f.mul(f.divmod(at, code.m)[0], code.m) if code.causal else 0
        f.loop(first, code.length, code.m, lambda start, _: self._block_of_q(start, at))
        scale = f.const(code.scale, blocks.type)
        to_k, to_v = (matrix.below(f, at, self.element) for matrix in (self.to_k, self.to_v))
        blocks.copy_out(code.to_k, to_k, rows, lambda x, _: f.op("fmul", x, scale))
        blocks.copy_out(code.to_v, to_v, rows, lambda x, _: x)

    def _block_of_q(self, start: Reg, at: Reg) -> None:
        f, code, blocks = self.f, self.code, self.blocks
        rows = self._rows(start)
        blocks.copy_in(code.queries, self.q.below(f, start, self.element), rows)
        blocks.copy_in(code.cotangents, self.g.below(f, start, self.element), rows)
        self._numbers(start, rows)
        # What position start + i of q sees of the block of k is up to at + j with j <= i + ahead.
        ahead = f.op("sub", start, at)
        scores, by_q, by_k = (part if code.causal else Part.ALL for part in _PARTS)
        seen: dict[str, Any] = {"part": scores, "limit": ahead}
        blocks.multiply(code.p, code.queries, code.turned_keys, (code.m, code.n, code.width), **seen)
        blocks.multiply(code.ds, code.cotangents, code.turned_values, (code.m, code.n, code.depth), **seen)
        self._probabilities(start, at)
        into: dict[str, Any] = {"turned": True, "added": True, "part": by_k, "limit": ahead}
        blocks.multiply(code.to_v, code.p, code.cotangents, (code.n, code.depth, code.m), **into)
        blocks.multiply(code.to_k, code.ds, code.queries, (code.n, code.width, code.m), **into)
        blocks.multiply(code.to_q, code.ds, code.keys, (code.m, code.width, code.n), part=by_q, limit=ahead)
        blocks.copy_out(code.to_q, self.to_q.below(f, start, self.element), rows, self._plus)

    def _plus(self, x: Reg, place: Reg) -> Reg:
        f = self.f
        return f.fma(x, f.const(LN2, x.type), f.load(place, x.type))

    def _numbers(self, start: Reg, rows: Index) -> None:
        """lse and w of the block's positions."""
        f, code = self.f, self.code
        for k, (source, none, factor) in enumerate(((self.lse, _NOBODY, 1 / LN2), (self.w, 0.0, 1.0))):
            line = Block(code.rows.row(f, k, self.element), 1, code.rows.width)
            if rows != code.m:
                self.blocks.fill(line, none)
            self._copy(source.below(f, start, self.element), line.at, rows, factor)

    def _copy(self, source: Matrix, line: Reg, rows: Index, factor: float) -> None:
        f, element = self.f, self.element

        def one(i: Index) -> None:
            found = f.load(f.pointer(source.at, f.mul(i, source.row), element), element)
            f.store(f.op("fmul", found, f.const(factor, element)), f.pointer(line, i, element))

        f.loop(0, rows, 1, lambda i, _: one(i))

    def _probabilities(self, start: Reg, at: Reg) -> None:
        """p = exp(s - lse), ds = p (dp - w), in place; what does not count is 0."""
        f, code = self.f, self.code
        hidden = []
        if code.causal:
            hidden.append(f.compare("icmp sgt", f.index(f.add(at, code.n - 1)), start))
        if code.ragged:
            hidden.append(f.compare("icmp sgt", f.index(f.add(at, code.n)), f.index(self.end)))
        if not hidden:
            self._all_rows(start, at, masked=False)
            return
        some = hidden[0] if len(hidden) == 1 else f.op("or", *hidden)
        f.when(some, lambda: self._all_rows(start, at, masked=True))
        f.when(f.op("xor", some, f.const(True, "i1")), lambda: self._all_rows(start, at, masked=False))

    def _all_rows(self, start: Reg, at: Reg, *, masked: bool) -> None:
        f, code, element = self.f, self.code, self.element
        lse, w = (code.rows.row(f, k, element) for k in range(2))
        count = ceil_div(code.n, self.blocks.lanes)
        limits = []
        if masked:
            limits = [positions(f, f.add(at, v * code.lanes), code.lanes, element) for v in range(count)]

        def row(i: Index) -> None:
            top, within = (f.splat(f.load(f.pointer(line, i, element), element), code.lanes) for line in (lse, w))
            p, ds = code.p.row(f, i, element), code.ds.row(f, i, element)
            last = self._last(f.add(start, i), limits[0].type) if masked else None
            for v in range(count):
                here, there = (f.pointer(line, v * code.lanes, element) for line in (p, ds))
                power = power_of_two(f, f.op("fsub", f.load(here, self.blocks.type), top))
                slope = f.op("fmul", power, f.op("fsub", f.load(there, power.type), within))
                if last is not None:  # what is hidden was not even computed: anything may stand there
                    kept, zero = f.compare("icmp sle", limits[v], last), f.const(0, power.type)
                    power, slope = (f.select(kept, x, zero) for x in (power, slope))
                f.store(power, here)
                f.store(slope, there)

        f.range(0, code.m, 1, row)

    def _last(self, position: Index, type: str) -> Reg:
        """The last position of k that one of q sees."""
        f, code = self.f, self.code
        seen = f.add(self.end, -1)
        if code.causal:
            seen = f.minimum(position, seen)
        integer = "i32" if self.element == "float" else "i64"
        one = f.index(seen)
        return f.splat(f.convert("trunc", one, integer) if integer == "i32" else one, code.lanes)


def blocked_attention_gradients(f: Function, kernel: Whole) -> int:
    """dq in parts, dk and dv, packed."""
    return _Backward(f, kernel).emit()
