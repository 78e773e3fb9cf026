"""What a network gets of X: arrays are scaled, the columns of a DataFrame encoded as the command line encodes them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data import ColumnProfile, Encoding, Kind, Table, as_table, profile
from chainrule.ir.errors import ArgumentError
from chainrule.sklearn.scaling import Floats, Scaling

Array = npt.NDArray[Any]
Inputs = Array | Table


def as_inputs(X: Any) -> Any:
    """A DataFrame with columns that are not numbers as a Table; anything else as it is."""
    if not (hasattr(X, "columns") and hasattr(X, "dtypes")):
        return X
    table = as_table(X)
    return X if all(column.kind in (Kind.NUMBER, Kind.BOOL) for column in table) else table


def columns_of(x: Inputs) -> int:
    """How many columns there are."""
    return len(x.names) if isinstance(x, Table) else int(np.prod(x.shape[1:]))


def taken(x: Inputs, places: npt.NDArray[Any]) -> Inputs:
    """Some rows."""
    return x.take(places) if isinstance(x, Table) else x[places]


def as_numbers(x: Inputs) -> Array:
    """Rows that can be compared: those of a Table as numbers and codes."""
    if not isinstance(x, Table):
        return x
    cells = [column.data.astype(np.int64) if column.kind is Kind.DATE else column.data for column in x]
    return np.stack([one.astype(np.float64) for one in cells], axis=1)


@dataclass(frozen=True)
class ArrayInputs:
    """Arrays (n, ...): scaled, or as they are but for their element type."""

    scaling: Scaling | None
    shape: tuple[int, ...]

    @classmethod
    def fit(cls, x: Array, weights: Floats, scale: bool) -> ArrayInputs:
        """What is learned from training rows. Only columns are scaled: of other shapes nothing is known."""
        return cls(Scaling.fit(x, weights) if scale and x.ndim == 2 else None, x.shape[1:])

    @property
    def width(self) -> int:
        """The features of a row; of other shapes the length of its first dimension."""
        return self.shape[0] if self.scaling is None else self.scaling.width

    def apply(self, x: Any) -> Array:
        """What the network gets: float32, or int64 where nothing is scaled."""
        if self.scaling is not None:
            return self.scaling.apply(x)
        found: Array = x.astype(np.float32 if x.dtype.kind == "f" else np.int64, copy=False)
        return found


@dataclass(frozen=True)
class TableInputs:
    """Columns of several kinds."""

    encoding: Encoding
    profiles: tuple[ColumnProfile, ...]

    @classmethod
    def fit(cls, x: Table) -> TableInputs:
        """What is learned from training rows: which columns are used, their categories, means and scales."""
        profiles = profile(x)
        encoding = Encoding.fit(x, profiles)
        if not encoding.width:
            raise ArgumentError(f"no column of X can be used: {'; '.join(map(str, profiles[:20]))}.")
        return cls(encoding, profiles)

    @property
    def width(self) -> int:
        """The features of a row."""
        return self.encoding.width

    def apply(self, x: Any) -> Array:
        """What the network gets, float32; warns of what training did not see."""
        table = as_table(x)
        for note in self.encoding.check(table):
            warnings.warn(note, UserWarning, stacklevel=6)
        return self.encoding.apply(table)
