"""Results put together from parts: concatenate, pad, slice_update."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chainrule.backends.native.nests import (
    Dim,
    Places,
    Read,
    as_bits,
    copy,
    dims_of,
    in_memory,
    maximum,
    merged,
    moved,
    nest,
    pointer_to,
    reader,
    row_major,
    shared,
    write_row,
)
from chainrule.backends.native.text import Function, Index, Reg
from chainrule.ir.types import BOOL
from chainrule.passes.kernels import Place, Whole

_SMALL = 1024  # elements that one part puts together alone, in less code


def concatenate(f: Function, kernel: Whole) -> int:
    """The inputs one after another along an axis."""
    axis: int = dict(kernel.params)["axis"]
    shape = kernel.result.shape
    strides = row_major(shape)
    to, element = pointer_to(f, kernel.result), as_bits(kernel.result.dtype)
    small = math.prod(shape) <= _SMALL

    def all_inputs() -> None:
        start = 0
        for x in kernel.inputs:
            dims = merged(f, dims_of(x.shape, strides, x.strides))
            if 0 not in x.shape:
                mine = dims if small else shared(f, dims, x.dtype.itemsize)
                copy(f, mine, f.pointer(to, start * strides[axis], element), pointer_to(f, x), element)
            start += x.shape[axis]

    if small:
        f.when(f.compare("icmp eq", f.parameters["part"], f.index(0)), all_inputs)
    else:
        all_inputs()
    return 0


# pad, slice_update: one array over another ----------------------------------------------------------------------------


def pad(f: Function, kernel: Whole) -> int:
    """x with a value before, behind and between its elements."""
    (x,) = kernel.inputs
    params = dict(kernel.params)
    value = bool(params["value"]) if x.dtype.category == BOOL else params["value"]
    filler = f.const(value, in_memory(x.dtype))
    _overlay(f, kernel, filler, x, params["low"], tuple(gap + 1 for gap in params["interior"]))
    return 0


def slice_update(f: Function, kernel: Whole) -> int:
    """x with x[start:stop:step] along every axis replaced by a value."""
    x, value = kernel.inputs
    params = dict(kernel.params)
    _overlay(f, kernel, x, value, params["starts"], params["steps"])
    return 0


@dataclass(frozen=True)
class _Span:
    """A dimension of the result, and where what lies over the base stands in it: at low, low + step, ..."""

    dim: Dim  # strides: (result, base)
    low: int
    step: int
    count: int
    stride: int  # of what lies over

    @property
    def covered(self) -> bool:
        """Whether the base is not seen."""
        return self.count == self.dim.length  # so low is 0, and the step 1 or without meaning


def _overlay(
    f: Function, kernel: Whole, base: Place | Reg, over: Place, low: Sequence[int], steps: Sequence[int]
) -> None:
    """The base (a place, or a number everywhere) with an array over some of its elements."""
    shape, strides = kernel.result.shape, row_major(kernel.result.shape)
    below = base.strides if isinstance(base, Place) else (0,) * len(shape)
    dims = dims_of(shape, strides, below)
    if 0 in over.shape:
        to, source = pointer_to(f, kernel.result), pointer_to(f, base) if isinstance(base, Place) else base
        element = in_memory(over.dtype)
        row = functools.partial(_write_base, f, to, source, not isinstance(base, Place), element)
        nest(f, shared(f, merged(f, dims), over.dtype.itemsize), row)
        return
    rows = zip(dims if shape else (), low, steps, over.shape, over.strides, strict=True)
    spans = [_Span(dim, first, step if count > 1 else 1, count, stride) for dim, first, step, count, stride in rows]
    _Overlay(f, kernel, base, over, _joined(spans)).emit()


def _joined(spans: Sequence[_Span]) -> list[_Span]:
    """The same in fewer dimensions; at least one is left."""
    found: list[_Span] = []
    for span in spans:
        n = span.dim.length
        if n == 1 and span.covered:
            continue
        before = found[-1] if found else None
        if before and span.covered and before.step == 1 and _as_one(before, span):
            dim = Dim(before.dim.length * n, span.dim.strides, 0, before.dim.length * n)
            found[-1] = _Span(dim, before.low * n, 1, before.count * n, span.stride)
        else:
            found.append(span)
    return found or [_Span(Dim(1, (0, 0), 0, 1), 0, 1, 1, 0)]


def _as_one(outer: _Span, inner: _Span) -> bool:
    pairs = zip((*outer.dim.strides, outer.stride), (*inner.dim.strides, inner.stride), strict=True)
    return all(a == b * inner.dim.length for a, b in pairs)


class _Overlay:
    """Row by row: what is seen of the base, and what lies over it."""

    def __init__(self, f: Function, kernel: Whole, base: Place | Reg, over: Place, spans: Sequence[_Span]) -> None:
        self.f, self.element = f, in_memory(over.dtype)
        self.to, self.over = pointer_to(f, kernel.result), pointer_to(f, over)
        self.base = pointer_to(f, base) if isinstance(base, Place) else base
        self.filled = not isinstance(base, Place)
        dims = shared(f, [span.dim for span in spans], over.dtype.itemsize)
        self.spans = [replace(span, dim=dim) for span, dim in zip(spans, dims, strict=True)]

    def emit(self) -> None:
        if all(span.dim.length for span in self.spans):
            self._level(0, (0, 0), 0, None)

    def _level(self, k: int, places: Places, over: Index, inside: Reg | None) -> None:
        """The loop over dimension k; `inside` says if something lies over the base here (None: it does)."""
        f, span = self.f, self.spans[k]
        if k == len(self.spans) - 1:
            self._row(places, over, inside, span)
            return

        def body(i: Index) -> None:
            here, at = inside, i
            if not span.covered:
                at, met = self._position(i, span)
                here = met if inside is None else f.op("and", inside, met)
            self._level(k + 1, moved(f, places, i, span.dim), f.add(over, f.mul(at, span.stride)), here)

        f.range(span.dim.start, span.dim.stop, 1, body)

    def _position(self, i: Index, span: _Span) -> tuple[Reg, Reg]:
        """Which of the elements above stands at index i, and if one does."""
        f = self.f
        at = f.index(f.add(i, -span.low))  # where negative, it is huge as an unsigned number
        if span.step == 1:
            return at, f.compare("icmp ult", at, f.index(span.count))
        step = f.index(span.step)
        quotient, rest = f.op("udiv", at, step), f.op("urem", at, step)
        met = f.compare("icmp ult", quotient, f.index(span.count))
        return quotient, f.op("and", met, f.compare("icmp eq", rest, f.index(0)))

    def _row(self, places: Places, over: Index, inside: Reg | None, span: _Span) -> None:
        if span.step > 1:
            self._base(places, span.dim)
            self._above(inside, lambda: self._spread(places, over, span))
            return
        low, high, length = span.low, span.low + span.count, span.dim.length
        grain = math.gcd(_grain(span.dim), low, high)
        first, second = (
            (low, high) if inside is None else (self._if(inside, low, length), self._if(inside, high, length))
        )
        if first != 0:
            self._base(places, _between(self.f, span.dim, 0, first, grain))
        if second != length:
            self._base(places, _between(self.f, span.dim, second, length, grain))
        middle = _between(self.f, span.dim, low, high, grain)
        self._above(inside, lambda: self._straight(places, over, span, middle))

    def _if(self, condition: Reg, a: int, b: int) -> Index:
        return a if a == b else self.f.select(condition, self.f.index(a), self.f.index(b))

    def _above(self, inside: Reg | None, body: Callable[[], None]) -> None:
        if inside is None:
            body()
        else:
            self.f.when(inside, body)

    def _base(self, places: Places, dim: Dim) -> None:
        _write_base(self.f, self.to, self.base, self.filled, self.element, places, dim)

    def _straight(self, places: Places, over: Index, span: _Span, dim: Dim) -> None:
        f = self.f
        read = reader(f, f.pointer(self.over, over, self.element), span.stride, self.element)
        written = replace(dim, strides=(dim.strides[0], span.stride))
        to = f.pointer(self.to, places[0], self.element)
        write_row(f, to, written, self.element, lambda i, lanes: read(f.add(i, -span.low), lanes))

    def _spread(self, places: Places, over: Index, span: _Span) -> None:
        """The elements above that stand between the bounds of the dim."""
        f, dim = self.f, span.dim
        start, stop = (self._count_below(at, span) for at in (dim.start, dim.stop))
        above = Dim(span.count, (dim.strides[0] * span.step, span.stride), start, stop)
        to = f.pointer(self.to, f.add(places[0], span.low * dim.strides[0]), self.element)
        read = reader(f, f.pointer(self.over, over, self.element), span.stride, self.element)
        write_row(f, to, above, self.element, read)

    def _count_below(self, i: Index, span: _Span) -> Index:
        """How many elements above stand before index i."""
        f = self.f
        if isinstance(i, int):
            return min(span.count, max(0, -(-(i - span.low) // span.step)))
        reached = f.add(maximum(f, i, span.low), span.step - 1 - span.low)
        return f.minimum(f.divmod(reached, span.step)[0], span.count)


def _write_base(f: Function, to: Reg, base: Reg, filled: bool, element: str, places: Places, dim: Dim) -> None:
    """A row of the base: a number, or what the pointer leads to."""
    if filled:
        read: Read = lambda i, lanes: f.splat(base, lanes)
    else:
        read = reader(f, f.pointer(base, places[1], element), dim.strides[1], element)
    write_row(f, f.pointer(to, places[0], element), dim, element, read)


def _grain(dim: Dim) -> int:
    """What divides both bounds."""
    known = isinstance(dim.start, int) and isinstance(dim.stop, int)
    return math.gcd(dim.start, dim.stop) if known else dim.grain  # type: ignore[arg-type]


def _between(f: Function, dim: Dim, low: Index, high: Index, grain: int) -> Dim:
    """The points of a dim from low to high."""
    start = maximum(f, dim.start, low)
    stop = maximum(f, start, f.minimum(dim.stop, high))
    return replace(dim, start=start, stop=stop, grain=grain or 1)
