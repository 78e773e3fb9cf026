"""Files loaded into a database, in memory or on disk, and refused where DuckDB cannot read them."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from csv import Error as CsvError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.data.database.columns import Loaded, plan_of, quoted, table_of, within
from chainrule.data.dialect import MAX_CELL_LETTERS, Dialect, first_records, ragged, reader
from chainrule.data.first_look import FirstLook, nul_byte
from chainrule.data.space import Space
from chainrule.data.table import Kind, Table
from chainrule.data.texts import MISSING, kind_of_sample
from chainrule.ir.errors import ArgumentError

QUIET = "set enable_progress_bar = false"  # it would be printed over what a run prints
COPY_BYTES = 1 << 24
LEAST_MEMORY_BYTES = 1 << 27  # below this DuckDB does not load a file
SCANNED_BYTES = 1 << 33  # larger files are not looked at byte by byte
MAX_LINE_BYTES = 1 << 21


@dataclass(frozen=True)
class CsvFile:
    """A CSV file and how to read it."""

    look: FirstLook
    dialect: Dialect
    names: Sequence[str]
    header_lines: int  # up to the header's end
    kinds: Mapping[str, Kind]


def read_csv_database(csv: CsvFile, space: Space) -> Table:
    """A table out of a CSV file of any size, its arrays on disk where they would not fit."""
    import duckdb

    sample, seen = sample_of_columns(csv), scan(csv.look)
    refuse_cut_off(csv)
    numbers = [place for place, (kind, _) in enumerate(sample) if kind is Kind.NUMBER]
    with opened(space) as database:
        try:
            if csv.look.encoding != "utf-8":
                load_mended(database, csv)
            else:
                load_csv(database, csv, () if seen and seen.underscored else numbers, csv.look.path)
        except duckdb.ConversionException:  # texts among the numbers: which ones is found out from texts
            load_texts(database, csv)
        except duckdb.Error as error:
            mended_or_refused(database, csv, error)
        loaded = Loaded(database, csv.dialect.decimal, space)
        refuse_no_rows(loaded, csv)
        plans = [plan_of(loaded, place, *sample[place], csv.kinds.get(name)) for place, name in enumerate(csv.names)]
        each_row_a_line = seen is not None and csv.header_lines == 1 and seen.lines == loaded.rows + 1
        return table_of(loaded, csv.names, plans, str(csv.look.path), csv.dialect.notes, each_row_a_line)


def read_parquet(look: FirstLook, space: Space) -> Table:
    """A table out of a Parquet file, its columns in the types that it states."""
    import duckdb

    with opened(space) as database:
        try:
            source = f"read_parquet({quoted_path(look.path)})"
            described = database.execute(f"describe select * from {source}").fetchall()
            names, stated = [row[0] for row in described], [row[1] for row in described]
            casts = [f"{cast_of(*one)} as {within(k)}" for k, one in enumerate(zip(names, stated, strict=True))]
            database.execute(f"create table cells as select {', '.join(casts)} from {source}")
        except duckdb.Error as error:
            raise ArgumentError(f"{look.path} cannot be read as Parquet: {first_line(error)}.") from None
        loaded = Loaded(database, ".", space)
        if not loaded.rows:
            raise ArgumentError(f"{look.path}: rows of data were expected, but the Parquet file has none.")
        plans = [plan_of(loaded, place, None, "INT" in kind, None) for place, kind in enumerate(stated)]
        return table_of(loaded, names, plans, str(look.path), (), False)


@contextlib.contextmanager
def opened(space: Space) -> Iterator[Any]:
    """A database: in memory, or in a temporary folder and within the space's memory."""
    import duckdb

    if not space.on_disk:
        with duckdb.connect() as database:
            database.execute(QUIET)
            yield database
        return
    with tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True) as folder:
        settings: dict[str, Any] = {
            "memory_limit": f"{max(space.memory_bytes // 2, LEAST_MEMORY_BYTES)}B",
            "temp_directory": str(Path(folder) / "spilled"),
        }
        with duckdb.connect(Path(folder) / "cells.duckdb", config=settings) as database:
            database.execute(QUIET)
            yield database


def sample_of_columns(csv: CsvFile) -> list[tuple[Kind, bool]]:
    """The kind of each column, and whether it is of integers, judged by the first records."""
    records = [one for one in first_records(csv.look, csv.dialect)[1:] if len(one) == len(csv.names)]
    found = []
    for place, name in enumerate(csv.names):
        kind, integers = kind_of_sample([one[place] for one in records], csv.dialect.decimal)
        found.append((csv.kinds.get(name, kind), integers))
    return found


def load_csv(database: Any, csv: CsvFile, numbers: Collection[int], path: Path) -> None:
    """Make the table `cells` of a CSV file, columns of numbers as DOUBLE and the others as they are written."""
    kinds = ["DOUBLE" if place in numbers else "VARCHAR" for place in range(len(csv.names))]
    types = ", ".join(f"{within(place)}: '{kind}'" for place, kind in enumerate(kinds))
    options = {
        "auto_detect": "false",
        "header": "false",
        "skip": str(csv.header_lines),
        "delim": quoted(csv.dialect.separator),
        "quote": quoted(csv.dialect.quote),
        "escape": quoted(csv.dialect.quote),
        "decimal_separator": quoted(csv.dialect.decimal),
        "nullstr": f"[{', '.join(map(quoted, MISSING))}]",
        "max_line_size": str(MAX_LINE_BYTES),
        "columns": f"{{{types}}}",
    }
    settings = ", ".join(f"{name}={value}" for name, value in options.items())
    database.execute(f"create or replace table cells as select * from read_csv({quoted_path(path)}, {settings})")


