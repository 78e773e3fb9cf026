"""Python's operators on values and nodes, so that derivative rules read like mathematics.

The operations belong to the floor above, which enters them here by name when it is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_TABLE: dict[str, Callable[..., Any]] = {}


def operator(name: str) -> Callable[[Function], Function]:
    """Enters the decorated operation under `name`."""

    def enter(function: Function) -> Function:
        _TABLE[name] = function
        return function

    return enter


class Operators:
    """The operators, and the few methods that rules of one family need of another."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return _TABLE["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return _TABLE["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return _TABLE["sub"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return _TABLE["sub"](other, self)

    def __mul__(self, other: Any) -> Any:
        return _TABLE["mul"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return _TABLE["mul"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return _TABLE["div"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _TABLE["div"](other, self)

    def __pow__(self, other: Any) -> Any:
        return _TABLE["pow"](self, other)

    def __neg__(self) -> Any:
        return _TABLE["neg"](self)

    def __lt__(self, other: Any) -> Any:
        return _TABLE["lt"](self, other)

    def __le__(self, other: Any) -> Any:
        return _TABLE["le"](self, other)

    def __gt__(self, other: Any) -> Any:
        return _TABLE["gt"](self, other)

    def __ge__(self, other: Any) -> Any:
        return _TABLE["ge"](self, other)

    def __matmul__(self, other: Any) -> Any:
        return _TABLE["matmul"](self, other)

    def sum(self, axes: tuple[int, ...], keepdims: bool = False) -> Any:
        """The sum over `axes`."""
        return _TABLE["sum"](self, axes=axes, keepdims=keepdims)

    def cast(self, dtype: Any) -> Any:
        """The same values as another element type."""
        return _TABLE["cast"](self, dtype)

    def reshape(self, shape: tuple[int, ...]) -> Any:
        """The same elements in another shape."""
        return _TABLE["reshape"](self, shape)

    def permute(self, axes: tuple[int, ...]) -> Any:
        """The axes in another order."""
        return _TABLE["permute"](self, axes)

    def broadcast_to(self, shape: tuple[int, ...]) -> Any:
        """Repeated along new axes and axes of length 1, as NumPy broadcasts."""
        return _TABLE["broadcast_to"](self, shape)

    def index(self, key: Any) -> Any:
        """NumPy-style indexing."""
        return _TABLE["index"](self, key)
