"""Files that are no tables: one line that says what was required, what came, where, and how to repair it."""

import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chainrule.data import Table, as_table, profile, read_table
from chainrule.errors import ArgumentError

SECONDS = 2.0 * 2  # the promise is 2; shared machines are given twice that


def refused(act: Callable[[], object]) -> str:
    """What ArgumentError says about it, which must come soon and be one line."""
    began = time.perf_counter()
    with pytest.raises(ArgumentError) as caught:
        act()
    assert time.perf_counter() - began < SECONDS
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes | str], Path]:
    """Writes a file, in the current folder."""
    monkeypatch.chdir(tmp_path)

    def writer(content: bytes | str, name: str = "data.csv") -> Path:
        path = Path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


Write = Callable[[bytes | str], Path]


def test_a_file_that_is_not_there_is_answered_with_names_like_it(write: Write) -> None:
    write("a,b\n1,2\n")
    assert (
        refused(lambda: read_table("dats.csv")) == "no file 'dats.csv' in the current folder. Did you mean 'data.csv'?"
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refused(lambda: read_table(tmp_path)) == f"{tmp_path} is a folder; a CSV or Parquet file was expected."


def test_a_folder_that_is_not_there_is_named() -> None:
    assert refused(lambda: read_table("/nowhere/at/all.csv")).endswith("there is no folder /nowhere/at.")


@pytest.mark.parametrize("content", ["", "\n\n", " \n", "\ufeff"])
def test_an_empty_file(write: Write, content: str) -> None:
    message = refused(lambda: read_table(write(content)))
    assert message.startswith("data.csv: a table with a header line was expected, but the file is empty (")


def test_a_header_without_rows(write: Write) -> None:
    assert refused(lambda: read_table(write("a,b\n"))) == (
        "data.csv: rows of data were expected below the header, but there are none (line 1 names 2 columns, and "
        "nothing follows)."
    )


def test_a_ragged_row_is_named_by_its_line(write: Write) -> None:
    assert refused(lambda: read_table(write('a,b\n1,2\n"x\ny",3\n4,5,6\n'))) == (
        "data.csv: every row must have the 2 cells that the header names, but line 5 has 3: '4,5,6'. Add or remove "
        "cells there, or quote those that hold a ','."
    )


def test_a_ragged_row_of_a_large_file_is_named_by_its_line(write: Write) -> None:
    assert refused(lambda: read_table(write("a,b\n" + "12,13\n" * 600_000 + "1\n"))) == (
        "data.csv: every row must have the 2 cells that the header names, but line 600002 has 1. Add or remove cells "
        "there, or quote those that hold a ','."
    )


def test_a_file_that_was_cut_off_is_ragged_in_its_last_line(write: Write) -> None:
    message = refused(lambda: read_table(write("a,b\n" + "12,13\n" * 600_000 + "12")))
    assert "but the last line has 1: '12'." in message


def test_a_quote_that_is_never_closed(write: Write) -> None:
    assert refused(lambda: read_table(write('a,b\n1,2\n3,"4\n5,6\n'))) == (
        "data.csv: line 3 opens a quote that is never closed. Close it, or double it inside a cell."
    )


def test_a_quote_that_closes_in_mid_cell(write: Write) -> None:
    assert refused(lambda: read_table(write('a,b\n1,2\n3,"4"5\n'))).startswith("data.csv: line 3 cannot be read as CSV")


def test_duplicate_names_are_named_with_their_places(write: Write) -> None:
    assert refused(lambda: read_table(write("a,b,a,c,b\n1,2,3,4,5\n"))) == (
        "data.csv: each column needs a name of its own, but columns 1, 3 are all named 'a' (and so are b). Rename or "
        "remove one in line 1."
    )


def test_numbers_instead_of_a_header(write: Write) -> None:
    assert refused(lambda: read_table(write("5.1,3.5,0\n4.9,3.0,1\n"))) == (
        "data.csv: line 1 should name the columns, but it holds numbers (5.1, 3.5, 0). Add a first line with 3 names, "
        "such as x0,x1,x2."
    )


def test_columns_named_by_numbers_are_fine(write: Write) -> None:
    assert read_table(write("0,1,2\n4.9,3.0,1\n")).names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04" + bytes(100), "a zip archive or an Excel workbook; save the sheet as CSV"),
        (b"\x1f\x8b\x08" + bytes(100), "compressed with gzip; unpack it with gunzip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"),
        (pickle.dumps({"a": [1, 2]}), "a Python pickle; write the data as CSV or Parquet"),
        (bytes(range(256)) * 40, "binary data, not text"),
        (bytes([200, 7, 3, 1, 255, 4, 1]) * 400, "it is binary (byte 0 is no text)"),
    ],
)
def test_a_binary_file_renamed_to_csv(write: Write, content: bytes, what: str) -> None:
    message = refused(lambda: read_table(write(content)))
    assert message.startswith("data.csv: a CSV or Parquet file was expected, but ")
    assert what in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named_with_the_command_that_converts_it(write: Write, encoding: str) -> None:
    message = refused(lambda: read_table(write(("name,value\n" + "red,1\n" * 50).encode(encoding))))
    name = encoding[:6].upper()
    assert message == (
        f"data.csv: UTF-8 was expected, but the file is {name}. "
        f"Convert it: iconv -f {name} -t UTF-8 data.csv > utf8.csv"
    ) or (encoding == "utf-32" and "binary" in message)


