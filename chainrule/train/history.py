"""The rows of a run, an epoch each; as numbers in one array, for checkpoints that are written after every epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Row = dict[str, Any]  # epoch, step, train and validation (the loss and the metrics by name), lr, seconds
PLAIN = ("epoch", "step", "lr", "seconds")


class History:
    """Rows that all have the columns of the first one."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.columns: list[str] = []
        self._numbers: npt.NDArray[np.float64] = np.zeros((0, 0))

    def append(self, row: Row) -> None:
        """One more row."""
        if not self.rows:
            parts = [f"{part}/{name}" for part in ("train", "validation") for name in row[part]]
            self.columns = [*PLAIN, *parts]
            self._numbers = np.zeros((16, len(self.columns)))
        count = len(self.rows)
        if count == len(self._numbers):
            self._numbers = np.concatenate([self._numbers, np.zeros_like(self._numbers)])
        values = [row[name] for name in PLAIN]
        self._numbers[count] = [*values, *row["train"].values(), *row["validation"].values()]
        self.rows.append(row)

    def numbers(self) -> npt.NDArray[np.float64]:
        """The rows as numbers, float64[rows, columns]."""
        return self._numbers[: len(self.rows)]

    @classmethod
    def of(cls, numbers: npt.NDArray[np.float64], columns: list[str]) -> History:
        """The history that `numbers` and `columns` were taken from."""
        found = cls()
        for line in numbers.tolist():
            epoch, step, lr, seconds = line[: len(PLAIN)]
            row: Row = {"epoch": int(epoch), "step": int(step), "train": {}, "validation": {}, "lr": lr}
            row["seconds"] = seconds
            for column, value in zip(columns[len(PLAIN) :], line[len(PLAIN) :], strict=True):
                part, _, name = column.partition("/")
                row[part][name] = value
            found.append(row)
        return found
