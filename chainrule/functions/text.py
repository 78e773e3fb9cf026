"""How a tensor is shown, copied by `copy` and pickled."""

from __future__ import annotations

import copy
from typing import Any

from chainrule.functions.shown import shown_elements, with_suffixes
from chainrule.functions.table import METHODS
from chainrule.functions.traced import array_of
from chainrule.ir import state
from chainrule.ir.errors import GradientError
from chainrule.ir.trace import Ended
from chainrule.ir.types import Array, bool_, dtype_of, int64
from chainrule.ir.value import Carrier, Value
from chainrule.ops.creation import default_dtype
from chainrule.tensor import Buffer, Tensor, aligned_copy

# Text -----------------------------------------------------------------------------------------------------------------


def text_of(self: Tensor, carrier: Carrier, array: Array) -> str:
    """tensor([...], and what is not as usual)."""
    start = "tensor("
    text = start + ("[]" if array.size == 0 else shown_elements(array, len(start)))
    parts: list[str] = []
    if array.size == 0 and array.ndim > 1:
        parts.append(f"size={tuple(array.shape)}")
    usual = carrier.dtype is default_dtype() or (carrier.dtype in (bool_, int64) and array.size)
    if not usual:
        parts.append(f"dtype={carrier.dtype}")
    if carrier.needs_grad:
        made = self.grad_fn
        parts.append("requires_grad=True" if made is None else f"grad_fn=<{made.name}>")
    return with_suffixes(text, parts, len(start)) + ")"


def represent(self: Tensor) -> str:
    """repr(x). In a compiled function it is the type alone: debuggers ask for it."""
    held = self._carrier
    if held.__class__ is Ended:
        return "<a tensor of a compiled function that has ended>"
    if state.trace.get() is not None or held.__class__ is not Value:
        return f"<traced tensor {held.type}>"
    carrier = self.read()
    return text_of(self, carrier, carrier.array)


def to_text(self: Tensor) -> str:
    """str(x), which print shows."""
    array_of("print", self.read())
    return repr(self)


def formatted(self: Tensor, specification: str) -> str:
    """f"{x:.3f}": of a tensor without dimensions, as its number is formatted."""
    array = array_of("format", self.read())
    if array.ndim == 0:
        return format(array.item(), specification)
    return object.__format__(self, specification)


METHODS.update(__repr__=represent, __str__=to_text, __format__=formatted)

# Copies ---------------------------------------------------------------------------------------------------------------


def array_to_copy(self: Tensor, what: str) -> Array:
    """The array of a leaf; of a computed tensor, which is part of a tape, there is no copy."""
    if not self.is_leaf:
        raise GradientError(f"{what}: this tensor was computed, and its tape is not copied. Use `x.detach()`.")
    return array_of("pickle", self.read())


def extra(self: Tensor) -> dict[str, Any]:
    """What a Parameter or Buffer has beside its value."""
    found = dict(getattr(self, "__dict__", {}))
    if isinstance(self, Buffer) and hasattr(self, "persistent"):
        found["persistent"] = self.persistent
    return found


def rebuilt(kind: type[Tensor], array: Array, requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    """A tensor from what `__reduce_ex__` took apart."""
    result = kind.__new__(kind)
    Tensor.__init__(result, Value(aligned_copy(array, dtype_of(array.dtype))))
    if requires_grad:
        result.requires_grad_(True)
    for name, value in attributes.items():
        setattr(result, name, value)
    return result


def reduce_ex(self: Tensor, protocol: int) -> tuple[Any, ...]:
    """For pickle: the array, whether a gradient is required, and further attributes."""
    array = array_to_copy(self, "pickle").copy()
    return rebuilt, (type(self), array, self._leaf is not None and self.requires_grad, extra(self))


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """For copy.deepcopy: a leaf's value and gradient, under a handle of its own."""
    if id(self) in memo:
        found: Tensor = memo[id(self)]
        return found
    with state.using(state.trace, None):
        array = array_to_copy(self, "deepcopy")
        result = rebuilt(type(self), array, self.requires_grad, {})
        memo[id(self)] = result
        for name, value in extra(self).items():
            setattr(result, name, copy.deepcopy(value, memo))
        leaf = self._leaf or self._carrier.leaf
        gradient = None if leaf is None else leaf.gradient  # `.grad` would raise where a compiled step let it go
        if isinstance(gradient, Tensor):
            result.grad = copy.deepcopy(gradient, memo)
    return result


METHODS.update(__reduce_ex__=reduce_ex, __deepcopy__=deepcopy)
