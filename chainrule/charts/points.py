"""Points in a square: predictions over the truth, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.charts.axes import area, foot, grid
from chainrule.charts.scales import Scale, scale
from chainrule.charts.svg import drawing, label, line, place, tag
from chainrule.charts.thin import Floats

SIZE = (400.0, 340.0)


def scatter(name: str, title: str, description: str, x: Floats, y: Floats, *, x_name: str, y_name: str) -> str:
    """Points over one range on both axes, with the diagonal on which both are equal. x, y: (n,)."""
    both = scale([*x.tolist(), *y.tolist()], 0, 1, margin=0.03)
    ticks = both.ticks(5)
    room = area(*SIZE, [words for _, words in ticks], x_name)
    across = Scale(both.low, both.high, room.left, room.right)
    up = Scale(both.low, both.high, room.bottom, room.top)
    dots = "".join(
        f"M{place(across(a))} {place(up(b))}h0"
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
        if a == a and b == b
    )
    return drawing(
        name,
        *SIZE,
        title,
        description,
        [
            *grid(room, up, ticks),
            *foot(room, across, ticks, x_name),
            label(0, 14, y_name, "name"),
            line(room.left, room.bottom, room.right, room.top, "ideal"),
            tag("path", d=dots, class_="cr-cloud cr-s0") if dots else "",
        ],
    )


@dataclass(frozen=True)
class Bin:
    """Predictions of about one confidence: their mean confidence, the share that is right, how many they are."""

    low: float
    high: float
    mean: float
    right: float
    count: int


def calibration_chart(name: str, title: str, description: str, bins: Sequence[Bin], *, x_name: str, y_name: str) -> str:
    """The share that is right over confidence; below it, how many predictions each point speaks for."""
    ticks = [(k / 4, f"{25 * k}%") for k in range(5)]
    room = area(SIZE[0], SIZE[1] - 36, [words for _, words in ticks], x_name)
    across, up = Scale(0, 1, room.left, room.right), Scale(0, 1, room.bottom, room.top)
    low, high = SIZE[1] - 1, SIZE[1] - 31
    most = max([one.count for one in bins] + [1])
    parts = [*grid(room, up, ticks), *foot(room, across, ticks, x_name), label(0, 14, y_name, "name")]
    parts.append(line(room.left, room.bottom, room.right, room.top, "ideal"))
    for one in bins:
        left, right = place(across(one.low) + 1), place(across(one.high) - 1)
        top = low - max(1.0, (low - high) * one.count / most)
        parts.append(tag("path", d=f"M{left} {low}V{place(top)}H{right}V{low}Z", class_="cr-bar cr-quiet"))
        tip = tag("title", f"{one.count:,} predictions: {one.mean:.0%} sure, {one.right:.0%} right")
        size = 3.5 + 5 * (one.count / most) ** 0.5
        parts.append(tag("circle", tip, cx=across(one.mean), cy=up(one.right), r=size, class_="cr-point cr-s0"))
    return drawing(name, *SIZE, title, description, parts)
