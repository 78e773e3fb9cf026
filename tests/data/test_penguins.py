"""The whole way from a file to features and labels, on the penguins."""

import numpy as np
import pytest

from chainrule.data import Encoding, Labels, Parts, Table, Task, guess_task, open_source, profile, split, target_of


@pytest.fixture(scope="module")
def table() -> Table:
    return open_source("penguins").table


@pytest.fixture(scope="module")
def task(table: Table) -> Task:
    return guess_task(target_of(table, "species"))


@pytest.fixture(scope="module")
def parts(table: Table, task: Task) -> Parts:
    return split(table, "species", task)


def test_types_and_missing_cells_are_found(table: Table, parts: Parts) -> None:
    assert [str(line) for line in profile(table, "species")] == [
        "island: category, 3 values",
        "bill_length_mm: number, 164 values, 2 missing",
        "bill_depth_mm: number, 80 values, 2 missing",
        "flipper_length_mm: number, 55 values, 2 missing",
        "body_mass_g: number, 94 values, 2 missing",
        "sex: category, 2 values, 11 missing",
        "year: number, 3 values",
    ]


def test_species_are_classes(task: Task) -> None:
    assert str(task) == "classification: species holds 3 categories (--task regression changes this)"


def test_every_row_is_in_one_part_and_species_are_split_alike(table: Table, parts: Parts) -> None:
    assert sorted([*parts.train, *parts.valid, *parts.test]) == list(range(344))
    assert parts.how == "241 rows train, 34 validate, 69 test: stratified by species, seed 0"
    counts = [np.bincount(table["species"].data[rows]).tolist() for rows in (parts.train, parts.valid, parts.test)]
    assert counts == [[107, 47, 87], [15, 7, 12], [30, 14, 25]]


def test_training_features_are_standardised(table: Table, parts: Parts) -> None:
    encoding = Encoding.fit(table, profile(table, "species"), parts.train)
    mass = encoding.names.index("body_mass_g")
    gone = encoding.names.index("body_mass_g is missing")
    train = encoding.apply(table, parts.train)
    seen = train[train[:, gone] == 0, mass]
    assert train.dtype == np.float32
    assert (abs(seen.mean()) < 1e-5, abs(seen.std() - 1) < 1e-5) == (True, True)
    np.testing.assert_array_equal(encoding.apply(table)[parts.train], train)


def test_labels_come_back_as_the_words_of_the_file(table: Table, parts: Parts, task: Task) -> None:
    labels = Labels.fit(table["species"].take(parts.train), task)
    assert labels.classes == ("Adelie", "Chinstrap", "Gentoo")
    places = labels.encode(table["species"])
    assert labels.decode(np.eye(3, dtype=np.float32)[places]).tolist() == table["species"].values.tolist()
