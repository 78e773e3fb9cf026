"""Which columns are used, and why the others are not: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind, Rows, Table, different, unknown_column
from chainrule.ir.errors import ArgumentError

ID_ROWS = 20  # from so many rows on, a column of its own value in every row is a key
KEYS = {"id", "index", "key", "uuid", "guid", "column_1", "unnamed:_0"}  # the last two: a DataFrame's index, written
COUNTED = 1_000_000  # different numbers are counted so far
LISTED_COLUMNS = 30  # in a message that lists them


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of a column, and whether it is a feature. As text: one line."""

    name: str
    kind: Kind
    distinct: int
    missing: int
    used: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {'' if self.used else 'not used, '}{self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "distinct": self.distinct,
            "missing": self.missing,
            "used": self.used,
            "reason": self.reason,
        }


def profile(
    table: Table,
    target: str | None = None,
    *,
    drop: Sequence[str] = (),
    features: Sequence[str] | None = None,
    training_rows: npt.ArrayLike | None = None,
) -> tuple[ColumnProfile, ...]:
    """Look at every column but the target; `features`: use these only; statistics are those of the training rows.

    Raises ArgumentError where a named column is not there, a column that would be used holds infinities, or texts
    among its numbers, and where no column is left.

    >>> from chainrule.data import as_table
    >>> for line in profile(as_table({"x": [1.5, 2.5, 4.0], "unit": ["m", "m", "m"]})):
    ...     print(line)
    x: number, 3 values
    unit: not used, constant ('m')
    """
    named = [*drop, *(features or ()), *([target] if target is not None else [])]
    for name in named:
        if name not in table:
            raise ArgumentError(unknown_column(name, table.names, table.place))
    rows = None if training_rows is None else np.asarray(training_rows, np.int64)
    found = tuple(look_at(table, column, rows, drop, features) for column in table if column.name != target)
    if target is not None and not any(column.used for column in found):
        reasons = "; ".join(map(str, found[:LISTED_COLUMNS])) or "the target is its only column"
        raise ArgumentError(f"no column of {table.place} can be used to predict {target!r}: {reasons}.")
    return found


def look_at(
    table: Table, column: Column, rows: Rows | None, drop: Sequence[str], features: Sequence[str] | None
) -> ColumnProfile:
    """The profile of one column."""
    distinct, missing = counts_of(column, rows)
    count = len(column) if rows is None else len(rows)
    reason = why_not(column, rows, count, distinct, missing, drop, features)
    if not reason:
        hint = f", or leave the column out (--drop {column.name})"
        refuse_strays(table, column, hint)
        refuse_infinities(table, column, hint)
    return ColumnProfile(
        column.name, column.kind, distinct, missing, not reason, reason or described(column.kind, distinct, missing)
    )


def described(kind: Kind, distinct: int, missing: int) -> str:
    """ "category, 3 values, 2 missing"."""
    return f"{kind}, {distinct:,} value{'s' if distinct != 1 else ''}{f', {missing:,} missing' if missing else ''}"


def counts_of(column: Column, rows: Rows | None = None) -> tuple[int, int]:
    """How many different values some rows have (None: all), numbers up to COUNTED, and how many cells are missing."""
    missing = 0
    seen: npt.NDArray[Any] | None = None
    for piece in column.pieces(rows):
        missing += int(piece.is_missing.sum())
        if piece.levels is not None:
            counts = np.bincount(piece.data + 1, minlength=len(piece.levels) + 1)[1:] > 0
            seen = counts if seen is None else seen | counts
        elif seen is None or len(seen) < COUNTED:
            here = different(piece.data[~piece.is_missing])
            seen = here if seen is None else different(np.concatenate([seen, here]))
    if seen is None:
        return 0, missing
    return int(seen.sum()) if column.levels is not None else min(len(seen), COUNTED), missing


def why_not(
    column: Column,
    rows: Rows | None,
    count: int,
    distinct: int,
    missing: int,
    drop: Sequence[str],
    features: Sequence[str] | None,
) -> str:
    """Why a column is no feature; empty if it is one. Who names it in `features` has decided where possible."""
    if column.name in drop:
        return "dropped as asked"
    if features is not None and column.name not in features:
        return "not among the features asked for"
    if distinct == 0:
        return "every cell is missing"
    if column.kind is Kind.TEXT:
        return f"text: {distinct:,} different values in {count:,} rows"
    if distinct == 1 and not missing:
        return f"constant ({shown(column, 0 if rows is None else int(rows[0]))})"
    if features is not None:
        return ""
    return why_key(column, count, distinct)


def why_key(column: Column, count: int, distinct: int) -> str:
    """Whether a column numbers or names the rows."""
    if count < ID_ROWS or distinct < min(count, COUNTED):
        return ""
    if column.kind is Kind.CATEGORY:
        return "like a key: every row has its own value"
    if column.kind is Kind.NUMBER and column.original == "int64":
        if column.data[-1] - column.data[0] == len(column) - 1 and numbered(column):
            return f"like a key: it numbers the rows from {int(column.data[0])} on"
        if named_key(column.name):
            return "like a key: integers, each once, under a key's name"
    return ""


def numbered(column: Column) -> bool:
    """Whether each cell is one more than the one before."""
    first, start = column.data[0], 0
    for piece in column.pieces():
        if not (piece.data == first + np.arange(start, start + len(piece))).all():
            return False
        start += len(piece)
    return True


def named_key(name: str) -> bool:
    """Whether a name says that the column identifies rows: id, row_id, customerId, index."""
    plain = name.replace("-", "_").replace(" ", "_")
    return plain.lower() in KEYS or plain.lower().endswith("_id") or plain.endswith("Id")


def shown(column: Column, row: int) -> str:
    """A cell, as a message shows it."""
    text = repr(column.take(slice(row, row + 1)).native()[0])
    return text if len(text) <= 30 else f"{text[:27]}..."


def refuse_strays(table: Table, column: Column, hint: str = "") -> None:
    """Texts among numbers: an error with the lines."""
    if column.strays is None:
        return
    strays, what = column.strays, "dates" if column.kind is Kind.DATE else "numbers"
    cells = ", ".join(
        f"{short(text)} ({table.where(row)})" for row, text in zip(strays.rows, strays.texts, strict=True)
    )
    more = f" and {strays.count - len(strays.rows):,} more" if strays.count > len(strays.rows) else ""
    raise ArgumentError(
        f"column {column.name!r} holds {what}, but also text: {cells}{more}. Correct or empty these cells{hint}."
    )


def short(text: str) -> str:
    return repr(text) if len(text) <= 30 else f"{text[:27]!r}..."


def refuse_infinities(table: Table, column: Column, hint: str = "") -> None:
    """Infinite numbers: an error with the first one's line."""
    if column.kind is not Kind.NUMBER:
        return
    start = 0
    for piece in column.pieces():
        rows = np.flatnonzero(np.isinf(piece.data))
        if len(rows):
            raise ArgumentError(
                f"column {column.name!r} must hold finite numbers, but {table.where(start + int(rows[0]))} has "
                f"{piece.data[rows[0]]}. Correct or empty such cells{hint}."
            )
        start += len(piece)


def overview(profiles: Iterable[ColumnProfile]) -> str:
    """The columns with type and number of values, for a message: "species (category, 3), ..."."""
    lines = [f"{one.name} ({one.kind}, {one.distinct:,})" for one in profiles]
    more = f" and {len(lines) - LISTED_COLUMNS:,} more" if len(lines) > LISTED_COLUMNS else ""
    return ", ".join(lines[:LISTED_COLUMNS]) + more
