"""DataLoader: batches of a data set, in an order that depends on the generator alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.collate import default_collate, default_convert
from chainrule.data.cutting import cut, cut_in_order, tensors_behind
from chainrule.data.dataset import length_of, samples_of
from chainrule.data.sampler import BatchSampler, RandomSampler, SequentialSampler, check_flag
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, NotYetError, TracedValueError
from chainrule.tensor import Tensor

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader:
    """Iterates over a data set in batches. See torch.utils.data.DataLoader.

    dataset: anything with `__getitem__` and `__len__`. batch_size: samples per batch; None gives them one by one.
    shuffle: another random order in each pass, from `generator` (the default one if None). sampler gives indices, or
    batch_sampler lists of them, in place of these. collate_fn: makes a batch of a list of samples (`default_collate`).
    drop_last: without a last batch that is smaller.

    num_workers, pin_memory, timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers,
    pin_memory_device and in_order choose a speed in PyTorch; they have no effect here, so the batches are the same for
    any number of workers. A batch of a TensorDataset is cut out of its tensors at once.
    Raises ArgumentError where PyTorch does.
    """

    _never_traced_ = True

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        check_dataset(dataset)
        check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            length_of(dataset)
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self.persistent_workers = persistent_workers  # the last of FIXED: from here on they stay

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and "persistent_workers" in vars(self):
            raise ArgumentError(f"DataLoader: {name} is fixed once the loader is made; make another loader.")
        object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """The number of batches (of samples, with batch_size=None)."""
        return length_of(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        if state.trace.get() is not None:
            raise TracedValueError(
                "DataLoader: a loader cannot be iterated inside a compiled function, which would keep the batches of "
                "its first call. Iterate outside, and pass each batch to the compiled step."
            )
        if self.batch_sampler is None:
            return (self.collate_fn(self.dataset[index]) for index in self.sampler)
        found = tensors_behind(self.dataset) if self.collate_fn is default_collate else None
        if found is not None:
            return self._cut_batches(*found)
        return (self.collate_fn(samples_of(self.dataset, list(indices))) for indices in self.batch_sampler)

    def _cut_batches(self, tensors: tuple[Tensor, ...], places: npt.NDArray[Any] | None) -> Iterator[list[Tensor]]:
        """Batches of tensors, without looking at single samples. places: which rows the data set consists of."""
        sampler = self.batch_sampler
        order = sampler.order() if type(sampler) is BatchSampler else None
        if order is not None:
            yield from cut_in_order(tensors, order if places is None else places[order], sampler.batch_size)  # type: ignore[union-attr]
            return
        for indices in sampler:  # type: ignore[union-attr]
            rows = np.asarray(indices, np.int64)
            yield [cut(tensor, rows if places is None else places[rows]) for tensor in tensors]


def check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    """PyTorch's checks of arguments that have no effect here."""
    if num_workers < 0:
        raise ArgumentError(f"DataLoader: num_workers must be at least 0, not {num_workers}.")
    if timeout < 0:
        raise ArgumentError(f"DataLoader: timeout must be at least 0, not {timeout}.")
    if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 0):
        raise ArgumentError("DataLoader: prefetch_factor needs num_workers above 0, and must be at least 0.")
    check_flag("DataLoader", "persistent_workers", persistent_workers)
    if persistent_workers and num_workers == 0:
        raise ArgumentError("DataLoader: persistent_workers needs num_workers above 0.")


def check_dataset(dataset: Any) -> None:
    """What can only be iterated is not taken yet."""
    if not hasattr(dataset, "__getitem__"):
        raise NotYetError(
            f"DataLoader: {type(dataset).__name__} has no __getitem__; data sets that can only be iterated are not "
            "there yet. Collect the samples in a list, or add __getitem__ and __len__."
        )


def check_order(
    batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    """PyTorch's checks: what says which samples make a batch must not be said twice."""
    if sampler is not None and shuffle:
        raise ArgumentError("DataLoader: give a sampler or shuffle=True, not both.")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ArgumentError(
            "DataLoader: a batch_sampler says it all; leave out batch_size, shuffle, sampler and drop_last."
        )
    if batch_sampler is None and batch_size is None and drop_last:
        raise ArgumentError("DataLoader: batch_size=None makes no batches, so drop_last has nothing to drop.")
