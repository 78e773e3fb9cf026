"""Which columns are used, and why the others are not: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind, Rows, Table, unknown_column
from chainrule.ir.errors import ArgumentError

ID_ROWS = 20  # from so many rows on, a column of its own value in every row is a key
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
    part = column if rows is None else column.take(rows)
    distinct, missing = counts_of(part)
    reason = why_not(table, column, part, distinct, drop, features)
    if not reason:
        refuse_strays(table, column)
        refuse_infinities(table, column)
    return ColumnProfile(
        column.name, column.kind, distinct, missing, not reason, reason or described(column.kind, distinct, missing)
    )


def described(kind: Kind, distinct: int, missing: int) -> str:
    """ "category, 3 values, 2 missing"."""
    return f"{kind}, {distinct:,} value{'s' if distinct != 1 else ''}{f', {missing:,} missing' if missing else ''}"


def counts_of(column: Column) -> tuple[int, int]:
    """How many different values a column has, and how many cells are missing."""
    missing = int(column.is_missing.sum())
    if column.levels is not None:
        seen = np.bincount(column.data + 1, minlength=len(column.levels) + 1)[1:]
        return int((seen > 0).sum()), missing
    return len(np.unique(column.data)) - (missing > 0), missing


def why_not(
    table: Table,
    column: Column,
    part: Column,
    distinct: int,
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
        return f"text: {distinct:,} different values in {len(part):,} rows"
    if distinct == 1 and not part.is_missing.any():
        return f"constant ({shown(part)})"
    if features is not None:
        return ""
    return why_key(column, part, distinct)


def why_key(column: Column, part: Column, distinct: int) -> str:
    """Whether a column numbers or names the rows."""
    if len(part) < ID_ROWS or distinct < len(part):
        return ""
    if column.kind is Kind.CATEGORY:
        return "like a key: every row has its own value"
    if column.kind is Kind.NUMBER and column.original == "int64":
        steps = np.diff(column.data)
        if len(steps) and (steps == 1).all():
            return f"like a key: it numbers the rows from {int(column.data[0])} on"
        if named_key(column.name):
            return "like a key: integers, each once, under a key's name"
    return ""


def named_key(name: str) -> bool:
    """Whether a name says that the column identifies rows: id, row_id, customerId, index."""
    plain = name.replace("-", "_").replace(" ", "_")
    return (
        plain.lower() in {"id", "index", "key", "uuid", "guid"} or plain.lower().endswith("_id") or plain.endswith("Id")
    )


def shown(column: Column) -> str:
    """The one value of a constant column."""
    text = repr(column.take(slice(0, 1)).native()[0])
    return text if len(text) <= 30 else f"{text[:27]}..."


def refuse_strays(table: Table, column: Column) -> None:
    """Texts among numbers: an error with the lines."""
    if column.strays is None:
        return
    strays, what = column.strays, "dates" if column.kind is Kind.DATE else "numbers"
    cells = ", ".join(
        f"{short(text)} ({table.where(row)})" for row, text in zip(strays.rows, strays.texts, strict=True)
    )
    more = f" and {strays.count - len(strays.rows):,} more" if strays.count > len(strays.rows) else ""
    raise ArgumentError(
        f"column {column.name!r} holds {what}, but also text: {cells}{more}. "
        f"Correct or empty these cells, or leave the column out (--drop {column.name})."
    )


def short(text: str) -> str:
    return repr(text) if len(text) <= 30 else f"{text[:27]!r}..."


def refuse_infinities(table: Table, column: Column) -> None:
    """Infinite numbers: an error with the first one's line."""
    if column.kind is not Kind.NUMBER:
        return
    rows = np.flatnonzero(np.isinf(column.data))
    if len(rows):
        raise ArgumentError(
            f"column {column.name!r} must hold finite numbers, but {table.where(int(rows[0]))} has "
            f"{column.data[rows[0]]}{f' (and {len(rows) - 1:,} more cells)' if len(rows) > 1 else ''}. "
            f"Correct or empty such cells, or leave the column out (--drop {column.name})."
        )


def overview(profiles: Iterable[ColumnProfile]) -> str:
    """The columns with type and number of values, for a message: "species (category, 3), ..."."""
    lines = [f"{one.name} ({one.kind}, {one.distinct:,})" for one in profiles]
    more = f" and {len(lines) - LISTED_COLUMNS:,} more" if len(lines) > LISTED_COLUMNS else ""
    return ", ".join(lines[:LISTED_COLUMNS]) + more
