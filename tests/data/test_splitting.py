"""Which rows train, validate and test."""

import numpy as np
import pytest

from chainrule.data import Parts, Table, Task, as_table, split
from chainrule.errors import ArgumentError

CLASSES = Task("classification", "", "")
NUMBERS = Task("regression", "", "")


def table_of(rows: int, seed: int = 0) -> Table:
    draw = np.random.default_rng(seed)
    return as_table(
        {
            "x": draw.normal(size=rows),
            "y": draw.normal(size=rows),
            "label": draw.choice(["a", "b", "c"], rows, p=[0.7, 0.2, 0.1]).tolist(),
            "group": draw.integers(0, 30, rows),
            "day": np.datetime64("2024-01-01") + draw.integers(0, 50, rows).astype("timedelta64[D]"),
        }
    )


def partition(parts: Parts) -> list[int]:
    for rows in (parts.train, parts.valid, parts.test):
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
    return sorted([*parts.train.tolist(), *parts.valid.tolist(), *parts.test.tolist()])


@pytest.mark.parametrize("rows", [10, 37, 1000])
def test_parts_are_a_partition_with_the_shares_asked_for(rows: int) -> None:
    parts = split(table_of(rows), "y", NUMBERS)
    assert partition(parts) == list(range(rows))
    assert (len(parts.valid), len(parts.test)) == (round(0.1 * rows), round(0.2 * rows))


def test_the_same_seed_gives_the_same_rows_on_every_machine() -> None:
    table = table_of(1000)
    first = split(table, "y", NUMBERS, seed=3)
    assert first.test[:8].tolist() == [0, 4, 7, 9, 20, 28, 31, 47]
    assert (first.test == split(table, "y", NUMBERS, seed=3).test).all()
    assert (first.test != split(table, "y", NUMBERS, seed=4).test).any()


def test_a_row_more_moves_hardly_any_other() -> None:
    fewer = split(table_of(1000).take(np.arange(999)), "y", NUMBERS)
    more = split(table_of(1000), "y", NUMBERS)
    assert len(set(fewer.test.tolist()) ^ set(more.test.tolist())) <= 2


def test_each_class_is_split_alike() -> None:
    table = table_of(503)
    parts = split(table, "label", CLASSES)
    assert partition(parts) == list(range(503))
    counts = np.bincount(table["label"].data)
    for rows, share in ((parts.valid, 0.1), (parts.test, 0.2)):
        assert len(rows) == round(503 * share)
        assert np.abs(np.bincount(table["label"].data[rows]) - counts * share).max() <= 1
    assert parts.how == "352 rows train, 50 validate, 101 test: stratified by label, seed 0"


def test_a_class_of_one_row_trains() -> None:
    table = as_table({"y": ["a"] * 20 + ["b"] * 20 + ["c"]})
    assert 40 in split(table, "y", CLASSES, valid=0.3, test=0.4).train


def test_rows_without_a_target_are_in_no_part() -> None:
    table = as_table({"y": [1.0, None, *map(float, range(20))], "x": list(range(22))})
    parts = split(table, "y", NUMBERS)
    assert partition(parts) == [0, *range(2, 22)]
    assert parts.how.endswith("; 1 without a y left out")


def test_no_group_is_in_two_parts() -> None:
    table = table_of(700)
    parts = split(table, "label", CLASSES, group="group")
    assert partition(parts) == list(range(700))
    groups = [set(table["group"].data[rows].tolist()) for rows in (parts.train, parts.valid, parts.test)]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert abs(len(parts.test) / 700 - 0.2) < 0.05
    assert abs(len(parts.valid) / 700 - 0.1) < 0.05


def test_the_last_rows_in_time_test() -> None:
    table = table_of(700)
    parts = split(table, "y", NUMBERS, time="day")
    assert partition(parts) == list(range(700))
    day = table["day"].data
    assert day[parts.train].max() < day[parts.valid].min()
    assert day[parts.valid].max() < day[parts.test].min()
    assert abs(len(parts.test) / 700 - 0.2) < 0.05


def test_few_moments_still_give_three_parts() -> None:
    table = as_table({"year": [2007] * 110 + [2008] * 114 + [2009] * 120, "y": np.arange(344.0)})
    parts = split(table, "y", NUMBERS, time="year")
    assert [len(parts.train), len(parts.valid), len(parts.test)] == [110, 114, 120]


def test_parts_that_are_given_stay() -> None:
    table = table_of(100)
    parts = split(table, "y", NUMBERS, test_rows=[97, 98, 99])
    assert parts.test.tolist() == [97, 98, 99]
    assert len(parts.valid) == 10
    assert parts.how == "87 rows train, 10 validate, 3 test: at random, seed 0; test as given"
    both = split(table, "y", NUMBERS, valid_rows=[0], test_rows=[1, 2])
    assert both.how == "97 rows train, 1 validate, 2 test: as given"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"valid": 0.5, "test": 0.6}, "must be shares from 0 up to 1 that leave rows to train on"),
        ({"test": -0.1}, "must be shares"),
        ({"group": "group", "time": "day"}, "exclude each other"),
        ({"group": "zzz"}, "no column 'zzz'"),
        ({"time": "label"}, "needs a column of dates or numbers, but 'label' holds category"),
    ],
)
def test_what_cannot_be_split_is_said(options: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        split(table_of(50), "y", NUMBERS, **options)  # type: ignore[arg-type]


def test_too_few_groups_rows_or_moments_are_said() -> None:
    table = as_table({"y": [1.0, 2.0, 3.0], "g": ["a", "a", "b"], "t": [1, 1, 1], "h": ["a", None, "b"]})
    with pytest.raises(ArgumentError, match="3 parts need at least 3 groups, but 'g' has 2"):
        split(table, "y", NUMBERS, group="g")
    with pytest.raises(ArgumentError, match="3 parts need at least 3 different times, but 't' has 1"):
        split(table, "y", NUMBERS, time="t")
    with pytest.raises(ArgumentError, match="every row needs a group, but 'h' is missing in row 1"):
        split(table, "y", NUMBERS, group="h")
    with pytest.raises(ArgumentError, match="3 rows with a target are too few: none is left for the part 'valid'"):
        split(table, "y", NUMBERS)
