"""The data sets that come with the package."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind, Rows, Table, nearest, to_python
from chainrule.ir.errors import ArgumentError

# How digits.npz marks the part that a row belongs to.
TRAIN, VALID, TEST = 0, 1, 2


@dataclass(frozen=True)
class Shipped:
    """A data set that comes with the package."""

    name: str
    file: str  # below chainrule/data/
    target: str | None  # None: a text
    what: str
    licence: str


SHIPPED = {
    one.name: one
    for one in (
        Shipped(
            "digits",
            "digits/digits.npz",
            "digit",
            "1,797 handwritten digits of 8x8 pixels, in a fixed split",
            "CC BY 4.0",
        ),
        Shipped(
            "penguins",
            "penguins/penguins.csv",
            "species",
            "344 penguins of three species: measures, island, sex, with missing cells",
            "CC0",
        ),
        Shipped(
            "novel", "novel/novel.txt", None, "Jane Austen, Persuasion (1818): a whole novel as text", "public domain"
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits in three parts: x is uint8 (n, 64), 8x8 images by rows, 0 to 16; y is int64 (n,), 0 to 9."""

    x_train: npt.NDArray[np.uint8]  # (1258, 64)
    y_train: npt.NDArray[np.int64]
    x_valid: npt.NDArray[np.uint8]  # (180, 64)
    y_valid: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.uint8]  # (359, 64)
    y_test: npt.NDArray[np.int64]


def shipped_path(name: str) -> Path:
    """The file of a shipped data set; ArgumentError with the names there are if it is none.

    >>> shipped_path("penguins").name
    'penguins.csv'
    """
    if name not in SHIPPED:
        near = nearest(name, SHIPPED)
        hint = f" Did you mean {near}?" if near else f" There are {', '.join(SHIPPED)}."
        raise ArgumentError(f"no data set {name!r} comes with chainrule.{hint}")
    return Path(__file__).parent / SHIPPED[name].file


def load_digits() -> Digits:
    """The 1,797 UCI digits in a fixed split of 70 % / 10 % / 20 %, even over the ten classes.

    Source, citation and licence (CC BY 4.0): chainrule/data/digits/SOURCE.md.

    >>> load_digits().x_train.shape
    (1258, 64)
    """
    images, labels, parts = digits_arrays()
    return Digits(
        x_train=images[parts == TRAIN],
        y_train=labels[parts == TRAIN],
        x_valid=images[parts == VALID],
        y_valid=labels[parts == VALID],
        x_test=images[parts == TEST],
        y_test=labels[parts == TEST],
    )


def digits_arrays() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Images (1797, 64), labels and parts (1797,), in UCI's order."""
    with np.load(shipped_path("digits")) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64), arrays["parts"]


def digits_table() -> tuple[Table, Rows, Rows]:
    """The digits as a table of 64 pixels and `digit`, and the rows of its fixed validation and test parts."""
    images, labels, parts = digits_arrays()
    pixels = np.ascontiguousarray(images.T, np.float64)
    columns = {
        name: Column(name, Kind.NUMBER, pixels[place], "int64")
        for place, name in enumerate(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    }
    columns["digit"] = Column("digit", Kind.NUMBER, labels.astype(np.float64), "int64")
    return Table(columns, len(labels)), np.flatnonzero(parts == VALID), np.flatnonzero(parts == TEST)


def write_csv(table: Table) -> str:
    """A table as CSV, values as they were read; missing cells are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.names)
    cells = [["" if value is None else value for value in to_python(column, column.data)] for column in table]
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue()