@pytest.mark.parametrize("rows", [3, 600_000])
def test_a_nul_byte_is_named_by_its_line(write: Write, rows: int) -> None:
    content = b"a,b\n" + b"12,13\n" * rows + b"1,x\0y\n"
    assert refused(lambda: read_table(write(content))) == (
        f"data.csv: text was expected, but line {rows + 2} holds a NUL byte. The file is damaged, or binary; remove "
        "such bytes (tr -d '\\000' < data.csv > clean.csv) or export it again."
    )


def test_two_hundred_thousand_columns(write: Write) -> None:
    names = ",".join(f"c{number}" for number in range(200_000))
    message = refused(lambda: read_table(write(f"{names}\n{','.join('1' * 200_000)}\n")))
    assert message.startswith("data.csv: up to 20,000 columns can be read, but line 1 has 200,000 or more.")


@pytest.mark.parametrize("line", ["1," + "7" * 8_000_000, "7" * 8_000_000 + ",1"])
def test_a_number_of_eight_megabytes(write: Write, line: str) -> None:
    message = refused(lambda: read_table(write(f"a,b\n1,2\n{line}\n")))
    assert "line 3 has more" in message


def test_a_number_of_a_hundred_and_fifty_kilobytes(write: Write) -> None:
    message = refused(lambda: read_table(write("a,b\n1,2\n1," + "7" * 150_000)))
    assert message.startswith("data.csv: a cell may have up to 100,000 characters, but one of line 3 has more.")


def test_a_first_line_of_eight_megabytes(write: Write) -> None:
    assert "it does not end within" in refused(lambda: read_table(write("7" * 8_000_000)))


def test_text_among_numbers_is_named_by_its_lines(write: Write) -> None:
    rows = [*map(str, range(100)), "about 7", "", "NA", "x"]
    table = read_table(write("id,n\n" + "".join(f"r{k % 3},{cell}\n" for k, cell in enumerate(rows))))
    assert refused(lambda: profile(table)) == (
        "column 'n' holds numbers, but also text: 'about 7' (line 102 of data.csv), 'x' (line 105 of data.csv). "
        "Correct or empty these cells, or leave the column out (--drop n)."
    )
    assert [one.used for one in profile(table, drop=["n"])] == [True, False]


def test_infinities_are_named_by_their_line(write: Write) -> None:
    table = read_table(write("n,m\n1,2\n-inf,3\n1e999,4\n"))
    assert refused(lambda: profile(table)) == (
        "column 'n' must hold finite numbers, but line 3 of data.csv has -inf. Correct or empty such "
        "cells, or leave the column out (--drop n)."
    )
    assert [one.used for one in profile(table, drop=["n"])] == [False, True]


def test_a_damaged_parquet_file(write: Write) -> None:
    assert refused(lambda: read_table(write(b"PAR1" + bytes(200)))).startswith("data.csv cannot be read as Parquet: ")


def test_an_unknown_column_is_answered_with_the_nearest_names() -> None:
    table = as_table({"species": ["a", "b"], "sex": ["m", "f"], "mass": [1, 2]})
    assert refused(lambda: table["specis"]) == "no column 'specis' in the table. Did you mean 'species'?"
    assert refused(lambda: table["zzz"]) == "no column 'zzz' in the table. Its columns: species, sex, mass."
    assert refused(lambda: profile(table, drop=["Mass"])).endswith("Did you mean 'mass'?")


@pytest.mark.parametrize("data", [3, [1, 2, 3], {"a": [1, 2], "b": [1]}, {"a": [[1, 2], [3, 4]]}, {"a": [1j, 2j]}])
def test_what_is_no_table_is_refused(data: object) -> None:
    assert refused(lambda: as_table(data)).startswith("as_table: ")


def test_a_table_is_taken_as_it_is() -> None:
    table = as_table({"a": [1, 2]})
    assert isinstance(table, Table)
    assert as_table(table) is table
