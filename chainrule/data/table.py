"""Tables: named columns of equal length, each of one kind, in memory or on disk.

Texts are held as codes into sorted levels, so that a column of a million cells and three words is an array and three
strings. A column's array may be memory-mapped: whoever needs all of a large table goes through `chunks`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.ir.errors import ArgumentError

Rows = npt.NDArray[np.int64]
CHUNK_ROWS = 1 << 16  # looked at together wherever a whole table is gone through


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    CATEGORY = "category"
    BOOL = "bool"
    DATE = "date"
    TEXT = "text"  # words of which nearly every row has its own: free text, names, keys


@dataclass(frozen=True)
class Strays:
    """Cells of a column of numbers or dates that hold something else; they count as missing."""

    rows: tuple[int, ...]  # the first few
    texts: tuple[str, ...]  # what stands there
    count: int


@dataclass(frozen=True, eq=False)
class Column:
    """One column. `data`: float64 with NaN (NUMBER, BOOL), datetime64[us] with NaT (DATE), or int32 codes (others)."""

    name: str
    kind: Kind
    data: npt.NDArray[Any]  # (rows,)
    original: str  # "int64", "float64", "bool", "str", "date": how values are written back; of a category, mostly "str"
    levels: npt.NDArray[Any] | None = None  # CATEGORY and TEXT: the texts, sorted; code -1 is missing
    words: tuple[str, str] = ("False", "True")  # how a BOOL column spells them
    strays: Strays | None = None

    def __len__(self) -> int:
        return len(self.data)

    @property
    def values(self) -> npt.NDArray[Any]:
        """float64 with NaN, datetime64[us] with NaT, or an object array of str and None."""
        if self.levels is None:
            return self.data
        return np.asarray(np.array([*self.levels.tolist(), None], dtype=object)[self.data])  # code -1 takes the last

    @property
    def is_missing(self) -> npt.NDArray[np.bool_]:
        """Which cells are missing."""
        if self.levels is not None:
            return np.asarray(self.data < 0)
        return np.asarray(np.isnat(self.data) if self.kind is Kind.DATE else np.isnan(self.data))

    def take(self, rows: Rows | slice) -> Column:
        """The cells of some rows."""
        return replace(self, data=self.data[rows], strays=None)

    def pieces(self, rows: Rows | None = None) -> Iterator[Column]:
        """The cells of some rows (None: all), CHUNK_ROWS at a time."""
        for start in range(0, len(self) if rows is None else len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            yield self.take(part if rows is None else rows[part])

    def native(self) -> list[Any]:
        """The cells as Python objects of their original type; None where missing."""
        return to_python(self, self.data)


def to_python(column: Column, data: npt.NDArray[Any]) -> list[Any]:
    """Cells in the column's encoding as int, float, bool, str or datetime; None where missing."""
    if column.levels is not None:
        levels: list[Any] = column.levels.tolist()
        levels = [*(map(int, levels) if column.original == "int64" else levels), None]
        return [levels[code] for code in data.tolist()]
    if column.kind is Kind.DATE:
        return data.astype("datetime64[us]").tolist()  # type: ignore[no-any-return]
    if column.kind is Kind.BOOL:
        two = (False, True) if column.original == "bool" else column.words
        return [None if value != value else two[int(value)] for value in data.tolist()]
    if column.original == "int64":
        return [None if value != value else int(value) for value in data.tolist()]
    return [None if value != value else value for value in data.tolist()]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, in order.

    >>> from chainrule.data import as_table
    >>> table = as_table({"x": [1.0, 2.0, 4.0], "colour": ["red", None, "blue"]})
    >>> table.rows, table["colour"].kind.value, table["colour"].values.tolist()
    (3, 'category', ['red', None, 'blue'])
    """

    columns: Mapping[str, Column]
    rows: int
    file: str | None = None  # where it was read
    numbers: Rows | None = None  # each row's place in the table it was taken from; None: in order
    line_numbers: Rows | None = None  # of the rows in the file, where cells span lines
    each_row_a_line: bool = True  # row k is line k + 2, unless `line_numbers` says otherwise
    notes: tuple[str, ...] = ()  # what was found out while reading, a line each

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.columns)

    def __getitem__(self, name: str) -> Column:
        column = self.columns.get(name)
        if column is None:
            raise ArgumentError(unknown_column(name, self.names, self.place))
        return column

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns.values())

    def __len__(self) -> int:
        return self.rows

    @property
    def place(self) -> str:
        """The file's name, or "the table"."""
        return self.file or "the table"

    def where(self, row: int) -> str:
        """A row as its user finds it: "line 7 of penguins.csv", or "row 5" counted from 0."""
        number = int(row if self.numbers is None else self.numbers[row])
        if self.file is None:
            return f"row {number}"
        if self.line_numbers is None and not self.each_row_a_line:
            return f"row {number} of {self.file}"
        line = number + 2 if self.line_numbers is None else int(self.line_numbers[number])
        return f"line {line} of {self.file}"

    def take(self, rows: npt.ArrayLike) -> Table:
        """The table of some rows, in the order given."""
        places = np.asarray(rows, np.int64)
        numbers = places if self.numbers is None else self.numbers[places]
        columns = {column.name: column.take(places) for column in self}
        return replace(self, columns=columns, rows=len(places), numbers=numbers)

    def select(self, names: Iterable[str]) -> Table:
        """The table of some columns, in the order given."""
        return replace(self, columns={name: self[name] for name in names})

    def between(self, start: int, stop: int) -> Table:
        """The rows from one up to another, without a copy."""
        stop = min(stop, self.rows)
        numbers = np.arange(start, stop) if self.numbers is None else self.numbers[start:stop]
        columns = {column.name: column.take(slice(start, stop)) for column in self}
        return replace(self, columns=columns, rows=stop - start, numbers=numbers)

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[Table]:
        """The table in pieces of so many rows; the last may be shorter."""
        for start in range(0, self.rows, rows):
            yield self.between(start, start + rows)


