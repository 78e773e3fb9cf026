"""Bars: lying ones with names and figures, and a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.charts.axes import area, foot, grid
from chainrule.charts.scales import LARGEST, Scale, scale
from chainrule.charts.svg import TIP, cut, drawing, escape, label, line, place, tag, width_of
from chainrule.charts.thin import Floats

NAME = 34  # letters of a bar's name


@dataclass(frozen=True)
class Bar:
    """A named bar, what is written beside it, and how far its value is uncertain either way."""

    name: str
    value: float
    words: str
    spread: float = 0.0


def bar_chart(name: str, title: str, description: str, bars: Sequence[Bar], *, width: float = 720.0) -> str:
    """Lying bars from a common zero, in the order given, each with its figure at the right; NaN has no bar."""
    names = [cut(bar.name, NAME) for bar in bars]
    left = max((width_of(words, 12.5) for words in names), default=0.0) + 12
    right = width - max((width_of(bar.words) for bar in bars), default=0.0) - 12
    ends = [bar.value + sign * bar.spread for bar in bars for sign in (-1, 1)]
    x = scale(ends, left, right, from_zero=True)
    step, parts = 24.0, []
    for k, (bar, shown) in enumerate(zip(bars, names, strict=True)):
        top = 4 + k * step
        parts.append(label(left - 10, top + 14, shown, "key", "end", whole=bar.name))
        parts.append(label(width - 4, top + 14, bar.words, "figure", "end"))
        if np.isfinite(bar.value):
            box = f"M{place(x(0))} {place(top + 3)}H{place(x(bar.value))}v13H{place(x(0))}Z"
            kind = "cr-bar cr-s0" if bar.value > 0 else "cr-bar cr-quiet"
            parts.append(tag("path", tag("title", escape(f"{cut(bar.name, TIP)}: {bar.words}")), d=box, class_=kind))
        if bar.spread > 0 and np.isfinite(bar.value + bar.spread):
            parts.append(line(x(bar.value - bar.spread), top + 9.5, x(bar.value + bar.spread), top + 9.5, "whisker"))
    parts.append(line(x(0), 2, x(0), 4 + len(bars) * step, "axis"))
    return drawing(name, width, 6 + len(bars) * step, title, description, parts)


def histogram(
    name: str, title: str, description: str, values: Floats, *, x_name: str, size: tuple[float, float]
) -> str:
    """How often values fall where. values: (n,); what is not finite is left out."""
    finite = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
    counts, edges = (
        np.histogram(finite, bins=min(40, max(5, int(len(finite) ** 0.5))))
        if len(finite)
        else (np.zeros(1), np.arange(2.0))
    )
    ticks = scale(counts.tolist(), 0, 1, from_zero=True).ticks(4, whole=True)
    room = area(*size, [words for _, words in ticks], x_name)
    y = Scale(0, max(float(counts.max()), 1.0), room.bottom, room.top)
    x = scale(edges.tolist(), room.left, room.right)
    parts = grid(room, y, ticks)
    for number, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left, right, top = place(x(low) + 0.5), place(x(high) - 0.5), place(y(number))
        box = f"M{left} {place(room.bottom)}V{top}H{right}V{place(room.bottom)}Z"
        parts.append(tag("path", d=box, class_="cr-bar cr-s0"))
    parts += foot(room, x, x.ticks(5), x_name)
    if x.low < 0 < x.high:
        parts.append(line(x(0), room.top, x(0), room.bottom, "whisker"))
    return drawing(name, *size, title, description, [*parts, label(0, 14, "rows", "name")])
