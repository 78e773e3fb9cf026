"""Predictions as CSV: a row for each that came, in order."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import numpy.typing as npt

PREDICTION = "prediction"


def header(kept: Sequence[str], classes: Sequence[Any] | None) -> list[str]:
    """The names of the columns: those that are kept, the prediction, the probability of each class."""
    return [*kept, PREDICTION, *(f"probability_{name}" for name in classes or ())]


def writer(file: TextIO) -> Any:
    """What writes rows to a file that was opened with newline=""."""
    return csv.writer(file, lineterminator="\n")


def rows_of(
    kept: Sequence[Iterable[Any]], predicted: Sequence[Any], probabilities: npt.NDArray[Any] | None
) -> Iterable[Sequence[Any]]:
    """The rows below `header`: cells of the columns that are kept, predictions, (n, k) probabilities."""
    columns = [*([cell(value) for value in column] for column in kept), [cell(value) for value in predicted]]
    if probabilities is not None:
        columns += [numbers(column) for column in probabilities.T]
    return zip(*columns, strict=True)


def cell(value: Any) -> Any:
    """A value as it stands in a file: nothing for None, dates without what is zero."""
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        text = value.isoformat(sep=" ")
        return text.removesuffix(" 00:00:00")
    return value


def numbers(column: npt.NDArray[Any]) -> list[str]:
    """Floats in the fewest digits that give the same bits again."""
    return [str(value) for value in column]
