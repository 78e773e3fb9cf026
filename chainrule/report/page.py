"""What the report is made of, before it is HTML: sections of prose, tables, charts and code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from chainrule.charts.svg import clean, cut


@dataclass(frozen=True)
class Words:
    """A piece of a sentence. kind: "" (ours), "user" (from the user's data: its direction stays its own), "strong"."""

    text: str
    kind: str = ""
    whole: str = ""  # shown when one points at it


Sentence = tuple[Words | str, ...]


def user(text: str, most: int = 60) -> Words:
    """Words of the user's, cut where they are long."""
    shown = cut(text, most)
    return Words(shown or "(empty)", "user", "" if shown == text else clean(text[:300]))


def strong(text: str) -> Words:
    return Words(text, "strong")


@dataclass(frozen=True)
class Cell:
    """A cell of a table. share: how much of it is coloured, as a bar or (tone) as a shade."""

    words: Words
    kind: str = ""  # "number", "code", "quiet"
    share: float | None = None
    tone: str = ""  # "bar", "bar-self", "right", "wrong"


@dataclass(frozen=True)
class Table:
    """Rows of cells under names of columns. kinds: the kind of each column ("number" stands right-aligned)."""

    block: ClassVar[str] = "table"
    caption: str
    names: Sequence[Words]
    rows: Sequence[Sequence[Cell]]
    kinds: Sequence[str] = ()
    note: str = ""
    style: str = ""  # "matrix": the first cell of each row is its head
    marked: int = -1  # the row that stands out


@dataclass(frozen=True)
class Figure:
    """A chart with what one should see in it."""

    svg: str
    title: str
    caption: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts side by side, where there is room."""

    block: ClassVar[str] = "figures"
    charts: Sequence[Figure]
    across: int = 1


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    block: ClassVar[str] = "prose"
    sentence: Sentence
    kind: str = ""  # "missing": says what is not there; "finding": says what to look at


@dataclass(frozen=True)
class Code:
    """Lines for a terminal, or of a program."""

    block: ClassVar[str] = "code"
    text: str
    caption: str = ""


Block = Table | Figures | Prose | Code


@dataclass(frozen=True)
class Section:
    """A part of the report. short: its name among the links at the top."""

    name: str  # of the anchor
    title: str
    short: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Head:
    """The first screen: the verdict, the one figure, the baselines beside it, the run in a few facts."""

    run: str
    status: str
    verdict: Sentence
    advice: Sentence
    figure_name: str
    figure: str
    figure_notes: Sequence[str]
    scores: Table | None
    scores_note: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    head: Head
    sections: Sequence[Section] = field(default_factory=tuple)


def plain(text: str, kind: str = "", most: int = 60) -> Cell:
    """A cell of the user's words."""
    return Cell(user(text, most), kind)


def number(text: str) -> Cell:
    return Cell(Words(text), "number")


def says(text: str, kind: str = "") -> Cell:
    """A cell of our words."""
    return Cell(Words(text), kind)


def missing(*sentence: Words | str) -> Prose:
    return Prose(sentence, "missing")
