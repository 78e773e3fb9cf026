"""Small CSV files, read at once in Python: sooner than DuckDB would have started."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.data.dialect import MAX_CELL_LETTERS, Dialect, ragged, reader
from chainrule.data.first_look import FirstLook
from chainrule.data.table import Kind, Rows, Table
from chainrule.data.texts import column_of_texts
from chainrule.ir.errors import ArgumentError


def read_csv_text(look: FirstLook, dialect: Dialect, names: Sequence[str], kinds: Mapping[str, Kind]) -> Table:
    """A table out of a file whose text is all there."""
    records, lines = records_of(look, dialect, len(names))
    if not records:
        raise ArgumentError(header_only(look, names))
    cells = list(zip(*records, strict=True))
    columns = {
        name: column_of_texts(name, texts, dialect.decimal, kinds.get(name))
        for name, texts in zip(names, cells, strict=True)
    }
    return Table(columns, len(records), file=str(look.path), line_numbers=lines, notes=dialect.notes)


def header_only(look: FirstLook, names: Sequence[str]) -> str:
    return (
        f"{look.path}: rows of data were expected below the header, but there are none "
        f"(line 1 names {len(names)} column{'s'[: len(names) > 1]}, and nothing follows)."
    )


def records_of(look: FirstLook, dialect: Dialect, width: int) -> tuple[list[list[str]], Rows | None]:
    """The records below the header, and their lines if some span several or are empty."""
    source = reader(look.text, dialect)
    records: list[list[str]] = []
    lines: list[int] = []
    line = 0  # the last line of the record before
    try:
        for record in source:
            if record:
                if len(record) != width:
                    raise ArgumentError(ragged(look, dialect, f"line {line + 1}", record, width))
                records.append(record)
                lines.append(line + 1)
            line = source.line_num
    except csv.Error as error:
        raise ArgumentError(unreadable(look, line + 1, str(error))) from None
    in_order = line == len(records)
    return records[1:], None if in_order else np.array(lines[1:], np.int64)


def unreadable(look: FirstLook, line: int, error: str) -> str:
    if "unexpected end of data" in error:
        return f"{look.path}: line {line} opens a quote that is never closed. Close it, or double it inside a cell."
    if "field larger" in error:
        return (
            f"{look.path}: a cell may have up to {MAX_CELL_LETTERS:,} characters, but one of line {line} has more. "
            "Shorten it, or look for a quote that is not closed."
        )
    return f"{look.path}: line {line} cannot be read as CSV: {error}. A quote inside a quoted cell must be doubled."
