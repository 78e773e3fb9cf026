"""Where batches come from: arrays, which are cut, or a loader of the user's, which is taken as it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data import DataLoader
from chainrule.data.cutting import Rows, batches_ahead, pieces_of
from chainrule.data.dataset import length_of
from chainrule.functions.generator import Generator, current
from chainrule.functions.random import randint
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import DType, float64
from chainrule.ir.value import Value
from chainrule.ops import philox
from chainrule.ops.creation import default_dtype
from chainrule.tensor import Tensor, from_array

Batch = tuple[Tensor, ...]  # inputs, targets, perhaps weights


class ArrayFeed:
    """Batches of arrays in another random order each epoch.

    A last batch that is smaller is left out where there are others: its few rows would weigh more than the rest, and
    it would be compiled for its own sake. Each epoch leaves out others.
    """

    def __init__(self, arrays: tuple[Tensor, ...], batch_size: int) -> None:
        self.arrays = arrays
        self.seed = 0  # of the order
        self.rows: int | None = arrays[0].shape[0]
        self.batch_size = min(batch_size, self.rows)
        self.steps = max(1, self.rows // self.batch_size)

    def begin(self) -> None:
        """Draws the seed of the order from the generator in use."""
        self.seed = int(randint(0, 2**62, (1,), generator=current()).item())

    def example(self) -> Batch:
        """A first row."""
        return next(cut(self.arrays, np.zeros(1, np.int64), 1))

    def batches(self, epoch: int, skipped: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without those that were skipped. Their order depends on the seed and its number."""
        order = philox.permutation(self.seed, epoch, self.rows or 0)[: self.steps * self.batch_size]
        return cut(self.arrays, order[skipped * self.batch_size :], self.batch_size)

    def generators(self) -> dict[str, Generator]:
        """The generators that the order is drawn from, besides the one in use."""
        return {}


class LoaderFeed:
    """Batches of a DataLoader, or of anything with a length that gives (inputs, targets) or (inputs, targets, weights)
    each time it is iterated. Its order must depend on generators alone, if a run is to be resumed within an epoch."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.steps = length_of(loader)
        self._example: Batch | None = None
        self.rows = None
        if isinstance(loader, DataLoader) and hasattr(loader.dataset, "__len__"):
            self.rows = len(loader.dataset)
        if self.steps == 0:
            raise ArgumentError("fit: the loader gives no batches. Is batch_size larger than the data, with drop_last?")

    def begin(self) -> None:
        """Nothing: the loader has its own order."""

    def example(self) -> Batch:
        """The first row of a first batch; the generators stay as they were."""
        if self._example is not None:
            return self._example
        sources = [current(), *self.generators().values()]
        before = [source.get_state() for source in sources]
        batch = next(iter(self.batches(0)))
        for source, state in zip(sources, before, strict=True):
            source.set_state(state)
        self._example = tuple([tensor[:1] for tensor in batch])
        return self._example

    def batches(self, epoch: int, skipped: int = 0) -> Iterator[Batch]:
        """The batches of the next pass over the loader, whatever its number, without those that were skipped."""
        return islice(map(as_batch, self.loader), skipped, None)

    def generators(self) -> dict[str, Generator]:
        """The generators that the loader was given."""
        holders = {"loader": self.loader, "sampler": getattr(self.loader, "sampler", None)}
        found = {name: getattr(holder, "generator", None) for name, holder in holders.items()}
        return {name: generator for name, generator in found.items() if isinstance(generator, Generator)}


Feed = ArrayFeed | LoaderFeed


def cut(arrays: tuple[Tensor, ...], order: Rows, size: int) -> Iterator[Batch]:
    """Batches of `size` rows, many cut at a time: what is done once for each takes longer than copying small rows."""
    sources = [array.read().array for array in arrays]
    ahead = size * batches_ahead(arrays, size)
    for start in range(0, len(order), ahead):
        rows = order[start : start + ahead]
        pieces = [pieces_of(source, rows, size) for source in sources]
        yield from zip(*[[Tensor(Value(piece)) for piece in cut_up] for cut_up in pieces], strict=True)


def as_batch(batch: Any) -> Batch:
    """What a loader gave, as tensors."""
    if not isinstance(batch, tuple | list) or not 2 <= len(batch) <= 3:
        kind = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
        raise ArgumentError(
            f"fit: each batch must be (inputs, targets) or (inputs, targets, weights); the loader gave {kind}."
        )
    return tuple([part if isinstance(part, Tensor) else from_array(np.asarray(part)) for part in batch])


def feed_of(data: Any, batch_size: int, what: str = "train", dtype: DType | None = None) -> Feed:
    """The feed of what `fit` was given."""
    if isinstance(data, tuple | list) and 2 <= len(data) <= 3:
        return ArrayFeed(as_arrays(data, what, dtype), batch_size)
    if isinstance(data, DataLoader):
        return LoaderFeed(data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, np.ndarray | Tensor):
        return LoaderFeed(DataLoader(data, batch_size=batch_size, shuffle=what == "train", drop_last=False))
    if hasattr(data, "__iter__") and hasattr(data, "__len__") and not isinstance(data, np.ndarray | Tensor):
        return LoaderFeed(data)
    raise ArgumentError(
        f"fit: {what} must be (inputs, targets), (inputs, targets, weights), a DataLoader or a Dataset, "
        f"not {type(data).__name__}."
    )


def as_arrays(data: Any, what: str, dtype: DType | None = None) -> tuple[Tensor, ...]:
    """Inputs, targets and perhaps weights as tensors of as many rows each; memory is not copied if it need not be.

    dtype: what floats become, that of the model's parameters.
    """
    parts = [as_rows(part, f"{what}[{position}]", dtype) for position, part in enumerate(data) if part is not None]
    counts = [part.shape[0] for part in parts]
    if len(set(counts)) != 1:
        raise ArgumentError(f"fit: {what} has parts of {' and '.join(map(str, counts))} rows; they must be as many.")
    if counts[0] == 0:
        raise ArgumentError(f"fit: {what} has no rows.")
    return tuple(parts)


def as_rows(part: Any, what: str, dtype: DType | None = None) -> Tensor:
    """One of them: an array, a tensor, a DataFrame or Series, a list. dtype: of floats; the default one if None."""
    if isinstance(part, Tensor):
        array = part.read_outside().array
    else:
        array = np.asarray(part.to_numpy() if hasattr(part, "to_numpy") else part)
    if array.dtype == object:
        array = as_numbers(array, what)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"fit: {what} must hold numbers, not {array.dtype}. Texts and categories must be encoded.")
    if array.ndim == 0:
        raise ArgumentError(f"fit: {what} must have a row for each sample; it is a single number.")
    wanted = (dtype or default_dtype()).numpy
    if array.dtype.kind == "f" and array.dtype != wanted:
        array = array.astype(wanted)
    elif array.dtype.kind == "u" and array.dtype != np.uint8:
        array = array.astype(np.int64)
    return Tensor(Value(array.view(np.ndarray)))


def floats_of(model: Any) -> DType | None:
    """The element type of a model's parameters."""
    return next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), None)


def as_numbers(array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """An array of Python's numbers, as a column of a DataFrame may be, as one of numbers."""
    try:
        return array.astype(float64.numpy)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"fit: {what} must hold numbers: {error}.") from None


__all__ = ["ArrayFeed", "Batch", "Feed", "LoaderFeed", "Rows", "as_arrays", "as_batch", "as_rows", "feed_of"]
