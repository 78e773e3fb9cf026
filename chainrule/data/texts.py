"""What the texts of a column mean: numbers, words for true and false, dates, categories; and which say "missing".

Everything is decided on the different texts of a column with their counts, so that readers which get them in other ways
(a file at once, a database's GROUP BY) decide alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind, Strays

MISSING = ("", "NA", "N/A", "n/a", "na", "#N/A", "NULL", "Null", "null", "NaN", "nan", "NAN", "?", "-")
IS_MISSING = frozenset(MISSING)
WHITE = " \t\r\n\f\v"  # what may stand around a cell's text

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
INTEGER_DIGITS = 15  # that float64 holds exactly
INTEGER = re.compile(rf"[+-]?\d{{1,{INTEGER_DIGITS}}}", re.ASCII)
NUMERALS = b"0123456789.+-eE "
INFINITY = re.compile(r"([+-]?)inf(?:inity)?", re.ASCII | re.IGNORECASE)
BOOLS = (("false", "true"), ("no", "yes"))
ISO_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,6})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
# Tried in this order; the first that reads all cells is taken.
DAYS = ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y")
DATE_FORMATS = [f"{day}{time}" for time in ("", " %H:%M", " %H:%M:%S") for day in DAYS]
DATE_LIKE = re.compile(r"\d{1,4}[./-]\d\d?[./-]\d{1,4}([T ].*)?", re.ASCII)

MOSTLY = 0.9  # this share of the cells makes a column one of numbers (or dates), and the rest strays
STRAYS_SHOWN = 5
TEXT_SHARE = 0.5  # a column in which more than this share of the cells differ is text, not categories,
TEXT_LEVELS = 50  # once it has more levels than this, or every cell differs
LONG_TEXT = 200  # characters on average; longer ones are text, whatever their number


@dataclass(frozen=True, eq=False)
class Meaning:
    """What a column's different texts stand for; `data[k]` is the cell for text k."""

    kind: Kind
    data: npt.NDArray[Any]
    original: str
    levels: npt.NDArray[Any] | None = None
    words: tuple[str, str] = ("False", "True")
    stray: npt.NDArray[np.bool_] | None = None  # which texts are no numbers although they should be
    note: str = ""


def column_of_texts(name: str, texts: Sequence[str], decimal: str = ".", wanted: Kind | None = None) -> Column:
    """A column out of the texts of its cells."""
    if wanted in {None, Kind.NUMBER}:
        plain = plain_numbers(name, texts, decimal)
        if plain is not None:
            return plain
    index = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    codes = np.fromiter(map(index.__getitem__, texts), np.int64, len(texts))
    different = [text.strip(WHITE) for text in index]
    meaning = meaning_of(different, np.bincount(codes, minlength=len(index)), decimal, wanted)
    return column_of_codes(name, codes, different, meaning)


def plain_numbers(name: str, texts: Sequence[str], decimal: str) -> Column | None:
    """The column if all cells are numbers in digits or empty: the most frequent kind, several times as fast."""
    if decimal != ".":
        if any("." in text for text in texts):
            return None
        texts = [text.replace(decimal, ".") for text in texts]
    joined = "".join(texts)
    if not joined.isascii() or joined.encode().translate(None, NUMERALS):
        return None
    try:
        data = np.array([float(text) if text else np.nan for text in texts], np.float64)
    except ValueError:  # a date, or white space alone
        return None
    fractions = joined.encode().translate(None, b"0123456789+- ")
    integers = not fractions and max(map(len, texts)) <= INTEGER_DIGITS
    if not fractions and not integers:
        return None
    return Column(name, Kind.NUMBER, data, "int64" if integers and joined else "float64")


def column_of_codes(
    name: str, codes: npt.NDArray[np.integer[Any]], different: Sequence[str], meaning: Meaning
) -> Column:
    """A column out of each cell's place among the different texts, and what those mean."""
    strays = None
    if meaning.stray is not None and meaning.stray.any():
        rows = np.flatnonzero(meaning.stray[codes])
        shown = rows[:STRAYS_SHOWN].tolist()
        strays = Strays(tuple(shown), tuple(different[codes[row]] for row in shown), len(rows))
    data = meaning.data[codes] if len(codes) else meaning.data[:0]
    return Column(name, meaning.kind, data, meaning.original, meaning.levels, meaning.words, strays)


def meaning_of(
    different: Sequence[str], counts: npt.NDArray[np.int64], decimal: str = ".", wanted: Kind | None = None
) -> Meaning:
    """What different texts stand for, given how many cells hold each; `wanted`: the kind that another file has."""
    present = present_of(different)
    cells = int(counts[present].sum())
    if wanted in {Kind.CATEGORY, Kind.TEXT}:
        return as_levels(different, present, wanted)
    if wanted is Kind.BOOL:
        return as_bools(different, present) or as_numbers(different, present, decimal)
    if wanted is Kind.DATE:
        return as_dates(different, present, counts, 0) or as_levels(different, present, Kind.CATEGORY)
    numbers = as_numbers(different, present, decimal)
    assert numbers.stray is not None
    stray_cells = int(counts[numbers.stray].sum())
    if wanted is Kind.NUMBER or stray_cells <= (1 - MOSTLY) * cells:
        return numbers
    found = as_bools(different, present) or as_dates(different, present, counts, cells)
    return found or as_levels(different, present, text_or_category(different, present, counts))


