"""Tables out of files: CSV in any common dialect, Parquet, of any size."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from chainrule.data.csv_text import read_csv_text
from chainrule.data.database import read_csv_database, read_parquet
from chainrule.data.dialect import dialect_of, header_of
from chainrule.data.first_look import first_look
from chainrule.data.table import Kind, Table

SMALL_BYTES = 1 << 21  # up to here Python reads a file sooner than DuckDB is imported and started


def read_table(path: str | PathLike[str], *, like: Table | Mapping[str, Kind] | None = None) -> Table:
    """Read a CSV file (separator, quotes, decimal commas, encoding are found) or a Parquet file.

    The first line names the columns. Empty cells, NA, N/A, null, NaN, ? and - are missing. `like`: another table (or
    the kinds of its columns) whose kinds hold here too, so that a column of codes stays one of texts.

    Raises ArgumentError, in one line, for whatever is no table: what was expected, what came, where, how to repair it.

    >>> from chainrule.data import shipped_path
    >>> read_table(shipped_path("penguins"))["species"].levels.tolist()
    ['Adelie', 'Chinstrap', 'Gentoo']
    """
    kinds = {column.name: column.kind for column in like} if isinstance(like, Table) else dict(like or {})
    look = first_look(Path(path))
    if look.parquet:
        return read_parquet(look)
    dialect = dialect_of(look)
    names = header_of(look, dialect)
    if look.whole and look.size_bytes <= SMALL_BYTES:
        return read_csv_text(look, dialect, names, kinds)
    return read_csv_database(look, dialect, names, kinds)
