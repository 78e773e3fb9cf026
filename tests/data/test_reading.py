"""Tables out of files: types, missing cells, dialects; both readers of CSV give the same."""

import csv
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from chainrule.data import Kind, Table, read_table
from chainrule.data.csv_text import read_csv_text
from chainrule.data.database.files import CsvFile, read_csv_database
from chainrule.data.dialect import dialect_of, header_of
from chainrule.data.first_look import first_look
from chainrule.data.space import Space

IN_MEMORY, ON_DISK = Space(1 << 28), Space(1 << 28, on_disk=True)
Reader = Callable[[Path], Table]


def by_python(path: Path) -> Table:
    look = first_look(path)
    dialect = dialect_of(look)
    return read_csv_text(look, dialect, header_of(look, dialect)[0], {})


def by_database(path: Path, space: Space = IN_MEMORY) -> Table:
    look = first_look(path)
    dialect = dialect_of(look)
    return read_csv_database(CsvFile(look, dialect, *header_of(look, dialect), {}), space)


def by_database_on_disk(path: Path) -> Table:
    return by_database(path, ON_DISK)


@pytest.fixture(params=[by_python, by_database])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str | bytes], Table]:
    """Reads what a file would hold, in each of the ways."""

    def reader(content: str | bytes) -> Table:
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return request.param(path)  # type: ignore[no-any-return]

    return reader


Read = Callable[[str | bytes], Table]


def one(table: Table, name: str = "x") -> tuple[Kind, str, list[Any]]:
    """A column's kind, original type and cells."""
    return table[name].kind, table[name].original, table[name].native()


def column(*cells: str) -> str:
    """A file with a column x, and another beside it, for lines without a separator are no table."""
    return "x,other\n" + "".join(f"{cell},1\n" for cell in cells)


@pytest.mark.parametrize("marker", ["", "NA", "N/A", "null", "NULL", "NaN", "?", "-", " NA ", '""', '"NA"'])
def test_markers_of_missing_cells(read: Read, marker: str) -> None:
    assert one(read(column("1", marker, "3"))) == (Kind.NUMBER, "int64", [1, None, 3])
    assert one(read(column("a", marker, "b"))) == (Kind.CATEGORY, "str", ["a", None, "b"])


def test_numbers(read: Read) -> None:
    assert one(read(column("1.5", "-.25", "+3", "4.", "1e3", " 7 "))) == (
        Kind.NUMBER,
        "float64",
        [1.5, -0.25, 3.0, 4.0, 1000.0, 7.0],
    )


def test_integers_that_are_written_with_a_point_are_floats(read: Read) -> None:
    assert one(read(column("1.0", "2.0")))[1] == "float64"


@pytest.mark.parametrize(
    ("words", "original", "cells"),
    [
        (("true", "false"), "bool", [True, False]),
        (("TRUE", "False"), "bool", [True, False]),
        (("yes", "no"), "str", ["yes", "no"]),
        (("No", "YES"), "str", ["No", "YES"]),
    ],
)
def test_words_for_true_and_false(read: Read, words: tuple[str, str], original: str, cells: list[Any]) -> None:
    assert one(read(column(*words, "NA"))) == (Kind.BOOL, original, [*cells, None])


def test_a_pair_of_other_words_is_a_category(read: Read) -> None:
    assert one(read(column("yes", "false", "yes")))[0] is Kind.CATEGORY


@pytest.mark.parametrize(
    "written",
    ["2024-05-17", "2024/05/17", "17.05.2024", "05/17/2024", "17/05/2024", "2024-05-17T00:00:00Z", "2024-05-17 00:00"],
)
def test_dates(read: Read, written: str) -> None:
    table = read(column(written, "", written))
    assert (table["x"].kind, table["x"].original) == (Kind.DATE, "date")
    assert table["x"].data.tolist() == [np.datetime64("2024-05-17", "us").item(), None, table["x"].data[2].item()]


def test_times_are_kept_to_the_microsecond_and_brought_to_utc(read: Read) -> None:
    table = read(column("2024-05-17 10:30:00.25", "2024-05-17T10:30:00+02:00"))
    assert table["x"].data.astype(str).tolist() == ["2024-05-17T10:30:00.250000", "2024-05-17T08:30:00.000000"]


def test_a_day_that_does_not_exist_is_no_date(read: Read) -> None:
    assert read(column("2024-02-31", "red"))["x"].kind is Kind.CATEGORY


