"""Data sets: samples by position, as in torch.utils.data."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from chainrule.data.sampler import permutation
from chainrule.ir.errors import ArgumentError, OutOfRangeError, ShapeError
from chainrule.tensor import Tensor, from_array

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Base of data sets. An author writes `__getitem__(index)` and `__len__()`; with `__getitems__(indices)`, a list of
    samples, a loader asks for a batch at once."""

    def __getitem__(self, index: Any) -> Sample:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__(index).")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors (or NumPy arrays, which are copied) whose first dimensions count the samples: sample i is (t[i], ...).

    Raises ShapeError if they do not have the same length.
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ArgumentError("TensorDataset: at least one tensor is needed.")
        self.tensors: tuple[Tensor, ...] = tuple(
            [tensor if isinstance(tensor, Tensor) else from_array(tensor) for tensor in tensors]
        )
        lengths = [tensor.shape[0] if tensor.shape else None for tensor in self.tensors]
        if None in lengths or len(set(lengths)) > 1:
            types = ", ".join(str(tensor.read().type) for tensor in self.tensors)
            raise ShapeError(f"TensorDataset: all tensors must have the same first dimension; these are {types}.")

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([tensor[index] for tensor in self.tensors])

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset[Sample]):
    """The samples of a data set at some indices."""

    def __init__(self, dataset: Dataset[Sample], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise ArgumentError(
                f"{kind.__name__} defines __getitem__ but not __getitems__, which a loader calls. Add\n"
                "def __getitems__(self, indices):\n    return [self[index] for index in indices]"
            )

    def __getitem__(self, index: Any) -> Sample:
        if isinstance(index, list):
            return self.dataset[[self.indices[one] for one in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """The samples at several positions."""
        return samples_of(self.dataset, [self.indices[index] for index in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[Sample]):
    """Data sets one after another."""

    def __init__(self, datasets: Iterable[Dataset[Sample]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: at least one data set is needed.")
        self.cumulative_sizes = list(accumulate(length_of(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Sample:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise OutOfRangeError(f"ConcatDataset: there are {len(self)} samples, so no sample {index}.")
        number = bisect_right(self.cumulative_sizes, place)
        return self.datasets[number][place - (self.cumulative_sizes[number - 1] if number else 0)]


def length_of(dataset: Any) -> int:
    """len(dataset); ArgumentError if it has none."""
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        raise ArgumentError(f"{type(dataset).__name__} does not say how many samples it has; add __len__.") from None


def samples_of(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """The samples at some indices, at once if the data set can."""
    together = getattr(dataset, "__getitems__", None)
    if together is None:
        return [dataset[index] for index in indices]
    samples: list[Any] = together(indices)
    return samples


def random_split(dataset: Dataset[Sample], lengths: Sequence[float], generator: Any = None) -> list[Subset[Sample]]:
    """Parts of a data set that share no sample, chosen at random.

    lengths: the number of samples of each part, or its share of them (shares sum to 1; what is left by rounding down
    goes to the first parts, one sample each). generator: the default one if None.
    Raises ArgumentError if they do not sum to len(dataset).
    """
    count = length_of(dataset)
    sizes = sizes_of_shares(lengths, count) if math.isclose(sum(lengths), 1) and sum(lengths) <= 1 else list(lengths)
    if sum(sizes) != count:
        raise ArgumentError(f"random_split: the lengths {sizes} sum to {sum(sizes)}, but there are {count} samples.")
    order = permutation(count, generator)
    ends = np.cumsum(np.asarray(sizes, np.int64))
    return [Subset(dataset, part.tolist()) for part in np.split(order, ends[:-1])]


def sizes_of_shares(shares: Sequence[float], count: int) -> list[int]:
    """The sizes of parts that are given as shares."""
    for position, share in enumerate(shares):
        if not 0 <= share <= 1:
            raise ArgumentError(f"random_split: share {position} must be between 0 and 1, not {share}.")
    sizes = [math.floor(count * share) for share in shares]
    for position in range(count - sum(sizes)):
        sizes[position % len(sizes)] += 1
    for position, size in enumerate(sizes):
        if size == 0:
            warnings.warn(f"random_split: part {position} is empty.", stacklevel=3)
    return sizes
