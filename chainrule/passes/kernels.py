"""What a kernel computes, told without any machine: what fusion makes of a graph and a backend turns into code.

A kernel runs a body over a domain. The body is a list of steps in order, each of one of three levels:

    UNIFORM   one value for the whole kernel        a learning rate, 1 / (1 - beta ** t)
    ROW       one value per point of the outer dims a row's maximum, the sum of its exponentials, a bias in `Columns`
    ELEMENT   one value per point of the domain

A step reads memory (`Load`), makes a constant, or applies a primitive to earlier steps of its own or a lower level
(UNIFORM < ROW < ELEMENT). In `Rows` a `Reduce` folds ELEMENT values along the last dimension into a ROW value; in
`Columns` it folds them along the middle one. A store puts a step's value into memory.

Places in memory are affine in the point of the domain: `offset + sum(index_k strides_k)`, in elements.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from chainrule.ir.types import DType


class Level(enum.IntEnum):
    """How often a step's value changes."""

    UNIFORM = 0
    ROW = 1
    ELEMENT = 2


@dataclass(frozen=True)
class Access:
    """The place of each point of the domain in one operand of the kernel.

    `strides` has an entry for each dimension of the domain; those that a level does not run over are 0.
    """

    operand: int  # which of the kernel's operands
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class Load:
    """The element at a place. With `index`, `index_stride` times the (integer) value of that step is added to it,
    after it was checked to lie in 0 <= value < index_length: what lies outside reads element 0 and sets the error."""

    access: Access
    dtype: DType
    level: Level
    index: int | None = None
    index_stride: int = 0
    index_length: int = 0


@dataclass(frozen=True)
class Constant:
    """A number."""

    value: Any = field(compare=False)
    dtype: DType
    level: Level = Level.UNIFORM
    text: str = field(init=False, repr=False)  # equal numbers may be two: 0.0 and -0.0, 1 and True

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", repr(self.value))


@dataclass(frozen=True)
class Position:
    """`start` plus the point's indices times `strides`: for iota, masks, random numbers."""

    strides: tuple[int, ...]  # per dimension of the domain, as in an Access
    dtype: DType
    level: Level
    start: int = 0


@dataclass(frozen=True)
class Apply:
    """An elementwise primitive of earlier steps."""

    primitive: str
    operands: tuple[int, ...]
    dtype: DType
    level: Level
    params: tuple[tuple[str, Any], ...] = field(default=(), compare=False)
    text: str = field(init=False, repr=False)  # of the parameters, among which equal numbers may be two

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", repr(self.params))


@dataclass(frozen=True)
class Reduce:
    """sum, prod, max, min, any, all, argmax, argmin of an ELEMENT step; the value is of ROW level."""

    operation: str
    operand: int
    dtype: DType
    level: Level = Level.ROW


Step = Load | Constant | Position | Apply | Reduce


@dataclass(frozen=True)
class Store:
    """A step's value into memory, once per point of its level. A UNIFORM one is stored by the first share alone."""

    access: Access
    step: int
    dtype: DType
    level: Level


@dataclass(frozen=True)
class Rows:
    """Loop nests and row kernels: `domain` is (*outer, length); reductions run along the last dimension.

    A row (all of its steps, over as many passes as its reductions need) is done by one thread; rows are shared out.
    """

    domain: tuple[int, ...]
    steps: tuple[Step, ...]
    stores: tuple[Store, ...]
    operands: tuple[DType, ...]  # the element type of each operand's memory


@dataclass(frozen=True)
class Columns:
    """`domain` is (batch, rows, columns); reductions run along `rows`, for all columns side by side.

    ROW level here means: one value per (batch, column). ELEMENT steps come before the reductions, ROW steps behind.
    """

    domain: tuple[int, int, int]
    steps: tuple[Step, ...]
    stores: tuple[Store, ...]
    operands: tuple[DType, ...]


@dataclass(frozen=True)
class Matrix:
    """An operand of a product: its place at (batch, row, column)."""

    operand: int
    batch: tuple[int, ...]  # stride per batch dimension
    row: int
    column: int
    offset: int = 0


@dataclass(frozen=True)
class Product:
    """C[batch, m, n] = sum over k of A[batch, m, k] B[batch, k, n], then a body over (*batch, m, n).

    Step 0 of the body is the product itself: `steps[0]` is a `Constant` that stands in for it.
    """

    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    a: Matrix  # rows m, columns k
    b: Matrix  # rows k, columns n
    dtype: DType
    steps: tuple[Step, ...]
    stores: tuple[Store, ...]
    operands: tuple[DType, ...]


@dataclass(frozen=True)
class Place:
    """An operand of a `Whole` kernel: a strided view of one of the kernel's operands."""

    operand: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: DType


@dataclass(frozen=True)
class Whole:
    """A primitive that has a kernel of its own: sorting, scattering, running sums. Its result is row-major."""

    primitive: str
    params: tuple[tuple[str, Any], ...] = field(compare=False)
    inputs: tuple[Place, ...]
    result: Place
    operands: tuple[DType, ...]
    text: str = field(init=False, repr=False)  # of the parameters, as in `Apply`

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", repr(self.params))


Kernel = Rows | Columns | Product | Whole


@dataclass(frozen=True, eq=False)
class Call:
    """One kernel at work on buffers: `buffers[k]` is what the kernel's operand k is."""

    kernel: Kernel
    buffers: tuple[int, ...]
    writes: frozenset[int]  # of these buffers
    label: str = ""  # for people: what was fused
    both: frozenset[int] = frozenset()  # of those written: in one part; read in another, which others have written

    @property
    def reads(self) -> frozenset[int]:
        """The buffers that must be complete before, as far as they are read."""
        return (frozenset(self.buffers) - self.writes) | self.both