def test_a_column_without_any_cell(read: Read) -> None:
    assert one(read(column("NA", "", "?")))[2] == [None, None, None]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(read: Read, separator: str) -> None:
    table = read(f'a{separator}b\n1{separator}x\n2{separator}"y{separator} z"\n')
    assert (table["a"].native(), table["b"].native()) == ([1, 2], ["x", f"y{separator} z"])


def test_decimal_commas_are_found(read: Read) -> None:
    table = read("a;b\n1,5;x\n-2,25;y\n3;z\n")
    assert table["a"].native() == [1.5, -2.25, 3.0]
    assert table.notes == ("cells are separated by a semicolon", "numbers have a decimal comma")


def test_decimal_commas_in_quotes_between_commas_are_found(read: Read) -> None:
    assert read('a,b\n"1,5",x\n"2,25",y\n')["a"].native() == [1.5, 2.25]


def test_single_quotes_are_found(read: Read) -> None:
    assert read("a,b\n'x, y',1\n'it''s',2\n")["a"].native() == ["x, y", "it's"]


def test_quoted_cells_may_hold_separators_newlines_and_quotes(read: Read) -> None:
    assert read('a,b\n"x,\ny",1\n"say ""no""",2\n')["a"].native() == ["x,\ny", 'say "no"']


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(read: Read, newline: str) -> None:
    assert read(newline.join(["a,b", "1,2", "3,4"]))["b"].native() == [2, 4]


def test_lines_may_end_in_different_ways(read: Read) -> None:
    assert read("a,b\r\n1,2\n3,4\r\n5,6\n")["b"].native() == [2, 4, 6]


def test_columns_may_have_any_names(read: Read) -> None:
    table = read('a,A,rowid,x0,"b ""q""",select\n1,2,3,4,5,6\n7,8,9,10,11,12\n')
    assert table.names == ("a", "A", "rowid", "x0", 'b "q"', "select")
    assert [column.native()[1] for column in table] == [7, 8, 9, 10, 11, 12]


def test_empty_lines_are_no_rows(read: Read) -> None:
    assert read("\na,b\n\n1,2\n\n\n3,4\n\n")["b"].native() == [2, 4]


def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Read) -> None:
    assert read("\ufeffa,b\n1,2\n").names == ("a", "b")


def test_windows_1252_is_read(read: Read) -> None:
    table = read("größe,b\nüber,5 €\nunter,3 €\n".encode("cp1252"))
    assert (table["größe"].native(), table["b"].native()) == (["über", "unter"], ["5 €", "3 €"])


def test_a_number_with_an_underscore_is_none(read: Read) -> None:
    strays = read(column(*["12"] * 50, "1_000"))["x"].strays
    assert strays is not None
    assert strays.texts == ("1_000",)


def test_a_column_without_a_name_gets_one(read: Read) -> None:
    assert read(",b\n0,2\n1,3\n").names == ("column_1", "b")


def test_numbers_with_few_texts_among_them_stay_numbers_and_say_where(read: Read) -> None:
    table = read(column(*map(str, range(50)), "about 7", "x"))
    strays = table["x"].strays
    assert table["x"].kind is Kind.NUMBER
    assert strays is not None
    assert (strays.rows, strays.texts, strays.count) == ((50, 51), ("about 7", "x"), 2)
    assert table.where(50).startswith("line 52 of ")
    assert np.isnan(table["x"].data[50:]).all()


def test_texts_with_some_numbers_among_them_are_categories(read: Read) -> None:
    assert one(read(column("1", "2", "three"))) == (Kind.CATEGORY, "str", ["1", "2", "three"])


def test_text_after_the_sample_is_found(read: Read) -> None:
    table = read("x,other\n" + "1,2\n" * 5000 + "one,3\n")
    strays = table["x"].strays
    assert strays is not None
    assert (strays.rows, strays.texts) == ((5000,), ("one",))


def test_words_of_which_each_row_has_its_own_are_text(read: Read) -> None:
    assert read(column(*[f"name {number}" for number in range(30)]))["x"].kind is Kind.TEXT


@dataclass
class Written:
    """A random file and the cells that it should give."""

    text: str
    cells: dict[str, list[Any]]


