"""Views: what a write through a handle on part of a tensor means for that tensor.

Values are immutable, so a view is computed, not shared. A handle made by a viewing operation remembers its base: when
the base has been written since, the view is computed again; when the view is written, the base is rewritten.
Whether an operation views or copies follows PyTorch, by the strides that PyTorch would have.
"""

from __future__ import annotations

from typing import Any, Protocol

from chainrule.ir.errors import InPlaceError
from chainrule.ir.types import Shape
from chainrule.ir.value import Carrier
from chainrule.ops.control import detach
from chainrule.ops.movement import broadcast_to, inverse_order, permute, reshape

Strides = tuple[int, ...]


class ViewRule(Protocol):
    """One kind of view."""

    def read(self, base: Carrier) -> Carrier:
        """The view of a base."""

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        """The base after its view became `value`."""

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        """The view's strides, in elements, from its base's shape and strides."""


class View:
    """The link from a handle to its base, and the writes to the base that it has seen."""

    __slots__ = ("base", "rule", "seen", "tracked")

    def __init__(self, base: Any, rule: ViewRule, seen: int, tracked: bool) -> None:
        self.base = base
        self.rule = rule
        self.seen = seen
        self.tracked = tracked


class Reshaped:
    """A new shape over the same elements in the same order."""

    __slots__ = ("shape",)

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def read(self, base: Carrier) -> Carrier:
        return reshape(base, self.shape)

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        return value.reshape(base.shape)

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        found = strides_after_reshape(shape, strides, self.shape)
        assert found is not None
        return found


class Permuted:
    """The axes in another order."""

    __slots__ = ("axes",)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def read(self, base: Carrier) -> Carrier:
        return permute(base, self.axes)

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        return value.permute(inverse_order(self.axes))

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        return tuple(strides[axis] for axis in self.axes)


class Expanded:
    """Repeated along axes of length 1: several places show one element, so it cannot be written through."""

    __slots__ = ("shape",)

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def read(self, base: Carrier) -> Carrier:
        return broadcast_to(base, self.shape)

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        if value.type.size == base.type.size:  # nothing is repeated
            return value.reshape(base.shape)
        raise InPlaceError(
            "a write to an expanded tensor: several of its places are one element of the tensor that was expanded. "
            "Write to `x.expand(...).clone()`, or to x itself."
        )

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        new = len(self.shape) - len(shape)
        return (0,) * new + tuple(
            0 if before == 1 and after != 1 else stride
            for before, after, stride in zip(shape, self.shape[new:], strides, strict=True)
        )


class Detached:
    """`.data` and `.detach()`: the same elements, outside the tape."""

    def read(self, base: Carrier) -> Carrier:
        return detach(base)

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        return value

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        return strides


class Indexed:
    """A basic key: integers, slices, None and Ellipsis. `key` is what `ops.indexing.parse_basic` made of it."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def read(self, base: Carrier) -> Carrier:
        return self.key.read(base)

    def write(self, base: Carrier, value: Carrier) -> Carrier:
        return self.key.write(base, value)

    def strides(self, shape: Shape, strides: Strides) -> Strides:
        return tuple(self.key.strides(strides))


def root_of(handle: Any) -> Any:
    """The handle that a view is a view of in the end; a handle that is no view itself."""
    while handle._view is not None:
        handle = handle._view.base
    return handle


def contiguous_strides(shape: Shape) -> Strides:
    """The strides of a tensor whose elements lie in row order."""
    result, step = [], 1
    for length in reversed(shape):
        result.append(step)
        step *= max(length, 1)
    return tuple(reversed(result))


def strides_after_reshape(shape: Shape, strides: Strides, new_shape: Shape) -> Strides | None:
    """The strides of the reshaped view, None if it cannot be one (then PyTorch's reshape copies)."""
    if 0 in shape:
        return contiguous_strides(new_shape)
    blocks: list[tuple[int, int]] = []  # runs of axes that lie evenly: (number of elements, innermost stride)
    for length, stride in zip(shape, strides, strict=True):
        if length == 1:
            continue
        if blocks and blocks[-1][1] == length * stride:
            blocks[-1] = (blocks[-1][0] * length, stride)
        else:
            blocks.append((length, stride))
    result: list[int] = []
    remaining = list(blocks)
    left, stride = remaining.pop() if remaining else (1, 1)
    step = stride
    for length in reversed(new_shape):
        if left == 1 and length != 1 and remaining:
            left, stride = remaining.pop()
            step = stride
        if left % length:
            return None
        result.append(step)
        step *= length
        left //= length
    return tuple(reversed(result))
