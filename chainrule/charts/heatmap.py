"""Heat maps: a grid of cells in few shades, one path for each shade, so that thousands of cells stay small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chainrule.charts.axes import SMALL
from chainrule.charts.svg import TIP, cut, drawing, escape, label, place, tag, width_of

SHADES = 11  # of style.css: h0 .. h10
BROKEN = -1  # what is not finite
NONE = -2  # what is not there
LEAST = 13.0  # pixels from one name of a row to the next
Levels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Names of rows, and what to show when one points at a row."""

    names: Sequence[str]
    tips: Sequence[str]


def levels(values: npt.NDArray[np.float64], low: float, high: float) -> Levels:
    """The shade of each value between low and high; BROKEN where it is not finite."""
    share = (np.clip(np.nan_to_num(values, nan=low), low, high) - low) / ((high - low) or 1.0)
    shades = np.minimum((share * SHADES).astype(np.int64), SHADES - 1)
    return np.where(np.isfinite(values), shades, BROKEN)


def heatmap(
    name: str,
    title: str,
    description: str,
    shades: Levels,
    rows: Rows,
    columns: Sequence[str],
    key: Sequence[tuple[float, str]],
    *,
    family: str,
    x_name: str = "",
    width: float = 720.0,
    square: bool = False,
) -> str:
    """Cells (rows, columns) in the shades of a family of colours. key: shares of the range and what they stand for."""
    names = [cut(words, 28) for words in rows.names]
    left = max((width_of(words, SMALL) for words in names), default=0.0) + 10
    across = (width - left - 8) / max(len(columns), 1)
    high = across if square else min(22.0, max(LEAST, 260.0 / max(len(names), 1)))
    top = 40.0
    bottom = top + high * len(names)
    parts = legend_of(left, family, key, bool((shades == BROKEN).any()))
    cells = [
        tag("path", d="".join(boxes(shades == shade, left, top, across, high)), class_=class_of(family, shade))
        for shade in sorted(set(shades.ravel().tolist()) - {NONE})
    ]
    parts.append(tag("g", *cells, shape_rendering="crispEdges"))  # no seams between neighbours
    for k, (words, tip) in enumerate(zip(names, rows.tips, strict=True)):
        at = top + k * high
        if k % math.ceil(LEAST / high) == 0:
            parts.append(label(left - 6, at + high / 2 + 4, words, "tick", "end"))
        whole = tag("title", escape(f"{cut(rows.names[k], TIP)}: {cut(tip, TIP)}"))
        parts.append(tag("path", whole, d=f"M0 {place(at)}H{place(width)}v{place(high)}H0Z", class_="cr-hover"))
    parts += column_names(columns, left, across, bottom)
    if x_name:
        parts.append(label(left + across * len(columns) / 2, bottom + 34, x_name, "name", "middle"))
    return drawing(name, width, bottom + (42 if x_name else 24), title, description, parts)


def class_of(family: str, shade: int) -> str:
    return f"cr-{family}{shade}" if shade >= 0 else "cr-broken"


def boxes(cells: npt.NDArray[np.bool_], left: float, top: float, across: float, high: float) -> list[str]:
    """Rectangles of the cells that are set; neighbours in a row are one."""
    found = []
    for k, row in enumerate(cells):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
        for begin, end in edges.reshape(-1, 2).tolist():
            x, y = left + begin * across, top + k * high
            found.append(f"M{place(x)} {place(y)}H{place(left + end * across)}v{place(high)}H{place(x)}Z")
    return found


def column_names(columns: Sequence[str], left: float, across: float, bottom: float) -> list[str]:
    parts, free = [], -1e9
    for k, words in enumerate(columns):
        at, half = left + (k + 0.5) * across, width_of(words, SMALL) / 2
        if words and at - half > free:
            parts.append(label(at, bottom + 16, words, "tick", "middle"))
            free = at + half + 10
    return parts


def legend_of(left: float, family: str, key: Sequence[tuple[float, str]], broken: bool) -> list[str]:
    """The scale of colours with some of its values below; what is not finite has its own, where it occurs."""
    wide = 16.0
    parts = [
        tag("path", d=f"M{place(left + k * wide)} 4h{place(wide)}v9h-{place(wide)}Z", class_=f"cr-{family}{k}")
        for k in range(SHADES)
    ]
    if broken:
        at = left + (SHADES + 2) * wide
        parts.append(tag("path", d=f"M{place(at)} 4h{place(wide)}v9h-{place(wide)}Z", class_="cr-broken"))
        parts.append(label(at + wide + 6, 13, "no finite number", "tick"))
    parts += [label(left + share * wide * SHADES, 27, words, "tick", "middle") for share, words in key]
    return parts
