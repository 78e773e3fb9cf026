"""From a database's columns to arrays: what each holds is decided on its different texts, then cells are fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.space import Space
from chainrule.data.table import Column, Kind, Strays, Table
from chainrule.data.texts import (
    MISSING,
    MOSTLY,
    STRAYS_SHOWN,
    WHITE,
    Meaning,
    as_levels,
    date_reader,
    meaning_of,
    meaning_of_words,
    present_of,
)

DIFFERENT = 200_000  # texts of one column that are looked at one by one
KEPT = 2_000_000  # different texts of a column that are kept where memory is short
DATES_TRIED = 1000
FETCHED_BYTES = 1 << 24  # at a time; DuckDB, its masks and copies take four times that
WHOLE = 1e15  # integers below this are exact in float64


@dataclass(frozen=True, eq=False)
class Loaded:
    """A database with the table `cells`, whose row numbers are the file's order."""

    database: Any
    decimal: str
    space: Space

    @cached_property
    def rows(self) -> int:
        return int(self.one("select count(*) from cells")[0])

    @cached_property
    def types(self) -> dict[str, str]:
        """The type of each column."""
        return {name: kind for name, kind, *_ in self.database.execute("describe cells").fetchall()}

    @cached_property
    def about(self) -> dict[str, tuple[Any, ...]]:
        """Of each column: about how many texts differ, or whether all numbers are integers; the number of cells."""
        names = list(self.types)
        asked = [
            f"approx_count_distinct({name})"
            if self.types[name] == "VARCHAR"
            else f"bool_and({name} = floor({name}) and abs({name}) < {WHOLE})"
            if self.types[name] == "DOUBLE"
            else "1"
            for name in names
        ]
        found = self.one(f"select {', '.join(asked)}, {', '.join(f'count({name})' for name in names)} from cells")
        return {name: (found[k], found[len(names) + k]) for k, name in enumerate(names)}

    def one(self, query: str) -> tuple[Any, ...]:
        return tuple(self.database.execute(query).fetchone())


