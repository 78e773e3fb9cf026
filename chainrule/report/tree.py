"""JSON that somebody else wrote: any part may be missing or of another type, and reading it never fails."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from chainrule.charts.numbers import MISSING


class Tree:
    """A value of JSON, or the absence of one: `tree["a"]["b"].number()` is NaN where there is none."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __getitem__(self, key: str) -> Tree:
        return Tree(self.value.get(key)) if isinstance(self.value, dict) else Tree()

    def __bool__(self) -> bool:
        """Whether anything is there; an empty list or object counts as nothing."""
        return self.value is not None and self.value != [] and self.value != {}

    def items(self) -> list[Tree]:
        """The elements of a list; of anything else none."""
        return [Tree(value) for value in self.value] if isinstance(self.value, list) else []

    def entries(self) -> Iterator[tuple[str, Tree]]:
        """Names and values of an object; of anything else none."""
        if isinstance(self.value, dict):
            yield from ((str(key), Tree(value)) for key, value in self.value.items())

    def number(self) -> float:
        """The number, a truth value as 0 or 1; NaN for anything else."""
        if isinstance(self.value, int | float):
            try:
                return float(self.value)
            except OverflowError:  # an integer of a thousand digits
                return math.inf if self.value > 0 else -math.inf
        return math.nan

    def numbers(self) -> list[float]:
        """The elements of a list as numbers."""
        return [element.number() for element in self.items()]

    def text(self, otherwise: str = "") -> str:
        """The value in words: what a text says, a list with commas, an object as name=value."""
        value = self.value
        if value is None:
            return otherwise
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:.10g}"
        if isinstance(value, int):
            return str(value) if abs(value) < 10**15 else f"{self.number():.6g}"
        if isinstance(value, list):
            return ", ".join(element.text(MISSING) for element in self.items())
        if isinstance(value, dict):
            return ", ".join(f"{key}={part.text(MISSING)}" for key, part in self.entries())
        return str(value)
