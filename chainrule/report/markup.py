"""Sentences and cells as HTML: the small pieces that a page has thousands of; every word is escaped here."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.charts.svg import escape, tag
from chainrule.report.page import Cell, Sentence, Words


def sentence(parts: Sentence) -> str:
    return "".join(escape(part) if isinstance(part, str) else word(part) for part in parts)


def word(part: Words) -> str:
    """Words of the user's stand in <bdi>, so that their direction changes nothing around them."""
    told = {"title": part.whole} if part.whole else {}
    element = {"user": "bdi", "strong": "strong"}.get(part.kind, "span" if told else "")
    return tag(element, escape(part.text), **told) if element else escape(part.text)


def row(cells: Sequence[Cell]) -> str:
    """The cells of a row of a table; the first is its head."""
    return "".join(cell(one, place == 0) for place, one in enumerate(cells))


def cell(one: Cell, head: bool) -> str:
    attributes = {"scope": "row"} if head else {}
    classes = f"{one.kind} {one.tone}".strip()
    if classes:
        attributes["class_"] = classes
    inside = word(one.words)
    if one.share is not None:
        attributes["style"] = f"--share:{one.share:.3f}"
        inside = inside if one.tone in ("right", "wrong") else f"<i></i>{inside}"
    return tag("th" if head else "td", inside, **attributes)
