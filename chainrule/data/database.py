"""Large CSV files, and Parquet, through DuckDB."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.data.columns import column_of
from chainrule.data.dialect import Dialect
from chainrule.data.first_look import FirstLook
from chainrule.data.table import Kind, Table
from chainrule.data.texts import column_of_texts
from chainrule.ir.errors import ArgumentError


def read_parquet(look: FirstLook) -> Table:
    """A table out of a Parquet file, its columns in the types that it states."""
    import duckdb

    with duckdb.connect() as database:
        try:
            found = database.execute(f"select * from read_parquet({quoted(str(look.path))})").fetchnumpy()
        except duckdb.Error as error:
            raise ArgumentError(f"{look.path} cannot be read as Parquet: {first_line(error)}.") from None
    columns = {name: column_of(name, filled(values)) for name, values in found.items()}
    rows = len(next(iter(columns.values())))
    if not rows:
        raise ArgumentError(f"{look.path}: rows of data were expected, but the Parquet file has none.")
    return Table(columns, rows, file=str(look.path))


def read_csv_database(look: FirstLook, dialect: Dialect, names: Sequence[str], kinds: Mapping[str, Kind]) -> Table:
    """A table out of a CSV file of any size."""
    import duckdb

    types = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    source = (
        f"read_csv({quoted(str(look.path))}, auto_detect=false, header=true, delim={quoted(dialect.separator)}, "
        f"quote={quoted(dialect.quote)}, escape={quoted(dialect.quote)}, encoding={quoted(look.encoding)}, "
        f"columns={{{types}}})"
    )
    with duckdb.connect() as database:
        try:
            found = database.execute(f"select * from {source}").fetchnumpy()
        except duckdb.Error as error:
            raise ArgumentError(f"{look.path} cannot be read as CSV: {first_line(error)}.") from None
    columns = {
        name: column_of_texts(name, filled(values, "").tolist(), dialect.decimal, kinds.get(name))
        for name, values in zip(names, found.values(), strict=True)
    }
    return Table(columns, len(columns[names[0]]), file=str(look.path), notes=dialect.notes)


def filled(values: Any, empty: Any = None) -> Any:
    """DuckDB's masked array as a plain one: missing integers make it float64 or objects."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not values.mask.any():
        return values.data
    if values.dtype.kind == "f":
        return values.filled(np.nan)
    if values.dtype.kind == "M":
        return values.filled(np.datetime64("NaT"))
    plain = values.data.astype(object)
    plain[values.mask] = empty
    return plain


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """What DuckDB said, in one line."""
    return re.sub(r"\s+", " ", str(error).partition("\n")[0]).strip().rstrip(".")
