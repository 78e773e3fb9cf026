"""What is to be learnt: classes or a number, guessed from the target column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from chainrule.data.profiling import counts_of, overview, profile, refuse_infinities, refuse_strays
from chainrule.data.table import Column, Kind, Table, places_of, unknown_column
from chainrule.ir.errors import ArgumentError

CLASSES, ROWS_PER_CLASS = 20, 10  # integers are classes if there are at most so many, each in so many rows
TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Task:
    """Classification or regression, why, and the option that changes it."""

    kind: Literal["classification", "regression"]
    reason: str
    flag: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason} ({self.flag} changes this)"


def target_of(table: Table, name: str | None) -> Column:
    """The target column, whole and usable; ArgumentError lists the columns where none, or an unknown one, is named."""
    if name is None:
        raise ArgumentError(
            f"a target is required (--target COLUMN). The columns of {table.place}: {overview(profile(table))}."
        )
    if name not in table:
        raise ArgumentError(unknown_column(name, table.names, table.place))
    column = table[name]
    refuse_strays(table, column)
    refuse_infinities(table, column)
    distinct, missing = counts_of(column)
    if distinct == 0:
        raise ArgumentError(
            f"the target {name!r} has no value: all of its {missing:,} cells in {table.place} are missing."
        )
    if distinct == 1:
        value = column.take(np.flatnonzero(~column.is_missing)[:1]).native()[0]
        raise ArgumentError(
            f"the target {name!r} must have at least two different values, but every row of {table.place} has "
            f"{value!r}: there is nothing to learn. Name another column with --target."
        )
    return column


def guess_task(column: Column, asked: str | None = None) -> Task:
    """Classification for text, bools, and integers of few values; else regression. `asked` decides by itself.

    >>> from chainrule.data import as_table
    >>> print(guess_task(as_table({"y": ["a", "b", "a"]})["y"]))
    classification: y holds 2 categories (--task regression changes this)
    """
    if asked is not None and asked not in TASKS:
        raise ArgumentError(f"task must be 'classification' or 'regression', got {asked!r}.")
    kind, reason = guessed(column)
    if asked is not None:
        kind, reason = asked, "as asked"
    refuse_impossible(column, kind)
    other = TASKS[1 - TASKS.index(kind)]
    return Task("classification" if kind == "classification" else "regression", reason, f"--task {other}")


def guessed(column: Column) -> tuple[str, str]:
    """The task that a column's values suggest, and why."""
    distinct, _ = counts_of(column)
    if column.kind in {Kind.CATEGORY, Kind.TEXT}:
        return "classification", f"{column.name} holds {distinct:,} categories"
    if column.kind is Kind.BOOL:
        return "classification", f"{column.name} is {column.words[1]} or {column.words[0]}"
    if column.kind is Kind.DATE:
        return "regression", f"{column.name} holds dates"
    values, _, counts = places_of(column.data[~column.is_missing])
    if (values % 1 != 0).any():
        return "regression", f"{column.name} holds numbers with fractions"
    if distinct > CLASSES:
        return "regression", f"{column.name} holds {distinct:,} different integers, more than {CLASSES}"
    if counts.min() < ROWS_PER_CLASS:
        rare = int(values[counts.argmin()])
        return "regression", f"{column.name} holds integers, of which {rare} occurs only {times(int(counts.min()))}"
    return "classification", f"{column.name} holds {distinct} different integers, each at least {ROWS_PER_CLASS} times"


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def refuse_impossible(column: Column, kind: str) -> None:
    """A task that the column's values do not allow."""
    distinct, missing = counts_of(column)
    rows = len(column) - missing
    if kind == "regression" and column.kind not in {Kind.NUMBER, Kind.BOOL}:
        example = column.take(np.flatnonzero(~column.is_missing)[:1]).native()[0]
        raise ArgumentError(
            f"regression needs a target of numbers, but {column.name!r} holds {column.kind} ({example!r} in "
            "its first row). Use --task classification, or name another column with --target."
        )
    if kind == "classification" and (column.kind is Kind.TEXT or distinct > max(2, rows / 2)):
        raise ArgumentError(
            f"classification needs classes that occur several times, but {column.name!r} has {distinct:,} different "
            f"values in {rows:,} rows. Name another column with --target, or use --task regression if it holds numbers."
        )
