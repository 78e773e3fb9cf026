"""Columns as features: float32 (rows, width), with statistics of the training rows only.

Numbers and bools are standardised; beyond 3 standard deviations they grow by their logarithm. A category becomes a
feature per level; levels that the training rows hold only a few times share one. A date becomes its day, and its place
in the year, the week and the day. Where training cells are missing, a feature says so. A missing number counts as the
mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.profiling import ColumnProfile, refuse_infinities, refuse_strays
from chainrule.data.space import budget_bytes, mapped
from chainrule.data.table import CHUNK_ROWS, Column, Kind, Rows, Table, recoded, unknown_column
from chainrule.ir.errors import ArgumentError

MAX_LEVELS = 50  # levels of one column that get a feature of their own: the most frequent
RARE = 3  # a level that fewer training rows hold shares a feature with other such levels
DAY_MICROSECONDS = 86_400_000_000.0
SMALL_BYTES = 1 << 26  # features that take less are in memory, without asking what is free
UNSEEN_CODE, MISSING_CODE = -1, -2  # instead of a feature
TAIL = 3.0  # standard deviations from the mean where outliers begin
FORMAT = 1

Features = npt.NDArray[np.float32]


def tempered(scaled: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """z within TAIL of 0; beyond, sign(z) (TAIL + log(1 + |z| - TAIL)): in order, with the slope of 1 going on.

    One house of ten times the usual ground otherwise outweighs all others, in training and when it is predicted.
    """
    beyond = np.maximum(np.abs(scaled) - TAIL, 0)
    within = np.clip(scaled, -TAIL, TAIL)
    return np.asarray(within + np.copysign(np.log1p(beyond), scaled))


@dataclass(frozen=True)
class ColumnEncoding:
    """How one column becomes features."""

    name: str
    kind: Kind
    missing: bool  # training cells were missing: a feature says where
    means: tuple[float, ...] = ()  # of the numbers that the column gives
    scales: tuple[float, ...] = ()
    parts: tuple[str, ...] = ()  # DATE: which of PARTS vary
    levels: tuple[str, ...] = ()  # CATEGORY: one feature each
    rare: tuple[str, ...] = ()  # CATEGORY: levels that share one

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names."""
        found = [f"{self.name}={level}" for level in self.levels]
        found += [f"{self.name}: rare"] if self.rare else []
        if self.kind is Kind.DATE:
            found += [f"{self.name}: {part}" for part in self.parts]
        elif self.kind is not Kind.CATEGORY:
            found.append(self.name)
        return (*found, *([f"{self.name} is missing"] if self.missing else []))

    def write(self, column: Column, out: Features) -> None:
        """Fill this column's features, (rows, width), which are zeros. The column is a `prepared` one."""
        missing = column.is_missing
        if self.kind is Kind.CATEGORY:
            rows = np.flatnonzero(column.data >= 0)
            out[rows, column.data[rows]] = 1
            missing = column.data == MISSING_CODE
        else:
            numbers = numbers_of(column, self.parts)  # (rows, numbers)
            scaled = tempered((numbers - np.array(self.means)) / np.array(self.scales))
            scaled[missing] = 0
            out[:, : scaled.shape[1]] = scaled
        if self.missing:
            out[:, -1] = missing

    def prepared(self, column: Column) -> Column:
        """The column with the features of its levels as codes, so that its pieces need not look at levels again."""
        if self.kind is not Kind.CATEGORY:
            return column
        unseen = len(self.levels) if self.rare else UNSEEN_CODE
        return replace(column, data=recoded(column, self.places, unseen=unseen, missing=MISSING_CODE))

    @cached_property
    def places(self) -> dict[str, int]:
        """The feature of each level."""
        found = {level: place for place, level in enumerate(self.levels)}
        return found | dict.fromkeys(self.rare, len(self.levels))


PARTS: tuple[str, ...] = (
    "day",
    "sine of the year",
    "cosine of the year",
    "sine of the week",
    "cosine of the week",
    "sine of the hour",
    "cosine of the hour",
)


def numbers_of(column: Column, parts: Sequence[str]) -> npt.NDArray[np.float64]:
    """The numbers that a column gives: itself, or the parts of a date."""
    if column.kind is not Kind.DATE:
        return np.array(column.data[:, None], np.float64)
    stamps = column.data.astype("datetime64[us]")
    days = stamps.astype("datetime64[D]")
    years = days.astype("datetime64[Y]").astype("datetime64[D]")
    of_day = (stamps - days).astype(np.float64) / DAY_MICROSECONDS
    number = days.astype(np.int64).astype(np.float64)
    angles = {
        "year": (days - years).astype(np.float64) / 365.25,
        "week": (number % 7) / 7,
        "hour": of_day,
    }
    found = []
    for part in parts:
        if part == "day":
            found.append(number + of_day)
        else:
            turn = 2 * np.pi * angles[part.rpartition(" ")[2]]
            found.append(np.sin(turn) if part.startswith("sine") else np.cos(turn))
    result = np.stack(found, axis=1) if found else np.zeros((len(stamps), 0))
    result[np.isnat(stamps)] = np.nan
    return result


