"""Numbers as networks like them: of mean 0 and standard deviation 1 in each column, none missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CHUNK_BYTES = 1 << 24  # in float64 at a time, so that large float32 data are not doubled in memory


@dataclass(frozen=True, eq=False)
class Scaling:
    """What was learned of each column (d,): (x - mean) / scale. A missing number becomes the mean, so 0; columns that
    missed some in training each get one more column, which is 1 where the number is missing."""

    mean: Floats
    scale: Floats
    missing: npt.NDArray[np.int64]  # the columns that missed some

    @classmethod
    def fit(cls, x: npt.NDArray[Any], weights: Floats) -> Scaling:
        """Weighted statistics of the columns of x (n, d). NumPy's own sums, whose bits no BLAS thread changes."""
        count, total, absent = np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.zeros(x.shape[1], bool)
        for part, w in chunks(x, weights):
            there = ~np.isnan(part)
            absent |= ~there.all(0)
            count += (there * w).sum(0)
            total += (np.where(there, part, 0.0) * w).sum(0)
        mean = total / np.maximum(count, np.finfo(np.float64).tiny)
        square = np.zeros(x.shape[1])
        for part, w in chunks(x, weights):
            deviation = np.where(np.isnan(part), 0.0, part - mean)
            square += (deviation * deviation * w).sum(0)
        scale = np.sqrt(square / np.maximum(count, np.finfo(np.float64).tiny))
        # a column that is constant but for rounding would be scaled up to noise
        scale[scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)] = 1.0
        return cls(mean, scale, np.flatnonzero(absent))

    @property
    def width(self) -> int:
        """The columns of what `apply` gives."""
        return len(self.mean) + len(self.missing)

    def apply(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """x (n, d) standardised: float32 (n, width)."""
        result = np.empty((len(x), self.width), np.float32)
        columns = len(self.mean)
        start = 0
        for part, _ in chunks(x, None):
            stop = start + len(part)
            scaled = (part - self.mean) / self.scale
            gaps = np.isnan(scaled)
            scaled[gaps] = 0.0
            result[start:stop, :columns] = scaled
            result[start:stop, columns:] = gaps[:, self.missing]
            start = stop
        return result

    def undo(self, scaled: npt.NDArray[Any]) -> Floats:
        """What was scaled, in its own units."""
        return scaled.astype(np.float64) * self.scale + self.mean


def chunks(x: npt.NDArray[Any], weights: Floats | None) -> Iterator[tuple[Floats, Any]]:
    """Rows of x as float64, and their weights as a column, some at a time."""
    rows = max(1, CHUNK_BYTES // max(1, 8 * x.shape[1]))
    for start in range(0, len(x), rows):
        part = x[start : start + rows].astype(np.float64)
        yield part, None if weights is None else weights[start : start + rows, None]
