"""Columns as features, targets as labels."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import chainrule.data.encoding
import chainrule.data.table
from chainrule.data import Encoding, Kind, Labels, Table, Task, as_table, guess_task, read_table
from chainrule.errors import ArgumentError


def random_table(rows: int, seed: int = 0) -> Table:
    """Columns of every kind, a tenth of the cells missing."""
    draw = np.random.default_rng(seed)
    day = np.datetime64("2020-02-27T12:00") + draw.integers(0, 10**6, rows).astype("timedelta64[m]")
    columns: dict[str, list[object]] = {
        "n": draw.uniform(-5, 3, rows).tolist(),  # without outliers, which would not be standardised
        "k": draw.integers(0, 9, rows).tolist(),
        "b": (draw.random(rows) < 0.4).tolist(),
        "c": [f"level {k}" for k in (draw.exponential(3, rows)).astype(int)],
        "d": day.tolist(),
    }
    for cells in columns.values():
        for row in np.flatnonzero(draw.random(rows) < 0.1):
            cells[row] = None
    return as_table(columns)


def test_every_kind_becomes_features_that_training_rows_standardise() -> None:
    table = random_table(400)
    encoding = Encoding.fit(table)
    x = encoding.apply(table)
    assert x.shape == (400, encoding.width)
    assert np.isfinite(x).all()
    for name in ("n", "k", "b", "d: day"):
        seen = x[~table[name[0]].is_missing, encoding.names.index(name)].astype(np.float64)
        tail = np.maximum(np.abs(seen) - 3.0, 0.0)  # beyond 3, outliers grow by their logarithm: taken back
        seen += np.copysign(np.expm1(tail) - tail, seen)
        assert abs(seen.mean()) < 1e-5
        assert abs(seen.std() - 1) < 1e-5
    assert set(encoding.column_of.values()) == {"n", "k", "b", "c", "d"}


def test_a_missing_number_is_the_mean_and_is_marked_if_training_had_any() -> None:
    train = as_table({"x": [1.0, 3.0, None], "y": [1.0, 2.0, 3.0]})
    encoding = Encoding.fit(train)
    assert encoding.names == ("x", "x is missing", "y")
    other = as_table({"x": [None, 2.0], "y": [None, 2.0]})
    assert encoding.apply(other).tolist() == [[0, 1, 0], [0, 0, 0]]
    assert encoding.check(other) == ("y: 1 cell missing, where none was in training; taken as the mean",)


def test_categories_are_a_feature_each_and_rare_ones_share_one() -> None:
    train = as_table({"c": ["a"] * 3 + ["b"] * 3 + ["x", "y"]})
    encoding = Encoding.fit(train)
    assert encoding.names == ("c=a", "c=b", "c: rare")
    assert encoding.apply(as_table({"c": ["a", "y", "new", None]})).tolist() == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 0],
    ]


def test_unseen_categories_are_said_and_are_no_category_where_none_was_rare() -> None:
    encoding = Encoding.fit(as_table({"c": ["a"] * 3 + ["b"] * 3}))
    other = as_table({"c": ["a", "new", "new", "other"]})
    assert encoding.apply(other).tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]]
    assert encoding.check(other) == ("c: 2 unseen categories in 3 cells ('new', 'other'); taken as no category",)
    assert encoding.check(as_table({"c": ["b", "a"]})) == ()


def test_of_very_many_categories_the_most_frequent_get_features() -> None:
    cells = [f"c{k}" for k in range(80) for _ in range(3 + (k < 10))]
    encoding = Encoding.fit(as_table({"c": cells}))
    assert encoding.width == chainrule.data.encoding.MAX_LEVELS + 1
    assert {f"c=c{k}" for k in range(10)} < set(encoding.names)


def test_dates_are_their_day_and_the_cycles_that_vary() -> None:
    days = np.datetime64("2024-01-01") + np.arange(0, 400, 7)  # Mondays
    encoding = Encoding.fit(as_table({"d": days}))
    assert encoding.names == ("d: day", "d: sine of the year", "d: cosine of the year")
    hours = np.datetime64("2024-01-01T00") + np.arange(24)
    assert Encoding.fit(as_table({"d": hours})).names[-2:] == ("d: sine of the hour", "d: cosine of the hour")


def test_a_column_that_is_not_there_is_named() -> None:
    encoding = Encoding.fit(as_table({"mass": [1.0, 2.0], "sex": ["m", "f"]}))
    with pytest.raises(
        ArgumentError, match=r"no column 'mass' in the table\. Did you mean 'Mass'.* trained with this col"
    ):
        encoding.apply(as_table({"Mass": [1.0], "sex": ["m"]}))


def test_other_columns_and_another_order_do_not_matter() -> None:
    table = random_table(50)
    encoding = Encoding.fit(table)
    turned = table.select(["d", "c", "b", "k", "n"])
    more = as_table({**turned.columns, "extra": ["x"] * 50})
    assert (encoding.apply(more) == encoding.apply(table)).all()


def test_a_column_of_another_kind_is_understood_where_it_can_be() -> None:
    encoding = Encoding.fit(
        as_table({"c": ["1", "2", "a"] * 3, "n": [1.0, 2.0, 4.0] * 3, "b": [True, False, True] * 3})
    )
    other = as_table({"c": [1, 2], "n": [True, False], "b": [1, 0]})
    same = as_table({"c": ["1", "2"], "n": [1.0, 0.0], "b": [True, False]})
    assert (encoding.apply(other) == encoding.apply(same)).all()
    empty = as_table({"c": [None], "n": [None], "b": [None]})
    assert encoding.apply(empty).tolist() == [[0] * 5]


def test_text_where_a_number_is_needed_is_named_by_its_row() -> None:
    encoding = Encoding.fit(as_table({"n": [1.0, 2.0]}))
    with pytest.raises(
        ArgumentError, match=r"column 'n' held number in training, but here it holds category: 'x' \(row 1"
    ):
        encoding.apply(as_table({"n": [None, "x", "x"]}))


def test_json_gives_the_same_bits() -> None:
    table = random_table(300)
    encoding = Encoding.fit(table)
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    assert again.apply(table).tobytes() == encoding.apply(table).tobytes()


@pytest.mark.parametrize(
    "stored", [{}, {"format": 1}, {"format": 2, "columns": []}, {"format": 1, "columns": [{}]}, []]
)
def test_json_of_something_else_is_refused(stored: object) -> None:
    with pytest.raises(ArgumentError, match="the stored encoding"):
        Encoding.from_json(stored)  # type: ignore[arg-type]


def test_pieces_give_the_same_bits_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    table, rows = random_table(1000), np.arange(0, 1000, 3)
    encoding = Encoding.fit(table, rows=rows)
    whole = encoding.apply(table, rows)
    for module in (chainrule.data.table, chainrule.data.encoding):
        monkeypatch.setattr(module, "CHUNK_ROWS", 64)
    assert encoding.apply(table, rows).tobytes() == whole.tobytes()
    pieces = Encoding.fit(table, rows=rows)
    assert pieces.names == encoding.names
    for one, other in zip(pieces.columns, encoding.columns, strict=True):
        np.testing.assert_allclose([*one.means, *one.scales], [*other.means, *other.scales], rtol=1e-12)


def test_features_that_need_more_memory_than_there_is_are_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.data.encoding.SMALL_BYTES", 0)
    table = random_table(500)
    encoding = Encoding.fit(table)
    mapped = encoding.apply(table, memory_bytes=1000)
    assert isinstance(mapped, np.memmap)
    assert (np.asarray(mapped) == encoding.apply(table)).all()


CLASSES, NUMBERS = Task("classification", "", ""), Task("regression", "", "")


@pytest.mark.parametrize(
    "values", [[3, 1, 3, 7], [True, False, True, True], ["b", "a", "ü", "b"], [1.5, 2.0, 1.5, 2.0]]
)
def test_labels_come_back_in_their_type(values: list[object]) -> None:
    column = as_table({"y": values})["y"]
    labels = Labels.fit(column, CLASSES)
    places = labels.encode(column)
    outputs = np.eye(labels.width, dtype=np.float32)[places]
    answers = labels.decode(outputs)
    assert answers.tolist() == values
    assert {type(one) for one in answers.tolist()} == {type(one) for one in values}
    again = Labels.from_json(json.loads(json.dumps(labels.to_json())))
    assert again == labels
    assert again.decode(outputs).tolist() == values


def test_words_for_true_and_false_come_back_as_the_file_spells_them(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("y,x\nYes,1\nNo,2\nYes,3\n")
    column = read_table(path)["y"]
    labels = Labels.fit(column, guess_task(column))
    assert labels.classes == ("No", "Yes")
    assert labels.encode(column).tolist() == [1, 0, 1]


def test_a_class_that_training_did_not_see_is_minus_one() -> None:
    labels = Labels.fit(as_table({"y": ["a", "b"]})["y"], CLASSES)
    assert labels.encode(as_table({"y": ["b", "c", None]})["y"]).tolist() == [1, -1, -1]
    numbers = Labels.fit(as_table({"y": [1, 2]})["y"], CLASSES)
    assert numbers.encode(as_table({"y": ["2", "x", "1"]})["y"]).tolist() == [1, -1, 0]


def test_numbers_come_back_in_their_units() -> None:
    column = as_table({"y": [10.0, 20.0, 60.0]})["y"]
    labels = Labels.fit(column, NUMBERS)
    standard = labels.encode(column)
    assert standard.dtype == np.float32
    assert math.isclose(float(standard.std()), 1, rel_tol=1e-6)
    assert labels.decode(standard[:, None]).round(4).tolist() == [10, 20, 60]


def test_probabilities_are_those_of_softmax() -> None:
    labels = Labels.fit(as_table({"y": ["a", "b", "c"]})["y"], CLASSES)
    found = labels.probabilities(np.array([[0.0, math.log(2), math.log(5)], [1000.0, 0.0, 0.0]], np.float32))
    np.testing.assert_allclose(found, np.array([[1 / 8, 2 / 8, 5 / 8], [1, 0, 0]]), rtol=1e-6)


def test_stored_labels_that_are_damaged_are_refused() -> None:
    with pytest.raises(ArgumentError, match="the stored labels are damaged"):
        Labels.from_json({"name": "y", "kind": "nothing"})


def test_kinds_are_what_a_file_to_predict_is_read_with() -> None:
    assert Encoding.fit(as_table({"c": ["1", "a"], "n": [1, 2]})).kinds == {"c": Kind.CATEGORY, "n": Kind.NUMBER}
