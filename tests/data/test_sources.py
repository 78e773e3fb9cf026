"""What a source names; what comes along; tables out of memory."""

from pathlib import Path

import numpy as np
import pytest

from chainrule.data import (
    SHIPPED,
    Kind,
    Labels,
    Table,
    as_table,
    concatenate,
    guess_task,
    open_source,
    read_table,
    shipped_path,
)
from chainrule.data.shipped import digits_table, load_digits, write_csv
from chainrule.errors import ArgumentError


@pytest.mark.parametrize("name", SHIPPED)
def test_what_comes_along_has_its_source_and_licence(name: str) -> None:
    path = shipped_path(name)
    assert path.is_file()
    text = (path.parent / "SOURCE.md").read_text()
    assert "**Source.**" in text
    assert "**Licence.**" in text


def test_all_that_comes_along_is_small() -> None:
    assert sum(path.stat().st_size for name in SHIPPED for path in shipped_path(name).parent.iterdir()) < 1_500_000


def test_the_novel_is_whole_and_plain() -> None:
    text = shipped_path("novel").read_text(encoding="ascii")
    assert text.startswith("Persuasion\n")
    assert text.endswith("Finis\n")
    assert [f"Chapter {number}\n" in text for number in range(1, 25)] == [True] * 24
    assert "utenberg" not in text


def test_digits_are_a_table_with_their_fixed_split() -> None:
    source = open_source("digits")
    digits = load_digits()
    assert source.target == "digit"
    assert source.valid_rows is not None
    assert source.test_rows is not None
    assert source.table.names == (*[f"pixel_{row}_{column}" for row in range(8) for column in range(8)], "digit")
    pixels = np.stack([source.table[name].data for name in source.table.names[:-1]], axis=1)
    assert (pixels[source.test_rows] == digits.x_test).all()
    assert (source.table["digit"].data[source.valid_rows] == digits.y_valid).all()


def test_a_table_that_is_written_comes_back(tmp_path: Path) -> None:
    for name, table in (("digits", digits_table()[0]), ("penguins", open_source("penguins").table)):
        path = tmp_path / f"{name}.csv"
        path.write_text(write_csv(table))
        again = read_table(path)
        assert again.names == table.names
        for column in table:
            assert again[column.name].native() == column.native()
            assert again[column.name].original == column.original


def test_a_file_comes_before_a_data_set_of_its_name_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("penguins").write_text("a,b\n1,2\n")
    source = open_source("penguins")
    assert source.table.names == ("a", "b")
    assert source.target is None
    assert source.notes == (
        "penguins is a file here, which is taken; the data set of this name: chainrule data penguins --out FILE",
    )


def test_a_name_that_is_neither_is_answered_with_names_like_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=r"no data set of this name comes with chainrule\. Did you mean 'penguins'"):
        open_source("pengiuns")
    with pytest.raises(ArgumentError, match=r"no file 'table\.csv' in the current folder"):
        open_source("table.csv")
    with pytest.raises(ArgumentError, match="novel is a text, and a table was expected"):
        open_source("novel")
    with pytest.raises(ArgumentError, match=r"no data set 'digit' comes with chainrule\. Did you mean 'digits'"):
        shipped_path("digit")


def test_files_for_validation_and_test_are_the_last_rows(tmp_path: Path) -> None:
    for name, rows in (("train", "1,a\n2,b\n3,a\n"), ("valid", "4,b\n"), ("test", "5,c\n6,NA\n")):
        (tmp_path / f"{name}.csv").write_text(f"n,c\n{rows}")
    source = open_source(tmp_path / "train.csv", valid=tmp_path / "valid.csv", test=tmp_path / "test.csv")
    assert source.valid_rows is not None
    assert source.test_rows is not None
    assert (source.valid_rows.tolist(), source.test_rows.tolist()) == ([3], [4, 5])
    assert source.table["n"].native() == [1, 2, 3, 4, 5, 6]
    assert source.table["c"].native() == ["a", "b", "a", "b", "c", None]


