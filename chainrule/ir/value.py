"""What flows through a program: `Value` holds an array (eager), `Node` stands for one (traced). Both are immutable.

The user's Tensor is a handle on one of them. A Value that was computed from something that requires a gradient keeps
how it was made, and so forms the tape; a Node always does, and so forms the graph. Reverse mode walks either.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from chainrule.ir.operators import Operators
from chainrule.ir.origin import Origin
from chainrule.ir.types import BY_NUMPY, DType, Shape, Type, type_of

if TYPE_CHECKING:
    from chainrule.ir.primitive import Primitive

next_order: Callable[[], int] = count(1).__next__  # creation order is a topological order


class Leaf:
    """Where reverse mode leaves a gradient: the token that a handle and its value share.

    With `kept=False` it only carries hooks.
    """

    __slots__ = ("__weakref__", "gradient", "hooks", "kept")

    def __init__(self, kept: bool = True) -> None:
        self.kept = kept
        self.gradient: Any = None  # a Tensor, None, or a marker of the compiler's
        self.hooks: list[Callable[[Any], Any]] | None = None


class Value(Operators):
    """An array, and how it was computed if a gradient may be asked of it."""

    __slots__ = ("array", "inputs", "leaf", "needs_grad", "order", "params", "primitive")

    weak = False  # a weak scalar exists in traces only: eagerly it is a Python number

    def __init__(
        self,
        array: Any,  # an Array; of a primitive of several results, a tuple of them
        primitive: Primitive | None = None,
        inputs: tuple[Value, ...] = (),
        params: dict[str, Any] | None = None,
        needs_grad: bool = False,
        order: int = 0,
        leaf: Leaf | None = None,
    ) -> None:
        self.array = array
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.needs_grad = needs_grad
        self.order = order
        self.leaf = leaf

    @property
    def shape(self) -> Shape:
        return self.array.shape  # type: ignore[no-any-return]  # read several times by every op: no name for it

    @property
    def dtype(self) -> DType:
        return BY_NUMPY[self.array.dtype]

    @property
    def type(self) -> Any:
        """The Type; of a primitive of several results, a tuple of them."""
        if self.array.__class__ is tuple:
            return tuple([type_of(part) for part in self.array])
        return type_of(self.array)

    def __repr__(self) -> str:
        return f"Value({self.array!r})"


class Node(Operators):
    """One operation of a traced program. Frozen once made; two nodes are the same only if they are one object."""

    __slots__ = (
        "dtype",
        "inputs",
        "leaf",
        "needs_grad",
        "order",
        "origin",
        "params",
        "primitive",
        "shape",
        "type",
        "weak",
    )

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Node, ...],
        params: dict[str, Any],
        type: Any,  # a Type; for a primitive of several results, a tuple of them
        origin: Origin | None = None,
        needs_grad: bool = False,
        weak: bool = False,
        leaf: Leaf | None = None,
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.type = type
        self.shape: Any
        self.dtype: Any
        self.shape, self.dtype = type if type.__class__ is Type else (None, None)
        self.origin = origin
        self.needs_grad = needs_grad
        self.order = next_order()
        self.weak = weak
        self.leaf = leaf

    def __repr__(self) -> str:
        return f"Node({self.primitive.name}: {self.type})"


Carrier = Any  # Value or Node: ops and rules take either and need not know which
