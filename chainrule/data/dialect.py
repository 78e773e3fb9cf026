"""How a CSV file is written: what separates cells, what quotes them, what stands between units and tenths."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from chainrule.data.first_look import FirstLook
from chainrule.data.table import listed
from chainrule.data.texts import IS_MISSING, NUMBER
from chainrule.ir.errors import ArgumentError

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_RECORDS = 200
SAMPLE_CELLS = 500  # of a record
SAMPLE_LETTERS = 1 << 18
MAX_COLUMNS = 20_000
MAX_CELL_LETTERS = 100_000
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
SPELLED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


class Reader(Protocol):
    """What csv.reader gives."""

    line_num: int  # the lines read so far

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


@dataclass(frozen=True)
class Dialect:
    """Separator, quote and decimal sign of a file."""

    separator: str = ","
    quote: str = '"'
    decimal: str = "."

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual about it, for people."""
        found = []
        if self.separator != ",":
            found.append(f"cells are separated by a {SPELLED[self.separator]}")
        if self.quote != '"':
            found.append(f"cells are quoted by {self.quote}")
        if self.decimal != ".":
            found.append("numbers have a decimal comma")
        return tuple(found)


def dialect_of(look: FirstLook) -> Dialect:
    """The dialect in which the sample's records agree best with its header."""
    sample = sample_of(look)
    quote = "'" if looks_quoted(sample, "'") and not looks_quoted(sample, '"') else '"'
    best, best_score = Dialect(quote=quote), (-1.0, 0)
    for separator in SEPARATORS:
        records = sample_records(sample, Dialect(separator, quote))
        columns = len(records[0]) if records else 0
        if columns < 2:
            continue
        agree = sum(len(record) == columns for record in records[1:])
        score = (agree / max(1, len(records) - 1), columns)
        if score > best_score:
            best, best_score = Dialect(separator, quote), score
    return replace(best, decimal=decimal_of(sample_records(sample, best), best.separator))


def first_records(look: FirstLook, dialect: Dialect) -> list[list[str]]:
    """The header and the first rows of a file."""
    return sample_records(sample_of(look), dialect)


def sample_of(look: FirstLook) -> str:
    """The first records of a file, whole lines only where there are any."""
    text = look.text[: max(SAMPLE_LETTERS, 8 * look.text.find("\n"))]
    if len(text) == len(look.text) and look.whole:
        return text
    return text[: text.rfind("\n") + 1] or text


def looks_quoted(sample: str, quote: str) -> bool:
    """Whether cells begin and end with this sign."""
    sign = re.escape(quote)
    return re.search(rf"(?:^|[,;\t|])\s*{sign}[^{sign}\n]*{sign}\s*(?:$|[,;\t|])", sample, re.MULTILINE) is not None


def sample_records(sample: str, dialect: Dialect) -> list[list[str]]:
    """The first records of the sample; as many as can be read."""
    found: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        found.extend(itertools.islice(filter(None, reader(sample, dialect)), SAMPLE_RECORDS))
    return found


def reader(text: str, dialect: Dialect) -> Reader:
    """The standard library's reader over a text."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator, quotechar=dialect.quote, strict=True)


def decimal_of(records: Sequence[Sequence[str]], separator: str) -> str:
    """A comma, if numbers with one outnumber those with a point; between commas they stand in quotes."""
    commas = points = 0
    for record in records[1:]:
        for cell in record[:SAMPLE_CELLS]:
            commas += COMMA_NUMBER.fullmatch(cell.strip()) is not None
            points += "." in cell and NUMBER.fullmatch(cell.strip()) is not None
    return "," if commas > points else "."


def header_of(look: FirstLook, dialect: Dialect) -> tuple[list[str], int]:
    """The columns' names and the lines that they take; ArgumentError if the first line cannot be a header."""
    place = look.path
    end = look.text.find("\n")
    if end < 0 and not look.whole:
        raise ArgumentError(first_line_too_long(look, dialect))
    if look.text[:end].count(dialect.separator) > 2 * MAX_COLUMNS:
        raise ArgumentError(too_many_columns(look, look.text[:end].count(dialect.separator) + 1))
    source = reader(look.text, dialect)
    try:
        first = next(filter(None, source), [])
    except csv.Error as error:
        raise ArgumentError(f"{place}: the header (line 1) cannot be read as CSV: {error}.") from None
    if len(first) > MAX_COLUMNS:
        raise ArgumentError(too_many_columns(look, len(first)))
    names = [name.strip() for name in first]
    refuse_values_as_names(look, names)
    names = [name or f"column_{number}" for number, name in enumerate(names, 1)]
    if len(set(names)) < len(names):
        raise ArgumentError(twice(look, names))
    return names, source.line_num


def twice(look: FirstLook, names: Sequence[str]) -> str:
    """The message for names that stand there more than once."""
    double = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    places = [str(number) for number, name in enumerate(names, 1) if name == double[0]]
    more = f" (and so are {listed(double[1:], 5)})" if double[1:] else ""
    return (
        f"{look.path}: each column needs a name of its own, but columns {listed(places, 5)} are all named "
        f"{double[0]!r}{more}. Rename or remove one in line 1."
    )


def refuse_values_as_names(look: FirstLook, names: Sequence[str]) -> None:
    """A first line of numbers that are no numbering is data: its row would be lost as names."""
    if not all(NUMBER.fullmatch(name) or name in IS_MISSING for name in names) or not any(names):
        return
    if all(name.isdecimal() for name in names) and len(set(names)) == len(names):
        return
    example = ",".join(f"x{number}" for number in range(min(3, len(names))))
    raise ArgumentError(
        f"{look.path}: line 1 should name the columns, but it holds numbers ({listed(names, 4)}). "
        f"Add a first line with {len(names)} names, such as {example}."
    )


def first_line_too_long(look: FirstLook, dialect: Dialect) -> str:
    columns = look.text.count(dialect.separator) + 1
    if columns > MAX_COLUMNS:
        return too_many_columns(look, columns)
    return (
        f"{look.path}: line 1 should name the columns, but it does not end within {len(look.text):,} characters. "
        "The file is no CSV, or its lines end in a way that is not known."
    )


def too_many_columns(look: FirstLook, columns: int) -> str:
    return (
        f"{look.path}: up to {MAX_COLUMNS:,} columns can be read, but line 1 has {columns:,} or more. "
        "Keep those that matter, or put what varies into rows."
    )


def ragged(look: FirstLook, dialect: Dialect, line: str, record: Sequence[str], width: int) -> str:
    shown = dialect.separator.join(record)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return (
        f"{look.path}: every row must have the {width} cell{'s'[: width > 1]} that the header names, but {line} "
        f"has {len(record)}: {shown!r}. Add or remove cells there, or quote those that hold a {dialect.separator!r}."
    )