def test_a_test_file_without_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("mass,c\n1,a\n2,b\n")
    (tmp_path / "test.csv").write_text("mas,c\n1,a\n")
    with pytest.raises(ArgumentError, match=r"no column 'mass' in .*test\.csv\. Did you mean 'mas'"):
        open_source(tmp_path / "train.csv", test=tmp_path / "test.csv")


class Series:
    """A column as DataFrames give them."""

    def __init__(self, values: list[object], dtype: str) -> None:
        self.values, self.dtype = values, dtype

    def to_numpy(self) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
        return np.array(self.values, dtype=object)


class Frame:
    """What pandas and polars have in common."""

    def __init__(self, data: dict[str, Series]) -> None:
        self.data, self.columns = data, list(data)

    def __getitem__(self, name: str) -> Series:
        return self.data[name]


def kinds(table: Table) -> dict[str, tuple[Kind, str]]:
    return {column.name: (column.kind, column.original) for column in table}


def test_a_data_frame_is_taken_by_its_columns() -> None:
    frame = Frame({"i": Series([1, None, 3], "Int64"), "s": Series(["a", float("nan"), "07"], "object")})
    table = as_table(frame)
    assert kinds(table) == {"i": (Kind.NUMBER, "int64"), "s": (Kind.CATEGORY, "str")}
    assert (table["i"].native(), table["s"].native()) == ([1, None, 3], ["a", None, "07"])


class Factorized(Series):
    """A column that numbers its values itself, as one of pandas does."""

    def factorize(self) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], list[object]]:
        different = [value for value in dict.fromkeys(self.values) if value is not None]
        codes = [-1 if value is None else different.index(value) for value in self.values]
        return np.array(codes, np.int64), different


def test_categories_of_a_data_frame_stay_categories_and_come_back_in_their_type() -> None:
    frame = Frame(
        {
            "c": Factorized([10, None, 9, 10], "category"),
            "s": Factorized(["b ", None, "NA", "a"], "str"),
            "m": Factorized([1, "a", None, 1], "object"),
        }
    )
    table = as_table(frame)
    assert [column.native() for column in table] == [[10, None, 9, 10], ["b", None, None, "a"], ["1", "a", None, "1"]]
    assert {column.kind for column in table} == {Kind.CATEGORY}
    labels = Labels.fit(table["c"], guess_task(table["c"]))
    assert labels.classes == (9, 10)
    assert labels.encode(table["c"]).tolist() == [1, -1, 0, 1]
    assert labels.class_array().dtype == np.int64


def test_arrays_and_dicts_are_tables() -> None:
    assert as_table(np.arange(6.0).reshape(3, 2)).names == ("x0", "x1")
    table = as_table(
        {
            "u": np.array([1, 2], np.uint8),
            "f": np.array([1, 2], np.float32),
            "b": [True, None],
            "d": np.array(["2024-05-17", "NaT"], "datetime64[D]"),
            "s": np.array(["x", "NA"]),
            "i": [2**40, 3],
        }
    )
    assert kinds(table) == {
        "u": (Kind.NUMBER, "int64"),
        "f": (Kind.NUMBER, "float64"),
        "b": (Kind.BOOL, "bool"),
        "d": (Kind.DATE, "date"),
        "s": (Kind.CATEGORY, "str"),
        "i": (Kind.NUMBER, "int64"),
    }
    assert [column.native()[1] for column in table] == [2, 2.0, None, None, None, 3]


def test_rows_and_columns_can_be_taken() -> None:
    table = as_table({"x": np.arange(10), "c": list("abcdefghij")})
    some = table.take([7, 2])
    assert (some["x"].native(), some["c"].native(), some.rows) == ([7, 2], ["h", "c"], 2)
    assert some.take([1]).where(0) == "row 2"
    assert table.select(["c"]).names == ("c",)
    assert [chunk["x"].native() for chunk in table.chunks(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [chunk.where(0) for chunk in table.chunks(4)] == ["row 0", "row 4", "row 8"]


def test_tables_of_other_kinds_are_not_joined() -> None:
    with pytest.raises(ArgumentError, match="column 'x' holds number in the table but category in the table"):
        concatenate([as_table({"x": [1, 2]}), as_table({"x": ["a", "b"]})])