def meaning_of_words(different: Sequence[str], counts: npt.NDArray[np.int64]) -> Meaning:
    """The same for what is stated to be texts: they stay texts, even if they look like numbers."""
    present = present_of(different)
    return as_levels(different, present, text_or_category(different, present, counts))


def kind_of_sample(texts: Sequence[str], decimal: str) -> tuple[Kind, bool]:
    """What a column's first cells suggest, and whether they are integers."""
    index = dict.fromkeys(text.strip(WHITE) for text in texts)
    if not present_of(list(index)).any():
        return Kind.CATEGORY, True
    column = column_of_texts("", texts, decimal)
    return column.kind, column.original == "int64"


def present_of(different: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts stand for a value."""
    return np.array([text not in IS_MISSING for text in different], bool)


def text_or_category(different: Sequence[str], present: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]) -> Kind:
    """TEXT if nearly every cell has its own words, or the words are long; else CATEGORY."""
    cells, levels = int(counts[present].sum()), len({different[k] for k in np.flatnonzero(present).tolist()})
    own = (levels == cells and cells >= 10) or (levels > TEXT_LEVELS and levels > TEXT_SHARE * cells)
    letters = sum(len(different[k]) * int(counts[k]) for k in np.flatnonzero(present).tolist())
    return Kind.TEXT if own or letters > LONG_TEXT * cells else Kind.CATEGORY


def as_levels(different: Sequence[str], present: npt.NDArray[np.bool_], kind: Kind) -> Meaning:
    levels = sorted({text for text, here in zip(different, present.tolist(), strict=True) if here})
    index = {text: code for code, text in enumerate(levels)}
    codes = [index[text] if here else -1 for text, here in zip(different, present.tolist(), strict=True)]
    return Meaning(kind, np.array(codes, np.int32), "str", np.array(levels, dtype=object))


def as_numbers(different: Sequence[str], present: npt.NDArray[np.bool_], decimal: str) -> Meaning:
    read = [number_of(text, decimal) if here else None for text, here in zip(different, present.tolist(), strict=True)]
    values = np.array([np.nan if value is None else value for value in read], np.float64)
    whole = all(INTEGER.fullmatch(different[k]) for k in np.flatnonzero(present).tolist() if read[k] is not None)
    stray = np.array([value is None for value in read], bool) & present
    whole &= bool(present.any())
    return Meaning(Kind.NUMBER, values, "int64" if whole else "float64", stray=stray)


def number_of(text: str, decimal: str = ".") -> float | None:
    """The number that a text is, or None; infinities are numbers here, so that they can be named later."""
    if decimal != "." and decimal in text:
        text = "" if "." in text else text.replace(decimal, ".", 1)
    if NUMBER.fullmatch(text):
        return float(text)
    infinite = INFINITY.fullmatch(text)
    return float(infinite.group()) if infinite else None


def as_bools(different: Sequence[str], present: npt.NDArray[np.bool_]) -> Meaning | None:
    """Words for true and false, of one pair only."""
    words = [different[k] for k in np.flatnonzero(present).tolist()]
    for pair in BOOLS:
        if words and all(word.lower() in pair for word in words):
            spelled = [next((word for word in words if word.lower() == plain), "") for plain in pair]
            data = [pair.index(text.lower()) if text.lower() in pair else np.nan for text in different]
            return Meaning(
                Kind.BOOL,
                np.array(data, np.float64),
                "bool" if pair == BOOLS[0] else "str",
                words=(spelled[0] or cased(pair[0], spelled[1]), spelled[1] or cased(pair[1], spelled[0])),
            )
    return None


def cased(word: str, other: str) -> str:
    """A word in the case of another: of "TRUE" and false, FALSE."""
    return word.upper() if other.isupper() else word.capitalize() if other[:1].isupper() else word


def as_dates(
    different: Sequence[str], present: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64], cells: int
) -> Meaning | None:
    """Dates and times, if at least MOSTLY of the cells are; with cells = 0 at least one must be."""
    places = np.flatnonzero(present).tolist()
    likely = sum(int(counts[k]) for k in places if DATE_LIKE.fullmatch(different[k]))
    if likely == 0 or likely < MOSTLY * cells:
        return None
    for read in (iso_date, *[reader_of(pattern) for pattern in DATE_FORMATS]):
        stamps = [read(different[k]) for k in places]
        found = sum(int(counts[k]) for k, stamp in zip(places, stamps, strict=True) if stamp is not None)
        if found and found >= MOSTLY * cells:
            data = np.full(len(different), np.datetime64("NaT"), "datetime64[us]")
            data[places] = np.array([np.datetime64("NaT") if s is None else s for s in stamps], "datetime64[us]")
            return Meaning(Kind.DATE, data, "date", stray=np.isnat(data) & present)
    return None


def date_reader(texts: Sequence[str]) -> Callable[[str], datetime | None] | None:
    """The first way of reading dates that reads nearly all of some texts."""
    for read in (iso_date, *[reader_of(pattern) for pattern in DATE_FORMATS]):
        if texts and sum(read(text) is not None for text in texts) >= MOSTLY * len(texts):
            return read
    return None


def iso_date(text: str) -> datetime | None:
    """2024-05-17, with or without a time, in UTC if it names its zone."""
    if not ISO_DATE.fullmatch(text):
        return None
    try:
        stamp = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None  # the 31st of February
    return stamp if stamp.tzinfo is None else stamp.astimezone(UTC).replace(tzinfo=None)


def reader_of(pattern: str) -> Callable[[str], datetime | None]:
    """A reader of dates of one written form."""

    def read(text: str) -> datetime | None:
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            return None

    return read