@dataclass(frozen=True)
class Encoding:
    """How the used columns of a table become one matrix.

    >>> from chainrule.data import as_table
    >>> table = as_table({"x": [1.0, 2.0, 3.0], "unit": ["m", "s", "m"]})
    >>> encoding = Encoding.fit(table, rare=1)
    >>> encoding.names, encoding.apply(table).round(2).tolist()
    (('x', 'unit=m', 'unit=s'), [[-1.22, 1.0, 0.0], [0.0, 0.0, 1.0], [1.22, 1.0, 0.0]])
    """

    columns: tuple[ColumnEncoding, ...]

    @classmethod
    def fit(
        cls,
        table: Table,
        profiles: Sequence[ColumnProfile] | None = None,
        rows: npt.ArrayLike | None = None,
        *,
        rare: int = RARE,
    ) -> Encoding:
        """From the training rows (None: all) of the columns that the profiles use (None: all)."""
        names = table.names if profiles is None else [one.name for one in profiles if one.used]
        places = None if rows is None else np.asarray(rows, np.int64)
        return cls(tuple(fitted(table[name], places, rare) for name in names))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def width(self) -> int:
        """How many features there are."""
        return len(self.names)

    @cached_property
    def column_of(self) -> dict[str, str]:
        """The column that each feature comes from."""
        return {name: column.name for column in self.columns for name in column.names}

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns that are read and their kinds: `read_table(path, like=encoding.kinds)`."""
        return {column.name: column.kind for column in self.columns}

    def apply(self, table: Table, rows: npt.ArrayLike | None = None, *, memory_bytes: int | None = None) -> Features:
        """The features of a table's rows: float32 (rows, width); ArgumentError for a column that is not there.

        Where they take more than `memory_bytes` (default: half of the memory that is free), the array is mapped from a
        temporary file, which goes when the array goes.
        """
        places = None if rows is None else np.asarray(rows, np.int64)
        shape = (table.rows if places is None else len(places), self.width)
        columns = [encoding.prepared(self.fitting(table, encoding)) for encoding in self.columns]
        out: Features = zeros(shape, memory_bytes)
        for start in range(0, shape[0], CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            self.write(columns, part if places is None else places[part], out[part])
        return out

    def write(self, columns: Sequence[Column], rows: Rows | slice, out: Features) -> None:
        """Fill the features of some rows."""
        first = 0
        for encoding, column in zip(self.columns, columns, strict=True):
            after = first + len(encoding.names)
            encoding.write(column.take(rows), out[:, first:after])
            first = after

    def fitting(self, table: Table, encoding: ColumnEncoding) -> Column:
        """The table's column for an encoding, in its kind."""
        if encoding.name not in table:
            message = unknown_column(encoding.name, table.names, table.place)
            raise ArgumentError(f"{message} The model was trained with this column.")
        column = table[encoding.name]
        refuse_strays(table, column)
        refuse_infinities(table, column)
        return in_kind(table, column, encoding.kind)

    def check(self, table: Table) -> tuple[str, ...]:
        """What is new to the model in a table, a line each: unseen categories, missing cells where none were."""
        found = []
        for encoding in self.columns:
            column = self.fitting(table, encoding)
            if encoding.kind is Kind.CATEGORY:
                found += unseen_note(encoding, column)
            missing = int(column.is_missing.sum())
            if missing and not encoding.missing:
                how = "no category" if encoding.kind is Kind.CATEGORY else "the mean"
                found.append(f"{encoding.name}: {cells(missing)} missing, where none was in training; taken as {how}")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs."""
        return {"format": FORMAT, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Encoding:
        """The encoding that `to_json` described; ArgumentError if it is something else."""
        try:
            if stored["format"] != FORMAT:
                raise ArgumentError(f"the stored encoding has format {stored['format']!r}, and {FORMAT} was expected.")
            return cls(tuple(column_encoding(one) for one in stored["columns"]))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"the stored encoding is damaged: {error!r}.") from None


def column_encoding(stored: Mapping[str, Any]) -> ColumnEncoding:
    return ColumnEncoding(
        name=str(stored["name"]),
        kind=Kind(stored["kind"]),
        missing=bool(stored["missing"]),
        means=tuple(map(float, stored["means"])),
        scales=tuple(map(float, stored["scales"])),
        parts=tuple(map(str, stored["parts"])),
        levels=tuple(map(str, stored["levels"])),
        rare=tuple(map(str, stored["rare"])),
    )


def zeros(shape: tuple[int, int], memory_bytes: int | None) -> Features:
    """In memory, or mapped from a file."""
    size = 4 * shape[0] * shape[1]
    if size <= SMALL_BYTES or size <= budget_bytes(memory_bytes):
        return np.zeros(shape, np.float32)
    return mapped(shape, np.float32)


def fitted(column: Column, rows: Rows | None, rare: int) -> ColumnEncoding:
    """The encoding of a column out of its training cells."""
    missing = any(bool(piece.is_missing.any()) for piece in column.pieces(rows))
    if column.levels is not None:
        counts = sum(np.bincount(piece.data + 1, minlength=len(column.levels) + 1) for piece in column.pieces(rows))
        counts = np.asarray(counts)[1:]
        order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
        own = np.sort(order[counts[order] >= rare])
        rest_of = counts > 0
        rest_of[own] = False
        others = np.flatnonzero(rest_of)
        levels, rest = tuple(column.levels[own].tolist()), tuple(column.levels[others].tolist())
        return ColumnEncoding(column.name, Kind.CATEGORY, missing, levels=levels, rare=rest)
    parts: tuple[str, ...] = PARTS if column.kind is Kind.DATE else ()
    means, scales = moments(column, rows, parts)
    if column.kind is Kind.DATE:
        kept = [k for k in range(len(parts)) if scales[k] > 0] or [0]
        parts, means, scales = tuple(parts[k] for k in kept), means[kept], scales[kept]
    scales = np.where(scales > 0, scales, 1.0)
    return ColumnEncoding(column.name, column.kind, missing, tuple(means.tolist()), tuple(scales.tolist()), parts)


def moments(
    column: Column, rows: Rows | None, parts: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each number that a column gives, of present cells; 0 where they hardly vary."""
    width, count = len(parts) or 1, 0
    sums, squares = np.zeros(width), np.zeros(width)
    for numbers in present_numbers(column, rows, parts):
        sums += numbers.sum(axis=0)
        count += len(numbers)
    means = sums / max(count, 1)
    for numbers in present_numbers(column, rows, parts):
        squares += ((numbers - means) ** 2).sum(axis=0)
    scales = np.sqrt(squares / max(count, 1))
    return means, np.where(scales > 1e-12 * np.abs(means), scales, 0.0)


