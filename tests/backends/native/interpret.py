"""What a kernel description means, in NumPy: the reference that generated code and fused programs are held to.

    interpret(kernel, arrays)          arrays: the flat memory of each operand; written in place

A description is computed whole, step by step, over the whole domain, and stored at the end, so a kernel that writes
where it reads gives what its description says: every point's loads come before its stores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Array
from chainrule.passes.fuse import RANDOM
from chainrule.passes.kernels import (
    Access,
    Apply,
    Columns,
    Constant,
    Kernel,
    Level,
    Load,
    Matrix,
    Position,
    Product,
    Reduce,
    Rows,
    Step,
    Whole,
)

Shape = tuple[int, ...]


class OutOfRange(IndexError):
    """An indexed load met an index outside its range."""


def interpret(kernel: Kernel, arrays: Sequence[Array]) -> list[Array]:
    """Runs a kernel on its operands' flat memory, in place. Returns the value of every step.

    An index out of range reads element 0, and OutOfRange is raised when all is stored, if a stored value depends on it.
    """
    if isinstance(kernel, Whole):
        _whole(kernel, arrays)
        return []
    return _Run(kernel, arrays).run()


def _whole(kernel: Whole, arrays: Sequence[Array]) -> None:
    """A primitive of views."""
    views = [arrays[place.operand][_affine(place.shape, place.strides, place.offset)] for place in kernel.inputs]
    with np.errstate(all="ignore"):
        found = REGISTRY[kernel.primitive].reference(*views, **dict(kernel.params))
    result = kernel.result
    assert found.shape == result.shape
    arrays[result.operand][_affine(result.shape, result.strides, result.offset)] = found


def _affine(shape: Shape, strides: Sequence[int], start: int) -> Array:
    """start + sum(index_k strides_k) at each point of a shape."""
    total = np.full(shape, start, np.int64)
    for d, stride in enumerate(strides):
        total += (np.arange(shape[d]) * stride).reshape([-1 if e == d else 1 for e in range(len(shape))])
    return total


def _drawn(step: Apply, place: Array, seed: Array, draw: Array, *probability: Array) -> Array:
    """The elements at these places of an array that is drawn."""
    size = int(place.max(initial=-1)) + 1
    state = np.array([seed.flat[0], draw.flat[0]] if seed.size else [0, 0])
    reference, params = REGISTRY[step.primitive].reference, dict(step.params)
    if not probability:
        return np.asarray(reference(state, shape=(size,), **params)[place])
    flat = np.zeros(size, probability[0].dtype)
    flat[place] = probability[0]
    return np.asarray(reference(state, flat, **params)[place])


class _Run:
    def __init__(self, kernel: Rows | Columns | Product, arrays: Sequence[Array]) -> None:
        self.kernel, self.arrays = kernel, arrays
        if isinstance(kernel, Product):
            self.domain: Shape = (*kernel.batch, kernel.m, kernel.n)
        else:
            self.domain = kernel.domain
        self.steps, self.stores = kernel.steps, kernel.stores
        self.folded = 1 if isinstance(kernel, Columns) else len(self.domain) - 1
        self.values: list[Array] = []
        self.bad: set[int] = set()  # the steps that met an index out of range

    def run(self) -> list[Array]:
        with np.errstate(all="ignore"):
            for k, step in enumerate(self.steps):
                first = k == 0 and isinstance(self.kernel, Product)
                value = self._product() if first else self._value(step)
                self.values.append(np.broadcast_to(value, self._shape(step.level)))
                assert first or value.dtype == step.dtype.numpy, f"step {k} is {step}, its value {value.dtype}"
        for store in self.stores:
            value = np.broadcast_to(self.values[store.step], self._shape(store.level))
            assert value.dtype == store.dtype.numpy == self.arrays[store.access.operand].dtype
            self.arrays[store.access.operand][self._places(store.access, store.level)] = value
        if self.bad & self._needed():
            raise OutOfRange
        return self.values

    def _needed(self) -> set[int]:
        """The steps that what is stored depends on."""
        needed = {store.step for store in self.stores if 0 not in self._shape(store.level)}
        for k in range(len(self.steps) - 1, -1, -1):
            step = self.steps[k]
            if k in needed and isinstance(step, Apply):
                needed.update(step.operands)
            elif k in needed and isinstance(step, Reduce):
                needed.add(step.operand)
            elif k in needed and isinstance(step, Load) and step.index is not None:
                needed.add(step.index)
        return needed

    def _shape(self, level: Level) -> Shape:
        """The domain, of one element along what a level does not run over."""
        if level is Level.UNIFORM:
            return (1,) * len(self.domain)
        if level is Level.ROW:
            return tuple(1 if d == self.folded else length for d, length in enumerate(self.domain))
        return self.domain

    def _places(self, access: Access, level: Level) -> Array:
        return _affine(self._shape(level), access.strides, access.offset)

    def _value(self, step: Step) -> Array:
        if isinstance(step, Load):
            return self._loaded(step)
        if isinstance(step, Constant):
            return np.asarray(step.value).astype(step.dtype.numpy)
        if isinstance(step, Position):
            return _affine(self._shape(step.level), step.strides, step.start).astype(step.dtype.numpy)
        if isinstance(step, Apply):
            shape = self._shape(step.level)
            operands = [np.broadcast_to(self.values[o], shape) for o in step.operands]
            if step.primitive in RANDOM:
                return _drawn(step, *operands)
            return np.asarray(REGISTRY[step.primitive].reference(*operands, **dict(step.params)))
        return self._reduced(step)

    def _loaded(self, step: Load) -> Array:
        places = self._places(step.access, step.level)
        if step.index is not None:
            index = np.broadcast_to(self.values[step.index], places.shape).astype(np.int64)
            bad = (index < 0) | (index >= step.index_length)
            if bad.any():
                self.bad.add(len(self.values))
            places = places + np.where(bad, 0, index) * step.index_stride
            if step.index_length == 0:
                return np.zeros(places.shape, step.dtype.numpy)
        found = self.arrays[step.access.operand][places]
        assert found.dtype == step.dtype.numpy
        return found

    def _reduced(self, step: Reduce) -> Array:
        x = np.broadcast_to(self.values[step.operand], self.domain)
        if step.operation in ("argmax", "argmin"):
            found = REGISTRY[step.operation].reference(x, axis=self.folded)
            return np.expand_dims(found, self.folded)
        if step.operation in ("sum", "prod") and x.dtype.kind == "f":  # the truth, not NumPy's rounding of it
            fold = np.sum if step.operation == "sum" else np.prod
            return np.asarray(fold(x, axis=self.folded, dtype=np.longdouble, keepdims=True).astype(x.dtype))
        return np.asarray(REGISTRY[step.operation].reference(x, axes=(self.folded,), keepdims=True))

    def _product(self) -> Array:
        """In float64 at least, rounded once."""
        kernel = self.kernel
        assert isinstance(kernel, Product)
        a = self._matrix(kernel.a, kernel.m, kernel.k)
        b = self._matrix(kernel.b, kernel.k, kernel.n)
        wide = np.float64 if a.dtype.kind == "f" else np.int64
        return np.asarray(np.matmul(a.astype(wide), b.astype(wide)).astype(kernel.dtype.numpy))

    def _matrix(self, matrix: Matrix, rows: int, columns: int) -> Array:
        assert isinstance(self.kernel, Product)
        shape = (*self.kernel.batch, rows, columns)
        places = _affine(shape, (*matrix.batch, matrix.row, matrix.column), matrix.offset)
        return self.arrays[matrix.operand][places]
