"""Batches cut out of the tensors of a TensorDataset, without looking at single samples.

Small batches are cut many at a time, for what is done once per batch takes longer than copying its rows. Each is still
what the tensors hold when the batch is asked for: after a write to a tensor its batches are cut anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.dataset import Subset, TensorDataset
from chainrule.ir.errors import OutOfRangeError
from chainrule.ir.types import Array, dtype_of
from chainrule.ir.value import Value
from chainrule.tensor import Tensor, aligned_empty

AHEAD_BYTES = 1 << 17  # cut at a time at most: they wait in a core's own cache
ALIGNMENT = 64

Rows = npt.NDArray[Any]


def tensors_behind(dataset: Any) -> tuple[tuple[Tensor, ...], Rows | None] | None:
    """The tensors of a TensorDataset, or of a Subset of one, and the rows it consists of (None: all).

    None if a sample is more than those rows: another kind of data set, or tensors that require a gradient.
    """
    places: Rows | None = None
    while isinstance(dataset, Subset) and type(dataset).__getitems__ is Subset.__getitems__:
        inner = np.asarray(dataset.indices, np.int64)
        places = inner if places is None else inner[places]
        dataset = dataset.dataset
    if not isinstance(dataset, TensorDataset) or type(dataset).__getitem__ is not TensorDataset.__getitem__:
        return None
    if hasattr(dataset, "__getitems__") or any(tensor.requires_grad for tensor in dataset.tensors):
        return None
    return dataset.tensors, places


def cut(tensor: Tensor, rows: Rows) -> Tensor:
    """The rows of a tensor, in memory of their own."""
    return Tensor(Value(taken(tensor.read().array, rows)))


def cut_in_order(tensors: tuple[Tensor, ...], order: Rows, size: int) -> Iterator[list[Tensor]]:
    """One batch after another of `size` rows, in an order; the last may be smaller."""
    ahead = batches_ahead(tensors, size)
    for start in range(0, len(order), size * ahead):
        rows = order[start : start + size * ahead]
        held = [tensor.read() for tensor in tensors]
        pieces = [pieces_of(value.array, rows, size) for value in held]
        for number, arrays in enumerate(zip(*pieces, strict=True)):
            batch = [Tensor(Value(array)) for array in arrays]
            for k, tensor in enumerate(tensors):
                if tensor.read() is not held[k]:  # written since
                    batch[k] = cut(tensor, rows[number * size : (number + 1) * size])
            yield batch


def batches_ahead(tensors: tuple[Tensor, ...], size: int) -> int:
    """How many batches are cut at a time. One of cells: compiled programs write over their memory."""
    if any(type(tensor) is not Tensor for tensor in tensors):
        return 1
    row = sum([bytes_of_row(tensor.read().array) for tensor in tensors])
    return max(1, AHEAD_BYTES // max(1, row * size))


def bytes_of_row(array: Array) -> int:
    """The size of one sample."""
    return math.prod(array.shape[1:]) * array.itemsize


def pieces_of(array: Array, rows: Rows, size: int) -> list[Array]:
    """The rows of an array, `size` at a time, each piece at an aligned address."""
    whole = len(rows) // size
    if whole < 2:
        return [taken(array, rows[start : start + size]) for start in range(0, len(rows), size)]
    unit = ALIGNMENT // math.gcd(ALIGNMENT, bytes_of_row(array))
    padded = -(-size // unit) * unit  # rows from one aligned address to the next
    places = rows[: whole * size].reshape(whole, size)
    if padded > size:
        places = np.pad(places, ((0, 0), (0, padded - size)), mode="edge")
    together = taken(array, places.reshape(-1)).reshape(whole, padded, *array.shape[1:])
    pieces = [piece[:size] for piece in together] if padded > size else list(together)
    return pieces if whole * size == len(rows) else [*pieces, taken(array, rows[whole * size :])]


def taken(array: Array, rows: Rows) -> Array:
    """The rows of an array, in aligned memory."""
    count = array.shape[0]
    if rows.size and not -count <= rows.min() <= rows.max() < count:
        worst = rows.min() if rows.min() < -count else rows.max()
        raise OutOfRangeError(f"DataLoader: the sampler asks for sample {worst}, but there are {count}.")
    result = aligned_empty((rows.size, *array.shape[1:]), dtype_of(array.dtype))
    if array.flags.c_contiguous:
        # mode="wrap" takes negative indices from the end; the default mode would fill a buffer of NumPy's own first.
        np.take(array, rows, axis=0, out=result, mode="wrap")
    else:  # np.take would make the whole array contiguous
        result[...] = array[rows]
    return result