def present_numbers(column: Column, rows: Rows | None, parts: Sequence[str]) -> Iterator[npt.NDArray[np.float64]]:
    """The numbers of present cells, (rows, numbers), a piece at a time."""
    for piece in column.pieces(rows):
        yield numbers_of(piece.take(np.flatnonzero(~piece.is_missing)), parts)


def in_kind(table: Table, column: Column, kind: Kind) -> Column:
    """A column in the kind that it had in training; ArgumentError where its values cannot be that."""
    if column.kind is kind or (column.levels is not None and kind is Kind.CATEGORY):
        return column
    present = np.flatnonzero(~column.is_missing)
    if not len(present):
        return empty_of(column, kind)
    if {column.kind, kind} <= {Kind.NUMBER, Kind.BOOL} and zeros_and_ones(column.data[present]):
        return Column(column.name, kind, column.data, column.original)
    if kind is Kind.NUMBER and column.kind is Kind.BOOL:
        return Column(column.name, kind, column.data, column.original)
    if kind is Kind.CATEGORY:
        return as_category(column)
    first = int(present[0])
    raise ArgumentError(
        f"column {column.name!r} held {kind} in training, but here it holds {column.kind}: "
        f"{column.take(present[:1]).native()[0]!r} ({table.where(first)}). Correct the column."
    )


def zeros_and_ones(data: npt.NDArray[Any]) -> bool:
    return bool(((data == 0) | (data == 1)).all())


def empty_of(column: Column, kind: Kind) -> Column:
    """A column of missing cells in another kind."""
    rows = len(column)
    if kind is Kind.CATEGORY:
        return Column(column.name, kind, np.full(rows, -1, np.int32), "str", np.array([], dtype=object))
    if kind is Kind.DATE:
        return Column(column.name, kind, np.full(rows, np.datetime64("NaT"), "datetime64[us]"), "date")
    return Column(column.name, kind, np.full(rows, np.nan), "float64")


def as_category(column: Column) -> Column:
    """Numbers, bools or dates as the texts that they are written as."""
    different, inverse = np.unique(column.data, return_inverse=True)  # NaN and NaT among them
    native = (
        column.take(np.arange(0)).native()
        if not len(different)
        else Column(column.name, column.kind, different, column.original, words=column.words).native()
    )
    texts = [None if value is None else written(value) for value in native]
    levels = sorted({text for text in texts if text is not None})
    codes = np.array([-1 if text is None else levels.index(text) for text in texts], np.int32)
    return Column(column.name, Kind.CATEGORY, codes[inverse.reshape(-1)], "str", np.array(levels, dtype=object))


def written(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def unseen_note(encoding: ColumnEncoding, column: Column) -> list[str]:
    """A line about categories that training did not see."""
    assert column.levels is not None
    counts = np.bincount(column.data + 1, minlength=len(column.levels) + 1)[1:]
    unseen = [k for k in np.flatnonzero(counts).tolist() if column.levels[k] not in encoding.places]
    if not unseen:
        return []
    rows = int(counts[unseen].sum())
    shown = ", ".join(repr(column.levels[k]) for k in unseen[:5]) + (" ..." if len(unseen) > 5 else "")
    many = "an unseen category" if len(unseen) == 1 else f"{len(unseen):,} unseen categories"
    how = "a rare category" if encoding.rare else "no category"
    return [f"{encoding.name}: {many} in {cells(rows)} ({shown}); taken as {how}"]


def cells(count: int) -> str:
    return f"{count:,} cell{'s' if count != 1 else ''}"