def load_texts(database: Any, csv: CsvFile) -> None:
    """The same with every column as it is written."""
    import duckdb

    try:
        load_csv(database, csv, (), csv.look.path)
    except duckdb.Error as error:
        mended_or_refused(database, csv, error)


def mended_or_refused(database: Any, csv: CsvFile, error: Exception) -> None:
    """Lines that end in different ways may be DuckDB's only complaint about a good file."""
    import duckdb

    if "invalid state" not in str(error):
        raise ArgumentError(csv_message(csv, error)) from None
    try:
        load_mended(database, csv)
    except duckdb.Error as second:
        raise ArgumentError(csv_message(csv, second)) from None


def load_mended(database: Any, csv: CsvFile) -> None:
    """The same from a copy in UTF-8, whose lines end in one way."""
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        path = Path(folder) / "mended.csv"
        with (
            csv.look.path.open(encoding=csv.look.encoding, errors="replace") as old,  # any end of a line becomes \n
            path.open("w", encoding="utf-8", newline="\n") as new,
        ):
            shutil.copyfileobj(old, new, COPY_BYTES)
        load_csv(database, csv, (), path)


def refuse_cut_off(csv: CsvFile) -> None:
    """A last line without its end may lack cells, as of a file that was cut off: DuckDB would fill them."""
    with csv.look.path.open("rb") as file:
        file.seek(max(0, csv.look.size_bytes - MAX_LINE_BYTES))
        last = file.read().rpartition(b"\n")[2].decode(csv.look.encoding, "replace")
    if not last.strip() or last.count(csv.dialect.quote) % 2:  # whole, or within a cell that spans lines
        return
    records: list[list[str]] = []
    with contextlib.suppress(CsvError):
        records.extend(filter(None, reader(last, csv.dialect)))
    if records and len(records[-1]) != len(csv.names):
        raise ArgumentError(ragged(csv.look, csv.dialect, "the last line", records[-1], len(csv.names)))


def csv_message(csv: CsvFile, error: Exception) -> str:
    """What DuckDB says about a CSV file, in this package's words and one line."""
    said, place = str(error), csv.look.path
    found = re.search(r"Line: (\d+)", said)
    line = f"line {found.group(1)}" if found else "a line"
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", said)
    if counts:
        return (
            f"{place}: every row must have the {counts.group(1)} cells that the header names, but {line} has "
            f"{counts.group(2)}. Add or remove cells there, or quote those that hold a {csv.dialect.separator!r}."
        )
    if "unterminated quote" in said:
        return f"{place}: {line} opens a quote that is not closed, or closes one in mid-cell. Double it inside a cell."
    if "aximum line size" in said:
        return (
            f"{place}: a line may have up to {MAX_LINE_BYTES:,} bytes, and a cell {MAX_CELL_LETTERS:,} characters, but "
            f"{line} has more. Shorten it, or look for a quote that is not closed."
        )
    if "unicode" in said:
        return f"{place}: UTF-8 was expected, but {line} holds bytes that are none. Convert the file with iconv."
    return f"{place} cannot be read as CSV: {first_line(error)}."


def refuse_no_rows(loaded: Loaded, csv: CsvFile) -> None:
    if not loaded.rows:
        raise ArgumentError(f"{csv.look.path}: rows of data were expected below the header, but there are none.")


@dataclass(frozen=True)
class Scan:
    """What a look at every byte found."""

    lines: int
    underscored: bool  # digits stand around a _, which DuckDB reads as one number


def scan(look: FirstLook) -> Scan | None:
    """Look at every byte, which is soon done; None of a file where it is not."""
    if look.size_bytes > SCANNED_BYTES:
        return None
    lines, last, underscored = 0, b"\n", False
    with look.path.open("rb") as file:
        while block := file.read(COPY_BYTES):
            if b"\0" in block:
                raise ArgumentError(nul_byte(look.path, lines + block.count(b"\n", 0, block.index(b"\0")) + 1))
            underscored = underscored or (b"_" in block and re.search(rb"\d_\d", block) is not None)
            lines, last = lines + block.count(b"\n"), block[-1:]
    return Scan(lines + (last != b"\n"), underscored)


def cast_of(name: str, stated: str) -> str:
    """A column of Parquet's as one of the four types that are fetched."""
    column = '"' + name.replace('"', '""') + '"'
    if re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|FLOAT$|DOUBLE$|DECIMAL", stated):
        return f"cast({column} as double)"
    if stated == "BOOLEAN":
        return column
    if stated == "DATE" or stated.startswith("TIMESTAMP"):
        return f"cast({column} as timestamp)"
    return f"cast({column} as varchar)"


def quoted_path(path: Path) -> str:
    """A file's name in SQL, where stars, question marks and brackets stand for themselves."""
    return quoted(re.sub(r"[*?\[]", r"[\g<0>]", str(path.absolute())))


def first_line(error: Exception) -> str:
    """What DuckDB said, in one line."""
    return re.sub(r"\s+", " ", str(error).partition("\n")[0]).strip().rstrip(".")
