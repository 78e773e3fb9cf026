"""What charts share: the area of a plot, grid lines with labels, names of axes, a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.charts.scales import Scale
from chainrule.charts.svg import label, line, tag, width_of

SMALL = 11.5  # pixels, the size of an axis's text in style.css


@dataclass(frozen=True)
class Area:
    """The rectangle within a drawing in which values stand, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def area(width: float, height: float, y_labels: Sequence[str], x_name: str) -> Area:
    """The room that is left beside labels, the row of a legend, and the names of axes."""
    widest = max((width_of(words, SMALL) for words in y_labels), default=0.0)
    return Area(widest + 10, 30, width - 20, height - 40)


def grid(area: Area, y: Scale, ticks: Sequence[tuple[float, str]]) -> list[str]:
    """Horizontal lines, and what they stand for at the left."""
    parts = []
    for value, words in ticks:
        at = y(value)
        parts.append(line(area.left, at, area.right, at, "grid"))
        parts.append(label(area.left - 6, at + 4, words, "tick", "end"))
    return parts


def foot(area: Area, x: Scale, ticks: Sequence[tuple[float, str]], name: str) -> list[str]:
    """The line at the bottom with its ticks; labels that would run into one another are left out."""
    parts = [line(area.left, area.bottom, area.right, area.bottom, "axis")]
    free = -1e9
    for value, words in ticks:
        at, half = x(value), width_of(words, SMALL) / 2
        parts.append(line(at, area.bottom, at, area.bottom + 4, "axis"))
        if at - half > free:
            parts.append(label(at, area.bottom + 17, words, "tick", "middle"))
            free = at + half + 6
    if name:
        parts.append(label((area.left + area.right) / 2, area.bottom + 34, name, "name", "middle"))
    return parts


def legend(left: float, names: Sequence[tuple[str, str]]) -> list[str]:
    """Names beside samples of their lines (the classes that lines are drawn in), in a row above the plot."""
    parts, at = [], left
    for name, classes in names:
        parts.append(tag("path", d=f"M{at:.1f} 12h18", class_=classes))
        parts.append(label(at + 24, 16, name, "key"))
        at += 24 + width_of(name, 12.5) + 18
    return parts
