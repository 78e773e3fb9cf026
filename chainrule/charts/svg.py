"""SVG as text: elements, and the frame that names a drawing for those who cannot see it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # no text, or no UTF-8
ELLIPSIS = "…"
WIDE = "%@mwMW"
TIP = 200  # letters of what is shown when one points at something


def clean(words: str) -> str:
    """The text with a mark in place of each character that no page may hold."""
    return UNPRINTABLE.sub("\ufffd", words)


def escape(words: str) -> str:
    """Text as it may stand between tags and in attributes."""
    return clean(words).translate(ESCAPES)


def tag(name: str, *children: str, **attributes: str | float) -> str:
    """An element. `class_` is the attribute class, `stroke_width` stroke-width; children are SVG already."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else place(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def place(coordinate: float) -> str:
    """A coordinate to a tenth of a pixel, as short as it can be written."""
    written = f"{coordinate:.1f}"
    written = written[:-2] if written.endswith(".0") else written
    return "0" if written == "-0" else written


def label(x: float, y: float, words: str, kind: str = "", anchor: str = "start", whole: str = "") -> str:
    """A line of text. whole: what to show when one points at it, where words are cut."""
    children = [tag("title", escape(cut(whole, TIP)))] if whole and whole != words else []
    attributes = {"class_": f"cr-{kind}"} if kind else {}
    if anchor != "start":
        attributes["text_anchor"] = anchor
    return tag("text", *children, escape(words), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return tag("path", d=f"M{place(x1)} {place(y1)}L{place(x2)} {place(y2)}", class_=f"cr-{kind}")


def drawing(name: str, width: float, height: float, title: str, description: str, parts: Iterable[str]) -> str:
    """The whole picture. name: unique on the page; title and description are what a screen reader says."""
    return tag(
        "svg",
        tag("title", escape(cut(title, TIP)), id=f"{name}-title"),
        tag("desc", escape(cut(description, 2 * TIP)), id=f"{name}-desc"),
        *parts,
        class_="cr-chart",
        viewBox=f"0 0 {place(width)} {place(height)}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def width_of(words: str, size: float = 12.0) -> float:
    """About how wide a text is, in pixels: for room beside axes, not for typesetting."""
    units = sum(1.0 if letter in WIDE or unicodedata.east_asian_width(letter) in "WF" else 0.6 for letter in words)
    return units * size


def cut(words: str, most: int) -> str:
    """At most so many characters; the middle goes, for beginnings and ends tell names apart."""
    words = " ".join(clean(words).split())
    if len(words) <= most:
        return words
    tail = (most - 1) // 3
    return words[: most - 1 - tail] + ELLIPSIS + words[len(words) - tail :]
