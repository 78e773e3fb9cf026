"""Random descriptions of kernels over rows and columns, with memory for them.

All numbers are small integers, also where they are floats: sums and products of them are exact, so results must be
equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.types import DTYPES, FLOATING, Array, DType, bool_, float32, int64
from chainrule.passes.kernels import Load, Reduce
from tests.backends.native.descriptions import ELEMENT, ROW, UNIFORM, Sketch, contiguous

LENGTHS = (0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70, 129, 300)
LONG = (1000, 2500, 9000)


class Draft:
    """One random kernel in the making."""

    def __init__(self, rng: np.random.Generator, *, columns: bool, reduces: bool) -> None:
        self.rng = rng
        rank = 3 if columns else int(rng.integers(1, 5))
        domain = [int(rng.choice(LENGTHS)) for _ in range(rank)]
        while np.prod([max(1, length) for length in domain]) > 20_000:
            domain[int(rng.integers(rank))] = int(rng.integers(1, 4))
        if np.prod(domain) < 40:
            domain[int(rng.integers(rank))] *= int(rng.choice([1, 1, 10]))
        if rank < 3 and rng.random() < 0.2:
            domain[-1] = int(rng.choice(LONG))
        self.sketch = Sketch(tuple(domain), columns=columns)
        if reduces and domain[self.sketch.folded] == 0:  # there is no largest of none
            domain[self.sketch.folded] = 6
            self.sketch.domain = tuple(domain)
        self.columns, self.reduces = columns, reduces
        self.arrays: list[Array] = []
        self.written: set[int] = set()

    def pick(self, things: Any) -> Any:
        """One of some things."""
        return things[int(self.rng.integers(len(things)))]

    def numbers(self, size: int, dtype: DType) -> Array:
        """Small integers."""
        low, high = (0, 2) if dtype is bool_ else (0, 9) if dtype.name == "uint8" else (-4, 5)
        return self.rng.integers(low, high, size).astype(dtype.numpy)

    def memory(self, size: int, dtype: DType) -> int:
        """A new operand of so many elements."""
        self.arrays.append(self.numbers(size, dtype))
        return self.sketch.operand(dtype)

    def shape(self, level: Any) -> tuple[int, ...]:
        """The domain, of one element along what a level does not run over."""
        if level is UNIFORM:
            return (1,) * len(self.sketch.domain)
        return tuple(1 if level is ROW and d == self.sketch.folded else n for d, n in enumerate(self.sketch.domain))

    def layout(self, level: Any, *, repeats: bool) -> tuple[tuple[int, ...], int, int]:
        """Strides, offset and size of a random array of a level's points: permuted, stretched, reversed, broadcast."""
        shape = list(self.shape(level))
        if repeats and self.rng.random() < 0.3:
            shape[int(self.rng.integers(len(shape)))] = 1
        order = list(range(len(shape)))
        if self.rng.random() < 0.4:
            self.rng.shuffle(order)
        factor = self.pick([1, 1, 1, 2, 3])
        inner = contiguous(tuple(shape[d] for d in order))
        strides = [0] * len(shape)
        for place, d in enumerate(order):
            strides[d] = inner[place] * factor if shape[d] != 1 else 0
        offset = self.pick([0, 0, 3])
        if self.rng.random() < 0.15:
            d = int(self.rng.integers(len(shape)))
            offset += max(0, shape[d] - 1) * strides[d]
            strides[d] = -strides[d]
        reach = offset + sum(max(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
        return tuple(strides), offset, reach + 1

    def value(self, dtype: DType, level: Any, depth: int = 0) -> int:
        """A step of a type, of a level or a lower one."""
        k, kind = self.sketch, self.rng.random()
        if depth > 3 or kind < 0.35:
            return self.leaf(dtype, level)
        if level is ROW and self.reduces and kind < 0.8 and (not self.columns or depth < 2):
            return self.reduction(dtype, depth)
        if dtype is bool_:
            other = self.pick(DTYPES)
            pair = [self.value(other, level, depth + 1) for _ in range(2)]
            return k.apply(self.pick(["eq", "ne", "lt", "le", "gt", "ge"]), *pair, dtype=bool_)
        if kind < 0.5:
            choice = [self.value(t, level, depth + 1) for t in (bool_, dtype, dtype)]
            return k.apply("where", *choice)
        if kind < 0.6 and dtype is not bool_:
            return k.cast(self.value(bool_, level, depth + 1), dtype)
        pair = [self.value(dtype, self.pick([level, level, self.below(level)]), depth + 1) for _ in range(2)]
        return k.apply(self.pick(["add", "sub", "maximum", "mul" if depth > 1 else "add"]), *pair)

    def below(self, level: Any) -> Any:
        """A level under it; in `Columns` reductions stand behind the elements."""
        return UNIFORM if level is not ELEMENT or self.columns else ROW

    def leaf(self, dtype: DType, level: Any) -> int:
        """A load, a number or a position."""
        k, kind = self.sketch, self.rng.random()
        if kind < 0.15:
            return k.constant(int(self.numbers(1, dtype)[0]), dtype, UNIFORM)
        if kind < 0.25 and dtype is not bool_ and level is not UNIFORM:
            shape = self.shape(level)
            strides = tuple(int(self.rng.integers(0, 2)) if n > 1 else 0 for n in shape)
            if dtype.itemsize > 1:
                return k.position(strides, dtype, level, int(self.rng.integers(-3, 3)))
        if kind < 0.32 and level is not UNIFORM:
            index = self.value(int64, self.pick([level, UNIFORM]), 9)
            size, stride = 10, self.pick([1, 2])
            operand = self.memory(size * stride, dtype)
            strides = (0,) * len(k.domain)
            return k.load(operand, level, strides, index=index, index_stride=stride, index_length=size)
        strides, offset, size = self.layout(level, repeats=True)
        return k.load(self.memory(size, dtype), level, strides, offset)

    def reduction(self, dtype: DType, depth: int) -> int:
        """A reduction to a value of a type."""
        k = self.sketch
        if dtype is bool_:
            return k.reduce(self.pick(["any", "all"]), self.value(self.pick(DTYPES), ELEMENT, depth + 1), bool_)
        if dtype is int64 and self.rng.random() < 0.4:
            return k.reduce(self.pick(["argmax", "argmin"]), self.value(self.pick(DTYPES), ELEMENT, depth + 1), int64)
        return k.reduce(self.pick(["sum", "sum", "max", "min"]), self.value(dtype, ELEMENT, depth + 1))

    def finish(self) -> Any:
        """Stores, and the kernel."""
        levels = [ELEMENT] if not self.reduces else [ROW, ROW, ELEMENT]
        for level in [self.pick(levels), *([self.pick([*levels, UNIFORM])] if self.rng.random() < 0.5 else [])]:
            if self.columns and level is not ELEMENT and self.reduces and level is ROW:
                step = self.reduction(self.pick(DTYPES), 1)
            else:
                step = self.value(self.pick(DTYPES), level)
            if self.sketch.steps[step].level > level:
                level = self.sketch.steps[step].level
            self.store(step, level)
        return self.sketch.kernel()

    def store(self, step: int, level: Any) -> None:
        """To new memory, or over what was loaded from the same places."""
        dtype = self.sketch.steps[step].dtype
        for load in self.sketch.steps:
            if not isinstance(load, Load) or load.index is not None or (load.dtype, load.level) != (dtype, level):
                continue
            access, shape = load.access, self.shape(level)
            alone = all(s or n <= 1 for s, n in zip(access.strides, shape, strict=True))
            if level is ELEMENT and alone and access.operand not in self.written and self.rng.random() < 0.5:
                self.written.add(access.operand)
                self.sketch.store(access.operand, step, level, access.strides, access.offset)
                return
        strides, offset, size = self.layout(level, repeats=False)
        self.sketch.store(self.memory(size, self.sketch.steps[step].dtype), step, level, strides, offset)


def random_kernel(seed: int, *, columns: bool = False) -> tuple[Any, list[Array], float]:
    """A kernel, its memory, and by how many units of the last place its results may be off."""
    rng = np.random.default_rng(seed)
    draft = Draft(rng, columns=columns, reduces=columns or rng.random() < 0.6)
    kernel = draft.finish()
    inexact = any(isinstance(s, Reduce) and s.dtype.category == FLOATING and s.operation == "sum" for s in kernel.steps)
    return kernel, draft.arrays, 4.0 if inexact and any(a.dtype == float32.numpy for a in draft.arrays) else 0.0
