"""Which primitives a backend has rows for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chainrule.ir.primitive import REGISTRY


class Coverage(NamedTuple):
    """The names of all primitives, by what a backend does with them."""

    rows: tuple[str, ...]  # runs them itself
    expanded: tuple[str, ...]  # runs what they expand into
    missing: tuple[str, ...]  # cannot run them

    def __str__(self) -> str:
        width = max(map(len, self.rows + self.expanded + self.missing), default=0)
        how = [(self.rows, "row"), (self.expanded, "expanded"), (self.missing, "MISSING")]
        return "\n".join(f"{name:{width}}  {what}" for name, what in sorted((n, w) for names, w in how for n in names))


def coverage_of(rows: Iterable[str]) -> Coverage:
    """The report for a backend that has these rows."""
    have = frozenset(rows)
    without = [primitive for name, primitive in sorted(REGISTRY.items()) if name not in have]
    return Coverage(
        rows=tuple(sorted(have)),
        expanded=tuple(primitive.name for primitive in without if primitive.expand is not None),
        missing=tuple(primitive.name for primitive in without if primitive.expand is None),
    )
