from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split
from chainrule.errors import ArgumentError, OutOfRangeError, ShapeError


def columns(count: int = 10) -> TensorDataset:
    return TensorDataset(cr.zeros(count, 2), cr.arange(count))


def generator(seed: int = 0) -> Any:
    return cr.Generator().manual_seed(seed)


def test_tensor_datasets_take_arrays_too() -> None:
    dataset = TensorDataset(np.zeros((3, 2), np.float32), cr.arange(3))
    assert len(dataset) == 3
    assert [part.dtype.name for part in dataset[1]] == ["float32", "int64"]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((np.zeros((3, 2)), np.zeros(4)), r"the same first dimension; these are f64\[3, 2\], f64\[4\]"),
        ((np.zeros(()),), "first dimension"),
    ],
    ids=["lengths", "scalar"],
)
def test_tensors_of_different_lengths_are_refused(tensors: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        TensorDataset(*tensors)


def test_concatenated_data_sets() -> None:
    both = columns(3) + Subset(columns(), [9, 8])
    assert isinstance(both, ConcatDataset)
    assert [int(both[i][1]) for i in (0, 2, 3, 4, -1)] == [0, 2, 9, 8, 8]
    assert len(both) == 5
    for outside in (5, -6):
        with pytest.raises(OutOfRangeError, match="there are 5 samples"):
            both[outside]
    assert [batch[1].tolist() for batch in DataLoader(both, batch_size=5)] == [[0, 1, 2, 9, 8]]


def test_random_split_shares_no_sample() -> None:
    parts = random_split(columns(), [7, 3], generator=generator())
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))  # type: ignore[operator]
    again = random_split(columns(), [0.7, 0.3], generator=generator())
    assert [part.indices for part in again] == [part.indices for part in parts]
    assert [len(part) for part in random_split(columns(11), [0.5, 0.25, 0.25])] == [6, 3, 2]


def test_random_split_refuses_lengths_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"the lengths \[7, 4\] sum to 11, but there are 10"):
        random_split(columns(), [7, 4])
    with pytest.raises(ArgumentError, match="share 0 must be between 0 and 1"):
        random_split(columns(), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="part 1 is empty"):
        random_split(columns(2), [0.9, 0.1])


class Half(Subset[Any]):
    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index // 2)


def test_a_subset_that_a_loader_would_not_ask_is_refused() -> None:
    with pytest.raises(ArgumentError, match="defines __getitem__ but not __getitems__"):
        Half(columns(), [0])
