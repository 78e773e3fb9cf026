"""Columns out of arrays, lists, and Series of pandas and polars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind
from chainrule.data.texts import WHITE, column_of_codes, meaning_of_words
from chainrule.ir.errors import ArgumentError


def column_of(name: str, values: Any) -> Column:
    """A column out of an array, a list, or a Series of pandas or polars."""
    if isinstance(values, Column):
        return values
    if hasattr(values, "to_numpy"):
        known = column_of_series(name, values)
        if known is not None:
            return known
        array = values.to_numpy()
    else:
        array = values if isinstance(values, np.ndarray) else of_list(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ArgumentError(f"as_table: column {name!r} must have one dimension, got shape {array.shape}.")
    if array.dtype.kind == "b":
        return Column(name, Kind.BOOL, array.astype(np.float64), "bool")
    if array.dtype.kind in "iuf":
        return Column(name, Kind.NUMBER, array.astype(np.float64), original_of(array, values))
    if array.dtype.kind == "M":
        return Column(name, Kind.DATE, array.astype("datetime64[us]"), "date")
    if array.dtype.kind not in "OUT":
        raise ArgumentError(f"as_table: column {name!r} is of type {array.dtype}, which is neither numbers nor texts.")
    return column_of_objects(name, array.astype(object).tolist())


def column_of_series(name: str, values: Any) -> Column | None:
    """A column out of a Series of texts or categories that pandas numbers itself; None if it is something else."""
    dtype = str(values.dtype)
    if not hasattr(values, "factorize") or dtype not in {"category", "str", "string", "object"}:
        return None
    try:
        codes, different = values.factorize()
    except TypeError:  # cells that cannot be compared
        return None
    words = list(different)
    integers = bool(words) and all(isinstance(word, int | np.integer) and not is_bool(word) for word in words)
    if not all(isinstance(word, str) for word in words) and not (dtype == "category" and integers):
        return None
    texts = [str(word).strip(WHITE) for word in words] + [""]  # code -1, the last: missing
    places = np.where(codes < 0, len(words), codes)
    meaning = meaning_of_words(texts, np.bincount(places, minlength=len(texts)))
    return column_of_codes(name, places, texts, replace(meaning, original="int64") if integers else meaning)


def is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def original_of(array: npt.NDArray[Any], values: Any) -> str:
    """int64 for integers, and for floats that stand for integers with missing ones in a DataFrame."""
    integers = array.dtype.kind in "iu" or "int" in str(getattr(values, "dtype", "")).lower()
    return "int64" if integers else "float64"


def of_list(values: Sequence[Any]) -> npt.NDArray[Any]:
    """A list as an array; of mixed or missing values one of objects."""
    values = list(values)
    kinds = {type(value) for value in values}
    if kinds <= {int, float, np.int64, np.float64} or kinds == {bool} or kinds <= {np.datetime64}:
        return np.asarray(values, None if values else np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def column_of_objects(name: str, values: list[Any]) -> Column:
    """A column out of Python objects, of which None (and NaN, NaT, NA) are missing."""
    kinds = {type(value) for value in values}
    plain = [None if is_missing(value) else value for value in values] if kinds != {str} else values
    found = {type(value) for value in plain if value is not None}
    if found and all(issubclass(kind, bool | np.bool_) for kind in found):
        data = np.array([np.nan if value is None else float(value) for value in plain])
        return Column(name, Kind.BOOL, data, "bool")
    if all(is_real(kind) for kind in found):
        data = np.array([np.nan if value is None else float(value) for value in plain], np.float64)
        whole = found and all(issubclass(kind, int | np.integer) for kind in found)
        return Column(name, Kind.NUMBER, data, "int64" if whole else "float64")
    if all(issubclass(kind, date | datetime | np.datetime64) for kind in found):
        nat = np.datetime64("NaT")
        stamps = [nat if value is None else np.datetime64(in_utc(value), "us") for value in plain]
        return Column(name, Kind.DATE, np.array(stamps, "datetime64[us]"), "date")
    for value in plain:
        if isinstance(value, complex | bytes | list | tuple | dict | set | np.ndarray):
            raise ArgumentError(f"as_table: column {name!r} must hold numbers, texts or dates, got {value!r}.")
    return column_of_words(name, [None if value is None else str(value) for value in plain])


def is_real(kind: type) -> bool:
    """Whether values of a type are numbers: int, float, NumPy's, Decimal, Fraction."""
    return hasattr(kind, "__float__") and not issubclass(kind, complex | np.complexfloating | str)


def in_utc(value: Any) -> Any:
    """A date or a time without a zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def is_missing(value: Any) -> bool:
    """None, and whatever does not equal itself: NaN, NaT; pandas' NA has no truth value at all."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        return True


def column_of_words(name: str, words: Sequence[str | None]) -> Column:
    """A column of texts: they stay texts, even if they look like numbers."""
    index = {word: code for code, word in enumerate(dict.fromkeys(words))}
    codes = np.fromiter(map(index.__getitem__, words), np.int64, len(words))
    different = ["" if word is None else word.strip(WHITE) for word in index]
    meaning = meaning_of_words(different, np.bincount(codes, minlength=len(index)))
    return column_of_codes(name, codes, different, meaning)
