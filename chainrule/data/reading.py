"""Tables out of files: CSV in any common dialect, Parquet, of any size."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from chainrule.data import database
from chainrule.data.csv_text import read_csv_text
from chainrule.data.dialect import dialect_of, header_of
from chainrule.data.first_look import FirstLook, all_of, first_look
from chainrule.data.space import Space, budget_bytes
from chainrule.data.table import Kind, Table

PARQUET_GROWTH = 12  # times the file's bytes: what its database and its arrays take together
CELL_BYTES = 16  # the same of a cell of a CSV file, besides the file's bytes
SMALL_BYTES = 1 << 21  # up to here Python reads a file sooner than DuckDB is imported and started,
WIDE_BYTES, WIDE_COLUMNS = 1 << 28, 1000  # and up to here one of so many columns, each of which costs DuckDB queries


def read_table(
    path: str | PathLike[str],
    *,
    like: Table | Mapping[str, Kind] | None = None,
    memory_bytes: int | None = None,
) -> Table:
    """Read a CSV file (separator, quotes, decimal commas, encoding are found) or a Parquet file.

    The first line names the columns. Empty cells, NA, N/A, null, NaN, ? and - are missing. `like`: another table (or
    the kinds of its columns) whose kinds hold here too, so that a column of codes stays one of texts. A table that
    would take more than `memory_bytes` (default: half of the memory that is free) is kept in temporary files.

    Raises ArgumentError, in one line, for whatever is no table: what was expected, what came, where, how to repair it.

    >>> from chainrule.data import shipped_path
    >>> read_table(shipped_path("penguins"))["species"].levels.tolist()
    ['Adelie', 'Chinstrap', 'Gentoo']
    """
    kinds = {column.name: column.kind for column in like} if isinstance(like, Table) else dict(like or {})
    look = first_look(Path(path))
    budget = budget_bytes(memory_bytes)
    if look.parquet:
        space = Space(budget, look.size_bytes * PARQUET_GROWTH > budget)
        parquet: Table = database.read_parquet(look, space)
        return parquet
    dialect = dialect_of(look)
    names, header_lines = header_of(look, dialect)
    if look.size_bytes <= (WIDE_BYTES if len(names) > WIDE_COLUMNS else SMALL_BYTES):
        return read_csv_text(all_of(look), dialect, names, kinds)
    space = Space(budget, expected_bytes(look, len(names)) > budget)
    large: Table = database.read_csv_database(database.CsvFile(look, dialect, names, header_lines, kinds), space)
    return large


def expected_bytes(look: FirstLook, columns: int) -> int:
    """What the database and the arrays of a CSV file will take, by the length of its first lines."""
    rows = look.size_bytes * max(1, look.text.count("\n")) // max(1, len(look.text))
    return look.size_bytes + rows * columns * CELL_BYTES
