"""A curve drawn with characters, for terminals and pipes."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 64, 12
DOT, MARK = "·", "●"


def text_plot(x: Sequence[float], y: Sequence[float], marked: float | None = None) -> list[str]:
    """Lines that show y over x, x on a logarithmic axis; the point nearest to `marked` stands out.

    Values that are not finite are left out. The largest y that is drawn is the first one and a quarter: what diverges
    would press all else to the floor.

    >>> print(text_plot([1, 10, 100], [3.0, 1.0, 2.0])[0].rstrip())
    3.75 ┤
    """
    points = [(math.log10(a), b) for a, b in zip(x, y, strict=True) if a > 0 and math.isfinite(b)]
    if not points:
        return ["(no finite losses to draw)"]
    low = min(b for _, b in points)
    high = points[0][1] + 0.25 * abs(points[0][1])
    span = (high - low) or 1.0
    left, right = points[0][0], points[-1][0]
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]

    def place(a: float, b: float, mark: str) -> None:
        column = round((a - left) / ((right - left) or 1.0) * (WIDTH - 1))
        row = round((high - min(b, high)) / span * (HEIGHT - 1))
        grid[row][column] = mark

    for a, b in points:
        place(a, b, DOT)
    if marked is not None:
        nearest = min(points, key=lambda point: abs(point[0] - math.log10(marked)))
        place(*nearest, MARK)
    labels = {0: f"{high:.3g}", HEIGHT - 1: f"{low:.3g}"}
    size = max(map(len, labels.values()))
    lines = [f"{labels.get(row, ''):>{size}} ┤{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    return [*lines, " " * size + " └" + "─" * WIDTH, " " * (size + 2) + axis(left, right)]


def axis(left: float, right: float) -> str:
    """The powers of ten below the axis."""
    line = [" "] * (WIDTH + 6)
    for power in range(math.ceil(left - 1e-9), math.floor(right + 1e-9) + 1):
        column = round((power - left) / ((right - left) or 1.0) * (WIDTH - 1))
        text = f"1e{power}"
        if all(cell == " " for cell in line[max(column - 1, 0) : column + len(text) + 1]):
            line[column : column + len(text)] = text
    return "".join(line).rstrip()
