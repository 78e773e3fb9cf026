"""Lines over steps: curves of losses, metrics, learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.charts.axes import area, foot, grid, legend
from chainrule.charts.scales import Scale, scale
from chainrule.charts.svg import drawing, line, place, tag
from chainrule.charts.thin import Floats, thinned

WIDTH, HEIGHT = 540.0, 250.0
FEW = 12  # points that are also shown as dots, so that one or two are seen at all


@dataclass(frozen=True)
class Line:
    """A named line. x, y: (n,), in order of x; where y is not finite, the line is broken. series: its colour."""

    name: str
    x: Floats
    y: Floats
    series: int = 0


@dataclass(frozen=True)
class Mark:
    """A place on the x axis that matters, and what the legend says of it."""

    x: float
    words: str


def line_chart(
    name: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    *,
    x_name: str = "",
    log: bool = False,
    mark: Mark | None = None,
    ceiling: float | None = None,
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> str:
    """Lines over a common axis, whole numbers at the bottom; long ones are thinned without losing their extremes.

    ceiling: what no value can pass, so that the axis ends there.
    """
    thin = [Line(one.name, *thinned(one.x, one.y), one.series) for one in lines]
    heights = np.concatenate([one.y for one in thin]) if thin else np.zeros(0)
    places = np.concatenate([one.x for one in thin]) if thin else np.zeros(0)
    y = scale(heights.tolist(), 0, 1, log=log, margin=0.04)
    if ceiling is not None and np.all(heights[np.isfinite(heights)] <= ceiling):
        y = replace(y, high=min(y.high, ceiling))
    ticks = y.ticks(5)
    keys = [(one.name, f"cr-line cr-s{one.series}") for one in lines] if len(lines) > 1 else []
    keys += [(mark.words, "cr-mark")] if mark is not None else []
    room = area(*size, [words for _, words in ticks], x_name)
    y = Scale(y.low, y.high, room.bottom, room.top, log)
    x = scale(places.tolist(), room.left + 6, room.right - 6)
    parts = grid(room, y, ticks) + foot(room, x, x.ticks(7, whole=True), x_name)
    if mark is not None:
        parts.append(line(x(mark.x), room.top, x(mark.x), room.bottom, "mark"))
    for one in thin:
        parts.append(drawn(one, x, y))
    return drawing(name, *size, title, description, parts + legend(room.left, keys))


def drawn(one: Line, x: Scale, y: Scale) -> str:
    """One path for the line, one for its dots where they are few or stand alone."""
    stretches = [stretch for stretch in unbroken(one.y, y.log) if len(stretch)]
    path = "".join(
        "M" + "L".join(f"{place(x(one.x[k]))} {place(y(one.y[k]))}" for k in stretch)
        for stretch in stretches
        if len(stretch) > 1
    )
    dotted = [k for stretch in stretches for k in stretch if len(one.x) <= FEW or len(stretch) == 1]
    dots = "".join(f"M{place(x(one.x[k]))} {place(y(one.y[k]))}h0" for k in dotted)
    parts = [tag("path", d=path, class_=f"cr-line cr-s{one.series}")] if path else []
    if dots:
        parts.append(tag("path", d=dots, class_=f"cr-dots cr-s{one.series}"))
    return "".join(parts)


def unbroken(y: Floats, log: bool) -> list[list[int]]:
    """The stretches of indices without a gap: without values that are not finite or that the axis cannot show."""
    shown = np.isfinite(y) & (y > 0) if log else np.isfinite(y)
    stretches: list[list[int]] = [[]]
    for k, visible in enumerate(shown.tolist()):
        if visible:
            stretches[-1].append(k)
        elif stretches[-1]:
            stretches.append([])
    return stretches