@dataclass(frozen=True, eq=False)
class Plan:
    """How the cells of one column are fetched, and what column they make."""

    expression: str  # in SQL, without NULL
    meaning: Meaning  # of codes, if `coded`
    coded: bool
    strays: Strays | None = None
    read: Callable[[str], datetime | None] | None = None  # of dates that are fetched as texts

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.meaning.data.dtype

    def cells(self, fetched: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The column's data out of what was fetched."""
        if self.read is not None:
            stamps = {text: self.read(text) for text in dict.fromkeys(fetched.tolist())}
            return np.array([stamps[text] for text in fetched.tolist()], "datetime64[us]")
        return np.asarray(self.lookup[fetched] if self.coded else fetched.astype(self.dtype, copy=False))

    @cached_property
    def lookup(self) -> npt.NDArray[Any]:
        """What each code means; -1, the last, is missing."""
        missing: Any = np.datetime64("NaT") if self.dtype.kind == "M" else np.nan if self.dtype.kind == "f" else -1
        return np.append(self.meaning.data, np.array([missing], self.dtype))


def plan_of(loaded: Loaded, place: int, sample: Kind | None, integers: bool, wanted: Kind | None) -> Plan | None:
    """What a column of the database is; None if it is text that would not fit into memory.

    sample: what its first cells suggest; None: texts stay texts.
    """
    name = within(place)
    kind = loaded.types[name]
    if kind == "DOUBLE":
        return plan_of_numbers(loaded, name, "", integers)
    if kind == "BOOLEAN":
        none = Meaning(Kind.BOOL, np.array([], np.float64), "bool")
        return Plan(f"coalesce(cast({name} as double), 'nan'::double)", none, False)
    if kind != "VARCHAR":
        none = Meaning(Kind.DATE, np.array([], "datetime64[us]"), "date")
        return Plan(name, none, False)
    if sample is not None and loaded.about[name][0] > DIFFERENT:
        many = plan_of_many(loaded, name, sample, integers, wanted)
        if many is not None:
            return many
    if loaded.space.on_disk and loaded.about[name][0] > KEPT:
        return None
    return plan_of_texts(loaded, name, sample, wanted)


def plan_of_numbers(loaded: Loaded, name: str, number: str, integers: bool) -> Plan:
    """A column of numbers, or one of texts of which `number` makes numbers in SQL."""
    if number:
        whole = loaded.one(f"select bool_and({number} = floor({number}) and abs({number}) < {WHOLE}) from cells")[0]
    else:
        whole = loaded.about[name][0]
    none = Meaning(Kind.NUMBER, np.array([], np.float64), "int64" if whole and integers else "float64")
    strays = strays_of(loaded, name, f"{present_text(name)} is not null and {number} is null") if number else None
    return Plan(f"coalesce({number or name}, 'nan'::double)", none, False, strays)


def plan_of_texts(loaded: Loaded, name: str, sample: Kind | None, wanted: Kind | None) -> Plan:
    """A column of texts, by its different ones: an ENUM numbers them."""
    number = list(loaded.types).index(name)
    loaded.database.execute(
        f"create temp table words_{number} as "
        f"select {name} as word, count(*) as times from cells where {name} is not null group by {name}"
    )
    found = loaded.database.execute(f"select * from words_{number} order by word").fetchnumpy()
    words = [word.strip(WHITE) for word in found["word"].tolist()]
    counts = np.asarray(found["times"], np.int64)
    if sample is None:
        meaning = meaning_of_words(words, counts)
    elif len(words) > DIFFERENT:
        meaning = as_levels(words, present_of(words), Kind.TEXT)
    else:
        meaning = meaning_of(words, counts, loaded.decimal, wanted)
    if not words:
        return Plan("cast(-1 as integer)", meaning, True)
    loaded.database.execute(f"create type text_{number} as enum (select word from words_{number} order by word)")
    strays = None
    if meaning.stray is not None and meaning.stray.any():
        listed = ", ".join(quoted(found["word"][k]) for k in np.flatnonzero(meaning.stray).tolist())
        strays = strays_of(loaded, name, f"{name} in ({listed})")
    return Plan(f"coalesce(cast(enum_code({name}::text_{number}) as integer), -1)", meaning, True, strays)


def plan_of_many(loaded: Loaded, name: str, sample: Kind, integers: bool, wanted: Kind | None) -> Plan | None:
    """A column of very many different texts that may be numbers or dates; None if they are not."""
    text, present = present_text(name), loaded.about[name][1]
    if sample is Kind.NUMBER:
        point = text if loaded.decimal == "." else f"replace({text}, {quoted(loaded.decimal)}, '.')"
        number = f"case when contains({text}, '_') then null else try_cast({point} as double) end"
        if wanted is Kind.NUMBER or loaded.one(f"select count({number}) from cells")[0] >= MOSTLY * present:
            return plan_of_numbers(loaded, name, number, integers)
    if sample is Kind.DATE:
        return plan_of_dates(loaded, name, text)
    return None


def plan_of_dates(loaded: Loaded, name: str, text: str) -> Plan | None:
    """Dates of very many different texts, read in pieces in the form that the first ones have."""
    query = f"select {text} from cells where {text} is not null limit {DATES_TRIED}"
    read = date_reader([row[0] for row in loaded.database.execute(query).fetchall()])
    if read is None:
        return None
    none = Meaning(Kind.DATE, np.array([], "datetime64[us]"), "date")
    return Plan(f"coalesce({text}, '')", none, False, read=read)


def strays_of(loaded: Loaded, name: str, condition: str) -> Strays | None:
    """The cells for which a condition holds."""
    count = int(loaded.one(f"select count(*) from cells where {condition}")[0])
    if not count:
        return None
    query = f"select rowid, {trimmed(name)} from cells where {condition} order by rowid limit {STRAYS_SHOWN}"
    found = loaded.database.execute(query).fetchall()
    return Strays(tuple(row for row, _ in found), tuple(text for _, text in found), count)


def table_of(
    loaded: Loaded,
    every_name: Sequence[str],
    every_plan: Sequence[Plan | None],
    file: str,
    notes: tuple[str, ...],
    each_row_a_line: bool,
) -> Table:
    """Fetch all cells, a piece at a time."""
    kept = [(name, plan) for name, plan in zip(every_name, every_plan, strict=True) if plan is not None]
    names, plans = [name for name, _ in kept], [plan for _, plan in kept]
    left = [name for name, plan in zip(every_name, every_plan, strict=True) if plan is None]
    notes += tuple(f"{name}: left out, its more than {KEPT:,} different texts do not fit into memory" for name in left)
    arrays = [loaded.space.empty((loaded.rows,), plan.dtype) for plan in plans]
    step = max(1 << 12, FETCHED_BYTES // (8 * max(1, len(plans))))
    asked = ", ".join(f"{plan.expression} as c{number}" for number, plan in enumerate(plans))
    for start in range(0, loaded.rows, step):
        query = f"select {asked} from cells where rowid between {start} and {start + step - 1}"  # in order
        found = loaded.database.execute(query).fetchnumpy()
        for number, (plan, array) in enumerate(zip(plans, arrays, strict=True)):
            array[start : start + step] = plan.cells(unmasked(found[f"c{number}"]))
    columns = {
        name: Column(
            name,
            plan.meaning.kind,
            array,
            plan.meaning.original,
            plan.meaning.levels,
            plan.meaning.words,
            plan.strays,
        )
        for name, plan, array in zip(names, plans, arrays, strict=True)
    }
    return Table(columns, loaded.rows, file=file, notes=notes, each_row_a_line=each_row_a_line)


def unmasked(values: Any) -> npt.NDArray[Any]:
    """DuckDB's masked array as a plain one; only dates have missing cells here."""
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    return values.filled(np.datetime64("NaT")) if values.mask.any() else values.data


def trimmed(name: str) -> str:
    """A column's texts without white space around them, in SQL."""
    return f"trim({name}, {quoted(WHITE)})"


def present_text(name: str) -> str:
    """The same, NULL where a marker of missing cells has white space around it."""
    return f"case when {trimmed(name)} in ({', '.join(map(quoted, MISSING))}) then null else {trimmed(name)} end"


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def within(place: int) -> str:
    """A column's name in the database, whatever its own: DuckDB takes `A` for `a`, and `rowid` for the row's number."""
    return f"x{place}"
