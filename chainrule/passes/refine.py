"""Shapes that refine one another, and strided views of memory: the arithmetic behind reading through movement.

A shape is *finer* than another if splitting dimensions of the other, in row-major order, makes it: (12, 64, 128) is
finer than (768, 128). Dimensions of length 1 count for nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from chainrule.ir.types import Shape

Strides = tuple[int, ...]

# Answers kept: a deep model asks the same of the shapes of each of its blocks.
_REMEMBERED = 4096


@functools.lru_cache(_REMEMBERED)
def common_refinement(a: Shape, b: Shape) -> Shape | None:
    """The coarsest shape that is finer than both, without dimensions of length 1; None if there is none.

    Of shapes without elements, which nobody reads, it is theirs if they agree, else (0,).
    """
    if math.prod(a) != math.prod(b):
        return None
    a, b = _without_ones(a), _without_ones(b)
    if a == b:
        return a
    if 0 in a:
        return (0,)
    steps = sorted(_row_major(a) | _row_major(b))
    dims = []
    for inner, outer in zip(steps, [*steps[1:], math.prod(a)], strict=True):
        if outer % inner:
            return None
        dims.append(outer // inner)
    return tuple(reversed(dims))


def _without_ones(shape: Shape) -> Shape:
    return tuple([length for length in shape if length != 1])


def _row_major(shape: Shape) -> set[int]:
    """The strides that dimensions longer than 1 have in row-major memory."""
    return set(contiguous_strides(shape))


@functools.lru_cache(_REMEMBERED)
def contiguous_strides(shape: Shape) -> Strides:
    """The strides of row-major memory, in elements."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def collapsed(dims: Shape, accesses: Sequence[Strides]) -> tuple[Shape, list[Strides]]:
    """The fewest dimensions over which all accesses can run, and their strides: neighbours merge where every access
    goes on from the one as the other would. Dimensions of length 1 go; without elements, one of length 0 is left."""
    if 0 in dims:
        return (0,), [(0,) for _ in accesses]
    lengths: list[int] = []
    found: list[list[int]] = [[] for _ in accesses]
    for k, length in enumerate(dims):
        if length == 1:
            continue
        if lengths and all([done[-1] == own[k] * length for done, own in zip(found, accesses, strict=True)]):
            lengths[-1] *= length
            for done, own in zip(found, accesses, strict=True):
                done[-1] = own[k]
            continue
        lengths.append(length)
        for done, own in zip(found, accesses, strict=True):
            done.append(own[k])
    return tuple(lengths), [tuple(done) for done in found]


class View(NamedTuple):
    """Where the elements of an array lie: element (i, j, ...) at `offset + i * strides[0] + j * strides[1] + ...`.

    Counted in elements of memory. A stride of 0 repeats, a negative one runs backwards.
    """

    shape: Shape
    strides: Strides
    offset: int = 0

    @staticmethod
    @functools.lru_cache(_REMEMBERED)
    def contiguous(shape: Shape) -> View:
        """Row-major memory."""
        return View(shape, contiguous_strides(shape))

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def same_as(self, other: View) -> bool:
        """Whether both have one shape and the same places: the strides of dimensions of length 1 do not count."""
        if self.shape != other.shape:
            return False
        if 0 in self.shape:
            return True
        pairs = zip(self.shape, self.strides, other.strides, strict=True)
        return self.offset == other.offset and all([length == 1 or mine == theirs for length, mine, theirs in pairs])

    def permuted(self, axes: tuple[int, ...]) -> View:
        """The axes in another order."""
        return View(tuple([self.shape[k] for k in axes]), tuple([self.strides[k] for k in axes]), self.offset)

    def broadcast(self, shape: Shape) -> View:
        """Repeated along new leading axes and axes of length 1."""
        new = len(shape) - len(self.shape)
        kept = zip(self.shape, self.strides, shape[new:], strict=True)
        return View(shape, (0,) * new + tuple([stride if n == after else 0 for n, stride, after in kept]), self.offset)

    def sliced(self, starts: Shape, stops: Shape, steps: Shape) -> View:
        """start:stop:step along every axis; bounds lie inside the axes, steps are at least 1."""
        shape = tuple([len(range(*bounds)) for bounds in zip(starts, stops, steps, strict=True)])
        strides = tuple([stride * step for stride, step in zip(self.strides, steps, strict=True)])
        if 0 in shape:  # a start may stand behind the last element
            return View(shape, strides, self.offset)
        first = sum([start * stride for start, stride in zip(starts, self.strides, strict=True)])
        return View(shape, strides, self.offset + first)

    def flipped(self, axes: tuple[int, ...]) -> View:
        """Backwards along `axes`."""
        strides = tuple([-stride if k in axes else stride for k, stride in enumerate(self.strides)])
        last = sum([(self.shape[k] - 1) * self.strides[k] for k in axes if self.shape[k]])
        return View(self.shape, strides, self.offset + last)

    def split_to(self, dims: Shape) -> View | None:
        """The same elements over dimensions that are finer than the shape; None if `dims` are not."""
        if self.size != math.prod(dims):
            return None
        if 0 in dims:
            return View(dims, (0,) * len(dims), self.offset)
        strides = [0] * len(dims)
        k = len(dims)  # dims[k:] are done
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            done = 1
            while done < length:
                k -= 1
                strides[k] = stride * done
                done *= dims[k]
            if done != length:
                return None
        return View(dims, tuple(strides), self.offset)

    @functools.lru_cache(_REMEMBERED)  # noqa: B019 - it keeps numbers only
    def reshaped(self, shape: Shape) -> View | None:
        """The elements, in their order, in another shape; None if they would have to be moved for that."""
        if self.shape == shape:
            return self
        dims, (strides,) = collapsed(self.shape, (self.strides,))
        return View(dims, strides, self.offset).split_to(shape)
