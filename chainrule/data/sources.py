"""What a source names: a file, or a data set that comes with the package."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from chainrule.data.reading import read_table
from chainrule.data.shipped import SHIPPED, digits_table, shipped_path
from chainrule.data.table import Rows, Table, concatenate, nearest
from chainrule.ir.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class Source:
    """A table and what is known about it before anybody asks."""

    table: Table
    name: str  # the file, or the shipped data set
    target: str | None = None  # a shipped data set's
    valid_rows: Rows | None = None  # parts that are fixed: given to `split`
    test_rows: Rows | None = None
    notes: tuple[str, ...] = ()


def open_source(
    source: str | PathLike[str],
    *,
    valid: str | PathLike[str] | None = None,
    test: str | PathLike[str] | None = None,
) -> Source:
    """The table of a file or of a shipped data set, with files for validation and test below its rows.

    A file comes before a shipped data set of its name, and a note says so.

    >>> found = open_source("penguins")
    >>> found.table.rows, found.target
    (344, 'species')
    """
    found = opened(source)
    table = found.table
    given: list[Rows | None] = []
    for other in (valid, test):
        if other is None:
            given.append(None)
            continue
        more = read_table(other, like=found.table)
        given.append(np.arange(table.rows, table.rows + more.rows))
        table = concatenate([table, more])
    fixed = valid is None and test is None
    return Source(
        table,
        found.name,
        found.target,
        found.valid_rows if fixed else given[0],
        found.test_rows if fixed else given[1],
        (*found.notes, *found.table.notes),
    )


def opened(source: str | PathLike[str]) -> Source:
    path, name = Path(source), str(source)
    if name not in SHIPPED:
        if not path.exists() and path.parent == Path() and not path.suffix and nearest(name, SHIPPED):
            raise ArgumentError(
                f"no file {name!r} in the current folder, and no data set of this name comes with chainrule. "
                f"Did you mean {nearest(name, SHIPPED)}?"
            )
        return Source(read_table(path), name)
    if path.is_file():
        note = f"{name} is a file here, which is taken; the data set of this name: chainrule data {name} --out FILE"
        return Source(read_table(path), name, notes=(note,))
    shipped = SHIPPED[name]
    if shipped.target is None:
        raise ArgumentError(f"{name} is a text, and a table was expected. Tables that come along: digits, penguins.")
    if name == "digits":
        table, valid_rows, test_rows = digits_table()
        return Source(table, name, shipped.target, valid_rows, test_rows)
    return Source(read_table(shipped_path(name)), name, shipped.target)
