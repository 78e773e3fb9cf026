"""A short way to write kernel descriptions down, for tests."""

from __future__ import annotations

from typing import Any

from chainrule.ir.types import DType, float32
from chainrule.passes.kernels import (
    Access,
    Apply,
    Columns,
    Constant,
    Level,
    Load,
    Position,
    Reduce,
    Rows,
    Step,
    Store,
)

UNIFORM, ROW, ELEMENT = Level.UNIFORM, Level.ROW, Level.ELEMENT


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array in row-major order."""
    strides: list[int] = []
    step = 1
    for length in reversed(shape):
        strides.insert(0, step)
        step *= length
    return tuple(strides)


class Sketch:
    """Collects operands, steps and stores over a domain. Values are the numbers of steps."""

    def __init__(self, domain: tuple[int, ...], *, columns: bool = False) -> None:
        self.domain, self.columns = domain, columns
        self.folded = 1 if columns else len(domain) - 1
        self.operands: list[DType] = []
        self.steps: list[Step] = []
        self.stores: list[Store] = []

    def operand(self, dtype: DType = float32) -> int:
        """A new operand."""
        self.operands.append(dtype)
        return len(self.operands) - 1

    def strides(self, level: Level) -> tuple[int, ...]:
        """Of a contiguous array of all points of a level."""
        if level is UNIFORM:
            return (0,) * len(self.domain)
        if level is ELEMENT:
            return contiguous(self.domain)
        shape = tuple(1 if d == self.folded else length for d, length in enumerate(self.domain))
        return tuple(0 if d == self.folded else s for d, s in enumerate(contiguous(shape)))

    def _add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def load(
        self,
        operand: int,
        level: Level = ELEMENT,
        strides: tuple[int, ...] | None = None,
        offset: int = 0,
        **index: Any,
    ) -> int:
        """A load; contiguous unless told."""
        access = Access(operand, self.strides(level) if strides is None else strides, offset)
        return self._add(Load(access, self.operands[operand], level, **index))

    def constant(self, value: Any, dtype: DType = float32, level: Level = UNIFORM) -> int:
        """A number."""
        return self._add(Constant(value, dtype, level))

    def position(self, strides: tuple[int, ...], dtype: DType, level: Level = ELEMENT, start: int = 0) -> int:
        """An index."""
        return self._add(Position(strides, dtype, level, start))

    def apply(self, primitive: str, *operands: int, dtype: DType | None = None, **params: Any) -> int:
        """A primitive of earlier steps."""
        level = max(self.steps[o].level for o in operands)
        dtype = self.steps[operands[-1]].dtype if dtype is None else dtype
        return self._add(Apply(primitive, operands, dtype, level, tuple(params.items())))

    def cast(self, x: int, dtype: DType) -> int:
        """Another element type."""
        return self._add(Apply("cast", (x,), dtype, self.steps[x].level, (("dtype", dtype),)))

    def reduce(self, operation: str, operand: int, dtype: DType | None = None) -> int:
        """A reduction."""
        return self._add(Reduce(operation, operand, dtype or self.steps[operand].dtype))

    def store(
        self,
        operand: int,
        step: int,
        level: Level | None = None,
        strides: tuple[int, ...] | None = None,
        offset: int = 0,
    ) -> None:
        """A store; contiguous unless told."""
        level = self.steps[step].level if level is None else level
        access = Access(operand, self.strides(level) if strides is None else strides, offset)
        self.stores.append(Store(access, step, self.steps[step].dtype, level))

    def kernel(self) -> Any:
        """The description: Rows or Columns."""
        kind: Any = Columns if self.columns else Rows
        return kind(self.domain, tuple(self.steps), tuple(self.stores), tuple(self.operands))
