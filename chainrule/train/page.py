"""A run as HTML for notebooks: its curves, and a table of its epochs. No script; colours follow the page's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from chainrule.train.table import duration, figure

Row = dict[str, Any]
MOST_ROWS = 12  # the last ones; the curves show all
MOST_POINTS = 400  # of a curve
SIZE = (360, 150)
TRAIN, VALIDATION = "#d8703b", "#3b7dd8"  # as in the report


def page_of(rows: Sequence[Row], epochs: int, notes: Sequence[str] = ()) -> str:
    """All of it."""
    said = "".join([f"<div>{escape(note)}</div>" for note in notes])
    if not rows:
        return f"<div>{said}no epoch yet</div>"
    names = list(rows[0]["train"] | rows[0]["validation"])
    charts = "".join([curve(name, rows) for name in names])
    legend = f'<div><b style="color:{TRAIN}">training</b> <b style="color:{VALIDATION}">validation</b></div>'
    body = f"{legend if charts else ''}<div>{charts}</div>{table(rows, epochs)}{said}"
    return f'<div style="font-family:system-ui,sans-serif;font-size:13px">{body}</div>'


def table(rows: Sequence[Row], epochs: int) -> str:
    """The last epochs."""
    train, validation = list(rows[0]["train"]), list(rows[0]["validation"])
    heads = ["epoch", *[f"train {name}" for name in train], *[f"validation {name}" for name in validation]]
    lines = []
    for row in rows[-MOST_ROWS:]:
        cells = [f"{row['epoch']}/{epochs}", *[figure(row["train"].get(name, math.nan)) for name in train]]
        cells += [figure(row["validation"].get(name, math.nan)) for name in validation]
        cells += [figure(row["lr"]), duration(row["seconds"])]
        lines.append("".join([f"<td style='text-align:right'>{escape(cell)}</td>" for cell in cells]))
    left = len(rows) - MOST_ROWS
    above = f"<caption>{left} epochs before are not listed</caption>" if left > 0 else ""
    head = "".join([f"<th>{escape(name)}</th>" for name in [*heads, "lr", "elapsed"]])
    body = "".join([f"<tr>{line}</tr>" for line in lines])
    style = "font-size:inherit;font-variant-numeric:tabular-nums"
    return f"<table style='{style}'>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def curve(name: str, rows: Sequence[Row]) -> str:
    """The values of one name over the epochs, training and validation, as SVG."""
    parts = {part: points(rows, part, name) for part in ("train", "validation")}
    values = [value for found in parts.values() for _, value in found]
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span, last = (high - low) or 1.0, max(1, rows[-1]["epoch"] - rows[0]["epoch"])
    width, height = SIZE
    first, lines = rows[0]["epoch"], []
    for part, colour in (("train", TRAIN), ("validation", VALIDATION)):
        places = [
            f"{44 + (epoch - first) / last * (width - 54):.1f},{20 + (high - value) / span * (height - 40):.1f}"
            for epoch, value in parts[part]
        ]
        if places:
            lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{" ".join(places)}"/>')
    title = f"{name} by epoch: training (orange) and validation (blue)"
    text = 'font-size="11" fill="currentColor"'
    return (
        f'<svg role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'style="display:inline-block"><title>{escape(title)}</title><text x="44" y="12" {text}>{escape(name)}</text>'
        f'<text x="40" y="24" text-anchor="end" {text}>{figure(high)}</text>'
        f'<text x="40" y="{height - 18}" text-anchor="end" {text}>{figure(low)}</text>'
        f'<text x="44" y="{height - 4}" {text}>{rows[0]["epoch"]}</text>'
        f'<text x="{width - 10}" y="{height - 4}" text-anchor="end" {text}>{rows[-1]["epoch"]}</text>'
        f"{''.join(lines)}</svg>"
    )


def points(rows: Sequence[Row], part: str, name: str) -> list[tuple[int, float]]:
    """Some of the epochs and values of a curve: at most so many, the last one among them."""
    step = max(1, -(-len(rows) // MOST_POINTS))
    found = [(row["epoch"], row[part][name]) for row in rows[::-step][::-1] if name in row[part]]
    return [(epoch, value) for epoch, value in found if math.isfinite(value)]