def random_file(seed: int) -> Written:
    """Columns of random kinds, with missing cells, quotes and separators wherever they may stand."""
    rng = random.Random(seed)
    rows, separator = rng.randint(3, 40), rng.choice(",;\t|")
    makers: list[Callable[[], tuple[str, Any]]] = [
        lambda: (str(n := rng.randint(-999, 999)), n),
        lambda: (f"{(v := rng.randint(-(10**6), 10**6) / 1000)!r}", v),
        lambda: (w := rng.choice(["red", "a,b", 'say "x"', "semi;colon", "two\nlines", "tab\there", "é ü", "p|q"]), w),
    ]
    cells: dict[str, list[Any]] = {}
    texts: list[list[str]] = []
    for number in range(rng.randint(2, 6)):
        maker = rng.choice(makers)
        made = [("", None) if rng.random() < 0.1 else maker() for _ in range(rows)]
        texts.append([rng.choice(["", "NA", "?"]) if value is None else text for text, value in made])
        cells[f"c{number}"] = [value for _, value in made]
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=separator,
        quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        lineterminator=rng.choice(["\n", "\r\n"]),
    )
    writer.writerow(cells)
    writer.writerows(zip(*texts, strict=True))
    return Written(out.getvalue(), cells)


@pytest.mark.parametrize(("way", "seeds"), [(by_python, range(200)), (by_database, range(200, 220))])
def test_random_files_come_back(tmp_path: Path, way: Reader, seeds: range) -> None:
    for seed in seeds:
        written = random_file(seed)
        path = tmp_path / "data.csv"
        path.write_text(written.text, encoding="utf-8", newline="")
        table = way(path)
        for name, cells in written.cells.items():
            assert table[name].native() == cells, f"seed {seed}, column {name}"


def test_both_readers_give_the_same_of_the_penguins() -> None:
    path = Path("chainrule/data/penguins/penguins.csv")
    first, second, third = by_python(path), by_database(path), by_database_on_disk(path)
    for other in (second, third):
        for name in first.names:
            assert first[name].kind is other[name].kind
            assert first[name].original == other[name].original
            np.testing.assert_array_equal(first[name].data, other[name].data)


def test_columns_can_be_asked_to_have_the_kinds_of_another_table(tmp_path: Path) -> None:
    path, other = tmp_path / "train.csv", tmp_path / "test.csv"
    path.write_text("code,n\nA1,1\n07,2\n")
    other.write_text("code,n\n07,x\n08,2\n")
    table = read_table(other, like=read_table(path))
    assert table["code"].native() == ["07", "08"]
    assert table["n"].kind is Kind.NUMBER
    assert table["n"].strays is not None


@pytest.mark.parametrize("name", ["a*b?.csv", "data [1].csv", "~it's.csv", "{x}.csv", "ü %20.csv"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "axb1.csv").write_text("a,b\n3,4\n")
    assert by_database(tmp_path / name)["b"].native() == [2]


def test_parquet_keeps_the_types_that_it_states(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with duckdb.connect() as database:
        database.execute(
            "copy (select * from (values (1, 'a', true, date '2024-05-17', 1.5::decimal(5, 2), [1]),"
            f" (null, '07', null, null, null, null)) as t(i, s, b, d, m, l)) to '{path}' (format parquet)"
        )
    table = read_table(path)
    assert one(table, "i") == (Kind.NUMBER, "int64", [1, None])
    assert one(table, "s") == (Kind.CATEGORY, "str", ["a", "07"])
    assert one(table, "b") == (Kind.BOOL, "bool", [True, None])
    assert table["d"].kind is Kind.DATE
    assert one(table, "m") == (Kind.NUMBER, "float64", [1.5, None])
    assert table.where(1) == f"row 1 of {path}"


@pytest.mark.parametrize("space", [IN_MEMORY, ON_DISK])
def test_columns_of_very_many_texts(tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many different ones to look at one by one: the database reads numbers, and dates are read in pieces."""
    monkeypatch.setattr("chainrule.data.database.columns.DIFFERENT", 100)
    rows = 3000
    stamps = np.datetime64("2024-01-01T00:00:00") + np.arange(rows).astype("timedelta64[m]")
    texts = [str(number) for number in range(rows)]
    texts[2500], texts[2600], texts[2700] = "x", " NA ", "1_000"
    path = tmp_path / "data.csv"
    path.write_text("n,d,t\n" + "".join(f"{n},{d},key {n}\n" for n, d in zip(texts, stamps.astype(str), strict=True)))
    table = by_database(path, space)
    strays = table["n"].strays
    assert strays is not None
    assert (strays.rows, strays.texts, strays.count) == ((2500, 2700), ("x", "1_000"), 2)
    assert table["n"].is_missing.nonzero()[0].tolist() == [2500, 2600, 2700]
    np.testing.assert_array_equal(table["d"].data, stamps)
    assert table["t"].kind is Kind.TEXT
    assert table["t"].values[:2].tolist() == ["key 0", "key 1"]
