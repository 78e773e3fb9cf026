"""Which columns are used, and what is to be learnt."""

import numpy as np
import pytest

from chainrule.data import as_table, guess_task, profile, target_of
from chainrule.errors import ArgumentError


def task_of(values: object, asked: str | None = None) -> str:
    task = guess_task(as_table({"y": values})["y"], asked)
    return f"{task.kind}: {task.reason}"


def test_text_bools_and_categories_are_classes() -> None:
    assert task_of(["a", "b", "a"]) == "classification: y holds 2 categories"
    assert task_of([True, False, None]) == "classification: y is True or False"


def test_integers_of_few_values_each_seen_ten_times_are_classes() -> None:
    assert task_of([*range(20)] * 10) == "classification: y holds 20 different integers, each at least 10 times"
    assert task_of([*range(21)] * 10) == "regression: y holds 21 different integers, more than 20"
    assert task_of([*[1, 2, 3] * 10, 4, 4]) == "regression: y holds integers, of which 4 occurs only twice"
    assert task_of([1.0, 2.0] * 10) == "classification: y holds 2 different integers, each at least 10 times"


def test_numbers_with_fractions_are_a_regression() -> None:
    assert task_of([0.5, 1.0] * 20) == "regression: y holds numbers with fractions"


def test_what_is_asked_for_decides() -> None:
    task = guess_task(as_table({"y": [0, 1] * 20})["y"], "regression")
    assert str(task) == "regression: as asked (--task classification changes this)"


@pytest.mark.parametrize(
    ("values", "asked", "says"),
    [
        (
            ["a", "b", "a"],
            "regression",
            "regression needs a target of numbers, but 'y' holds category \\('a' in its first",
        ),
        ([f"n{k}" for k in range(20)], None, "'y' has 20 different values in 20 rows. Name another column"),
        (np.arange(20) / 3, "classification", "'y' has 20 different values in 20 rows"),
        (np.array(["2024-01-01", "2024-01-02"], "datetime64[D]"), None, "'y' holds date"),
        ([1, 2], "clustering", "task must be 'classification' or 'regression', got 'clustering'"),
    ],
)
def test_what_cannot_be_learnt_is_said(values: object, asked: str | None, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        task_of(values, asked)


def test_without_a_target_the_columns_are_listed_with_type_and_number_of_values() -> None:
    table = as_table({"species": ["a", "b", "a"], "mass": [1.5, 2.5, None], "sex": [True, False, True]})
    with pytest.raises(ArgumentError) as caught:
        target_of(table, None)
    assert caught.value.message == (
        "a target is required (--target COLUMN). The columns of the table: species (category, 2), mass (number, 2), "
        "sex (bool, 2)."
    )


def test_an_unknown_target_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(ArgumentError, match="no column 'specis' in the table"):
        target_of(as_table({"species": ["a", "b"], "mass": [1, 2]}), "specis")


def test_a_target_of_one_class_or_none_is_refused() -> None:
    table = as_table({"one": ["a", "a"], "none": [None, None]})
    with pytest.raises(
        ArgumentError, match="must have at least two different values, but every row of the table has 'a'"
    ):
        target_of(table, "one")
    with pytest.raises(
        ArgumentError, match="the target 'none' has no value: all of its 2 cells in the table are missing"
    ):
        target_of(table, "none")


def reasons(data: dict[str, object], **options: object) -> dict[str, str]:
    return {one.name: one.reason for one in profile(as_table(data), **options) if not one.used}  # type: ignore[arg-type]


def test_constant_empty_and_key_like_columns_are_dropped_with_a_reason_each() -> None:
    rows = 30
    data: dict[str, object] = {
        "x": np.arange(rows) % 7,
        "unit": ["m"] * rows,
        "zero": np.zeros(rows),
        "gone": [None] * rows,
        "row": np.arange(1, rows + 1),
        "customer_id": np.arange(rows)[::-1] * 7,
        "name": [f"name {k}" for k in range(rows)],
        "note": [f"{'long words ' * 30}{k % 3}" for k in range(rows)],
    }
    assert reasons(data) == {
        "unit": "constant ('m')",
        "zero": "constant (0.0)",
        "gone": "every cell is missing",
        "row": "like a key: it numbers the rows from 1 on",
        "customer_id": "like a key: integers, each once, under a key's name",
        "name": "text: 30 different values in 30 rows",
        "note": "text: 3 different values in 30 rows",
    }


def test_a_constant_with_missing_cells_still_says_something() -> None:
    assert reasons({"x": [1.0, 2.0], "seen": ["yes", None]}) == {}


def test_columns_that_are_asked_for_are_used_alone_even_if_they_look_like_keys() -> None:
    data: dict[str, object] = {"x": np.arange(30) % 7, "row": np.arange(30), "name": [f"n{k}" for k in range(30)]}
    assert reasons(data, features=["row"]) == {
        "x": "not among the features asked for",
        "name": "not among the features asked for",
    }
    assert reasons(data, drop=["x"])["x"] == "dropped as asked"


def test_statistics_are_those_of_the_training_rows() -> None:
    table = as_table({"x": [1, 1, 1, 2, None]})
    (line,) = profile(table, training_rows=[0, 1, 2])
    assert str(line) == "x: not used, constant (1)"


def test_no_usable_column_is_an_error_with_the_reasons() -> None:
    table = as_table({"y": ["a", "b"], "unit": ["m", "m"]})
    with pytest.raises(ArgumentError, match="can be used to predict 'y': unit: not used, constant \\('m'\\)"):
        profile(table, "y")
