"""Tables out of what is in memory: dicts of columns, DataFrames of pandas and polars, arrays of two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from chainrule.data.columns import column_of
from chainrule.data.reading import read_table
from chainrule.data.table import Kind, Table
from chainrule.ir.errors import ArgumentError


def as_table(data: Any, *, like: Table | Mapping[str, Kind] | None = None) -> Table:
    """A table out of a Table, a path, a dict of columns, a DataFrame (pandas, polars), or an array (rows, columns).

    The columns of an array are named x0, x1, ... `like` is for paths, as in `read_table`.

    >>> as_table({"x": [1, 2, 3], "y": ["a", "b", None]})["y"].is_missing.tolist()
    [False, False, True]
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | PathLike):
        return read_table(data, like=like)
    if isinstance(data, Mapping):
        return table_of_columns(dict(data))
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # a DataFrame
        names = list(data.columns)
        if len(set(map(str, names))) < len(names):
            raise ArgumentError(f"as_table: each column needs a name of its own, but the DataFrame's are {names}.")
        return table_of_columns({str(name): data[name] for name in names})
    array = np.asarray(data)
    if array.ndim != 2:
        raise ArgumentError(
            f"as_table: expected a path, a dict of columns, a DataFrame or an array (rows, columns), "
            f"got {type(data).__name__} of shape {array.shape}."
        )
    return table_of_columns({f"x{number}": array[:, number] for number in range(array.shape[1])})


def table_of_columns(data: Mapping[str, Any]) -> Table:
    """A table out of columns by name."""
    columns = {str(name): column_of(str(name), values) for name, values in data.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        other = next(name for name in lengths if lengths[name] != next(iter(lengths.values())))
        first = next(iter(lengths))
        raise ArgumentError(
            f"as_table: columns must be of one length, but {first!r} has {lengths[first]} rows "
            f"and {other!r} has {lengths[other]}."
        )
    return Table(columns, next(iter(lengths.values()), 0))
