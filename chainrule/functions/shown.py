"""The elements of a tensor as PyTorch writes them: four digits, one width, powers of ten where they differ much.

Arrays of more than 1000 elements are abridged to the first and last three of each dimension; lines end at 80 columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.ir.types import Array

EDGE = 3
WHOLE = 1000
LINE = 80


class Format(NamedTuple):
    """How one element is written, and the width that PyTorch counts with; what is not finite may be wider."""

    write: Callable[[Any], str]
    width: int


def shown_elements(array: Array, indent: int) -> str:
    """The elements in brackets; `indent` columns stand before them."""
    abridged = array.size > WHOLE
    return nested(array, indent, abridged, aligned(edges(array) if abridged else array))


def with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """`text` with what follows it, on a line of its own where the last one would get too long."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        fits = used + len(suffix) + 2 <= LINE
        text += f", {suffix}" if fits else f",\n{' ' * indent}{suffix}"
        used = used + len(suffix) + 2 if fits else indent + len(suffix)
    return text


def edges(array: Array) -> Array:
    """The elements that an abridged text shows."""
    for axis, length in enumerate(array.shape):
        if length > 2 * EDGE:
            array = np.take(array, [*range(EDGE), *range(length - EDGE, length)], axis)
    return array


def aligned(array: Array) -> Format:
    """The way to write one element, so that all of the array get the same width."""
    plain = written(array)
    measured = array if array.dtype.kind != "f" else array[np.isfinite(array) & (array != 0)]
    width = max([len(plain(element)) for element in measured.ravel().tolist()], default=1)
    return Format(lambda element: plain(element).rjust(width), width)


def written(array: Array) -> Callable[[Any], str]:
    """The way to write one element, without padding."""
    if array.dtype.kind != "f":
        return str
    numbers = np.abs(array[np.isfinite(array) & (array != 0)].astype(np.float64))
    whole = bool((numbers == np.ceil(numbers)).all())
    if numbers.size:
        low, high = numbers.min(), numbers.max()
        if high / low > 1000 or high > 1e8 or (low < 1e-4 and not whole):
            return lambda element: f"{element:.4e}"
    if whole:
        return lambda element: f"{element:.0f}." if np.isfinite(element) else f"{element:.0f}"
    return lambda element: f"{element:.4f}"


def nested(array: Array, indent: int, abridged: bool, one: Format) -> str:
    """The text of an array, dimension by dimension."""
    if array.ndim == 0:
        return one.write(array.item())
    split = abridged and len(array) > 2 * EDGE
    if array.ndim == 1:
        return row(array.tolist(), indent, split, one)
    indent += 1
    first, last = (array[:EDGE], array[-EDGE:]) if split else (array, array[:0])
    parts = [nested(part, indent, abridged, one) for part in first]
    parts += ["..."] * split
    parts += [nested(part, indent, abridged, one) for part in last]
    return f"[{(',' + chr(10) * (array.ndim - 1) + ' ' * indent).join(parts)}]"


def row(elements: list[Any], indent: int, split: bool, one: Format) -> str:
    """The text of one row, over as many lines as it needs."""
    first, last = (elements[:EDGE], elements[-EDGE:]) if split else (elements, [])
    parts = [*map(one.write, first), *[" ..."] * split, *map(one.write, last)]
    per_line = max(1, (LINE - indent) // (one.width + 2))
    lines = [", ".join(parts[k : k + per_line]) for k in range(0, len(parts), per_line)]
    return f"[{(',' + chr(10) + ' ' * (indent + 1)).join(lines)}]"
