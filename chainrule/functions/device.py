"""`device`: where a tensor is. There is one place, the CPU, so the class says so and refuses others by name."""

from __future__ import annotations

from typing import Any

from chainrule.ir.errors import ArgumentError, NotYetError

KNOWN = ("cuda", "mps", "xpu", "xla", "meta", "hip", "mtia", "privateuseone")


class device:
    """A place for tensors: `device("cpu")`. Equal to its name; other places raise NotYetError."""

    __slots__ = ("index", "type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name, _, number = str(type).partition(":")
        if name != "cpu":
            if name not in KNOWN:
                raise ArgumentError(f"device: there is no {type!r}; tensors are on the device 'cpu'.")
            raise NotYetError(f"device: {type!r} is not there yet; tensors are on the device 'cpu'.")
        self.type: str = name
        self.index: int | None = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


CPU = device("cpu")


def check_device(given: Any) -> None:
    """Raises NotYetError unless a `device=` argument means the CPU."""
    if given is not None and given is not CPU:
        device(given)