def different(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The different values, sorted. Like np.unique, whose first call costs 15 ms of imports; no NaN among them."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def places_of(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The different values, each value's place among them, and how often each occurs."""
    found = different(values)
    places = np.searchsorted(found, values)
    return found, places, np.bincount(places, minlength=len(found))


def unknown_column(name: str, names: Sequence[str], place: str) -> str:
    """The message for a column that is not there, with the nearest names."""
    near = nearest(name, names)
    hint = f" Did you mean {near}?" if near else f" Its columns: {listed(names)}."
    return f"no column {name!r} in {place}.{hint}"


def nearest(name: str, names: Iterable[str], shown: Mapping[str, str] | None = None) -> str:
    """The names that look like it, as text: "'species' or 'sex'", or what `shown` has for them; empty if none does."""
    by_lower = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return " or ".join(repr((shown or {}).get(by_lower[lower], by_lower[lower])) for lower in found)


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Names with commas; of many the first."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"


def concatenate(tables: Sequence[Table]) -> Table:
    """The rows of several tables one after another; the first decides the columns and their kinds."""
    first = tables[0]
    for other in tables[1:]:
        for column in first:
            found = other[column.name]
            if found.kind is not column.kind:
                raise ArgumentError(
                    f"column {column.name!r} holds {column.kind} in {first.place} but {found.kind} in {other.place}. "
                    "Read the second with read_table(path, like=first)."
                )
    columns = {column.name: joined([table[column.name] for table in tables]) for column in first}
    rows = sum(table.rows for table in tables)
    return Table(columns, rows, notes=tuple(note for table in tables for note in table.notes))


def joined(columns: Sequence[Column]) -> Column:
    """Columns of one kind, one below the other."""
    first = columns[0]
    if first.levels is None:
        return replace(first, data=np.concatenate([column.data for column in columns]), strays=None)
    every = [column.levels for column in columns if column.levels is not None]
    levels = np.array(sorted({text for levels in every for text in levels.tolist()}), dtype=object)
    index = {text: code for code, text in enumerate(levels.tolist())}
    data = [recoded(column, index) for column in columns]
    return replace(first, data=np.concatenate(data), levels=levels, strays=None)


def recoded(column: Column, index: Mapping[str, int], unseen: int = -1, missing: int = -1) -> npt.NDArray[np.int32]:
    """The codes of a column of texts by another list of levels."""
    assert column.levels is not None
    codes = np.array([index.get(text, unseen) for text in column.levels.tolist()] + [missing], np.int32)
    return np.asarray(codes[column.data])
