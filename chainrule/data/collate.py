"""Making a batch of samples: `default_collate`, and `default_convert` for a sample alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.functions.joining import stack
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import Type, bool_, dtype_of, float64, int64, promote
from chainrule.ir.value import Value
from chainrule.ops.creation import default_dtype
from chainrule.tensor import Tensor, aligned_empty, from_array

KINDS = "tensors, NumPy arrays, numbers, strings, and tuples, lists or dicts of these"


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of samples as one batch.

    Tensors and arrays are stacked along a new first dimension; ints give int64, floats float64, bools bool; strings
    stay a list; in tuples, lists and dicts each entry is collated on its own (a tuple becomes a list).
    Raises ShapeError that names the sample if they do not fit together, DTypeError for other kinds of samples.
    """
    if len(batch) == 0:
        raise ArgumentError("default_collate: there are no samples.")
    return collated(batch, "")


def collated(batch: Sequence[Any], place: str) -> Any:
    """The batch; `place` says in errors which entry of the samples this is."""
    first = batch[0]
    if isinstance(first, Tensor):
        return stacked_tensors([as_tensor(sample, place) for sample in batch], place)
    if isinstance(first, np.ndarray):
        return stacked([np.asarray(sample) for sample in batch], place)
    if isinstance(first, np.generic) and not isinstance(first, np.str_ | np.bytes_):
        return from_array(np.asarray(batch))
    if isinstance(first, float):
        return from_array(np.asarray(batch), float64)
    if isinstance(first, int):
        return integers(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return mapped(first, lambda key: collated(column_of(batch, key, place), f"{place}[{key!r}]"))
    if isinstance(first, Sequence):
        check_lengths(batch, place)
        columns = zip(*batch, strict=True)
        return sequenced(first, [collated(column, f"{place}[{i}]") for i, column in enumerate(columns)])
    raise DTypeError(
        f"default_collate: samples{of(place)} must be {KINDS}, not {type(first).__name__}; pass collate_fn."
    )


def of(place: str) -> str:
    """Which entry of the samples an error is about."""
    return f", entry {place}" if place else ""


def check_lengths(batch: Sequence[Any], place: str) -> None:
    """Raises ShapeError unless all samples have as many entries as the first."""
    for number, sample in enumerate(batch):
        if len(sample) != len(batch[0]):
            raise ShapeError(
                f"default_collate: sample {number}{of(place)} has {len(sample)} entries, sample 0 has {len(batch[0])}."
            )


def column_of(batch: Sequence[Any], key: Any, place: str) -> list[Any]:
    """One entry of all samples that are dicts."""
    for number, sample in enumerate(batch):
        if key not in sample:
            raise ArgumentError(f"default_collate: sample {number}{of(place)} has no {key!r}, sample 0 has.")
    return [sample[key] for sample in batch]


def as_tensor(sample: Any, place: str) -> Tensor:
    """A sample where the first one was a tensor."""
    if not isinstance(sample, Tensor):
        raise DTypeError(f"default_collate: a sample{of(place)} is a {type(sample).__name__}, sample 0 a Tensor.")
    return sample


def stacked_tensors(tensors: list[Tensor], place: str) -> Tensor:
    """Tensors along a new first dimension; their gradients flow on if they require any."""
    carriers = [tensor.read() for tensor in tensors]
    if any(carrier.needs_grad for carrier in carriers):
        result: Tensor = stack(tensors)
        return result
    return stacked([carrier.array for carrier in carriers], place)


def stacked(arrays: list[npt.NDArray[Any]], place: str) -> Tensor:
    """Arrays along a new first dimension."""
    shape = arrays[0].shape
    for number, array in enumerate(arrays):
        if array.shape != shape:
            found, first = (Type(one.shape, dtype_of(one.dtype)) for one in (array, arrays[0]))
            raise ShapeError(
                f"default_collate: sample {number}{of(place)} is {found}, sample 0 is {first}. Bring all samples to "
                "one shape, or pass a collate_fn that pads them."
            )
    dtype = reduce(promote, {dtype_of(array.dtype) for array in arrays})
    result = aligned_empty((len(arrays), *shape), dtype)
    np.stack(arrays, out=result, casting="unsafe")
    return Tensor(Value(result))


def integers(batch: Sequence[Any]) -> Tensor:
    """A batch that begins with a Python int or bool."""
    if all(isinstance(number, bool) for number in batch):
        return from_array(np.asarray(batch), bool_)
    if all(isinstance(number, int) for number in batch):
        return from_array(np.asarray(batch), int64)
    return from_array(np.asarray(batch, np.float64), default_dtype())


def mapped(first: Mapping[Any, Any], value: Callable[[Any], Any]) -> Any:
    """A mapping of the kind of `first`, with value(key) for each key."""
    entries = {key: value(key) for key in first}
    try:
        if isinstance(first, MutableMapping):
            result = copy.copy(first)  # it may have more to it than its entries
            result.update(entries)
            return result
        return type(first)(entries)  # type: ignore[call-arg]
    except TypeError:
        return entries


def sequenced(first: Sequence[Any], entries: list[Any]) -> Any:
    """A sequence of the kind of `first`; a plain tuple becomes a list, as in PyTorch."""
    if isinstance(first, tuple):
        return type(first)(*entries) if hasattr(first, "_fields") else entries
    try:
        if isinstance(first, MutableSequence):
            result = copy.copy(first)
            result[:] = entries
            return result
        return type(first)(entries)  # type: ignore[call-arg]
    except TypeError:
        return entries


def default_convert(data: Any) -> Any:
    """A sample alone, as a loader with batch_size=None gives it: its arrays as tensors, everything else as it is."""
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "OSU" else from_array(data)
    if isinstance(data, Mapping):
        return mapped(data, lambda key: default_convert(data[key]))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return sequenced(data, [default_convert(part) for part in data])
    return data
