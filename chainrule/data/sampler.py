"""The order in which a loader reads the samples, as in torch.utils.data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from chainrule.functions.random import randint, randperm
from chainrule.ir.errors import ArgumentError

Index = TypeVar("Index", covariant=True)
Order = npt.NDArray[np.int64]


class Sampler(Generic[Index]):
    """Base of samplers. An author writes `__iter__`, and `__len__` if the number is known."""

    def __iter__(self) -> Iterator[Index]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__.")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def order(self) -> Order:
        """All indices, as an array."""
        return np.arange(len(self.data_source))

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All indices in a random order, another one each time; with `replacement`, each drawn on its own.

    num_samples: how many, if not as many as there are samples. generator: the default one if None. The order depends on
    the generator alone.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        check_flag("RandomSampler", "replacement", replacement)
        if len(data_source) == 0:
            raise ArgumentError("RandomSampler: there are no samples to put in a random order.")
        check_count("RandomSampler", "num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> Order:
        """The indices of one pass, as an array."""
        n, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            return array_of(randint(0, n, (wanted,), generator=self.generator))
        passes = [permutation(n, self.generator) for _ in range(-(-wanted // n))]
        return np.concatenate(passes)[:wanted]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler, `batch_size` at a time; drop_last: without a last batch that is smaller."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        check_count("BatchSampler", "batch_size", batch_size)
        check_flag("BatchSampler", "drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def order(self) -> Order | None:
        """The indices of all batches of a pass, one after another; None if only iterating tells them."""
        sampler = self.sampler
        if type(sampler) is not SequentialSampler and type(sampler) is not RandomSampler:
            return None
        return sampler.order()[: len(self) * self.batch_size]

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]  # asked only of samplers that have one
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def permutation(n: int, generator: Any) -> Order:
    """0 to n - 1 in a random order."""
    return array_of(randperm(n, generator=generator))


def array_of(tensor: Any) -> Order:
    """The array of a tensor of indices."""
    array: Order = tensor.read().array
    return array


def check_count(what: str, name: str, count: Any) -> None:
    """Raises ArgumentError unless it is an int above 0."""
    if not isinstance(count, int) or isinstance(count, bool) or count <= 0:
        raise ArgumentError(f"{what}: {name} must be an int above 0, not {count!r}.")


def check_flag(what: str, name: str, flag: Any) -> None:
    """Raises ArgumentError unless it is a bool."""
    if not isinstance(flag, bool):
        raise ArgumentError(f"{what}: {name} must be True or False, not {flag!r}.")
