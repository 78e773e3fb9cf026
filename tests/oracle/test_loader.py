"""Batches in sequential order, collated samples and splits against PyTorch's."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import data as theirs

import chainrule as cr
from chainrule import data as ours

Point = namedtuple("Point", ["x", "y"])


def plain(thing: Any) -> Any:
    """Tensors of either kind as (type, shape, values); containers with their types."""
    if isinstance(thing, cr.Tensor | torch.Tensor):
        return str(thing.dtype).split(".")[-1], tuple(thing.shape), thing.tolist()
    if isinstance(thing, dict):
        return {key: plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing).__name__, [plain(part) for part in thing]
    return thing


def columns(kind: Any) -> Any:
    """A TensorDataset of either kind."""
    tensor = cr.tensor if kind is ours else torch.tensor
    rng = np.random.default_rng(0)
    return kind.TensorDataset(tensor(rng.standard_normal((11, 2, 3)).astype(np.float32)), tensor(np.arange(11)))


LOADERS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda kind: kind.DataLoader(columns(kind)),
    "batches": lambda kind: kind.DataLoader(columns(kind), batch_size=4),
    "drop_last": lambda kind: kind.DataLoader(columns(kind), batch_size=4, drop_last=True),
    "larger than the data": lambda kind: kind.DataLoader(columns(kind), batch_size=40),
    "one by one": lambda kind: kind.DataLoader(columns(kind), batch_size=None),
    "sampler": lambda kind: kind.DataLoader(columns(kind), batch_size=2, sampler=[3, 1, 4, 1, -1]),
    "batch_sampler": lambda kind: kind.DataLoader(columns(kind), batch_sampler=[[3], [1, 4, 5]]),
    "subset": lambda kind: kind.DataLoader(kind.Subset(columns(kind), [3, 1, 7]), batch_size=2),
    "concatenated": lambda kind: kind.DataLoader(columns(kind) + columns(kind), batch_size=5),
    "list": lambda kind: kind.DataLoader([(1, "a", 0.5), (2, "b", 1.5), (3, "c", 2.5)], batch_size=2),
    "arrays": lambda kind: kind.DataLoader(np.arange(6.0).reshape(3, 2), batch_size=2),
    "collate_fn": lambda kind: kind.DataLoader([1, 2, 3], batch_size=2, collate_fn=sum),
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS.keys())
def test_batches_are_pytorchs(make: Callable[[Any], Any]) -> None:
    mine, other = make(ours), make(theirs)
    assert [plain(batch) for batch in mine] == [plain(batch) for batch in other]
    assert len(mine) == len(other)


SAMPLES: dict[str, list[Any]] = {
    "ints": [1, 2],
    "floats": [1.0, 2.5],
    "int first": [1, 2.5],
    "float first": [1.5, 2],
    "bools": [True, False],
    "bool first": [True, 3],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "float64 scalars": [np.float64(1), np.float64(2)],
    "float32 scalars": [np.float32(1), np.float32(2)],
    "bool scalars": [np.bool_(True), np.bool_(False)],
    "int16 scalars": [np.int16(1), np.int16(2)],
    "arrays": [np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)],
    "arrays without dimensions": [np.array(1, np.uint8), np.array(2, np.uint8)],
    "empty arrays": [np.ones((0, 2)), np.ones((0, 2))],
    "tuples": [(1, "a"), (2, "b")],
    "lists": [[1, 2.0], [3, 4.0]],
    "named tuples": [Point(1, 2.0), Point(3, 4.0)],
    "dicts": [{"a": 1, "b": {"c": np.ones(2)}}, {"a": 2, "b": {"c": np.zeros(2)}}],
    "nested": [(1, [np.ones(1), ("x", 2.0)]), (2, [np.zeros(1), ("y", 3.0)])],
}


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES.keys())
def test_collated_samples_are_pytorchs(samples: list[Any]) -> None:
    assert plain(ours.default_collate(samples)) == plain(theirs.default_collate(samples))
    assert plain(ours.default_convert(samples)) == plain(theirs.default_convert(samples))


MIXED: list[tuple[Any, Any]] = [
    (np.int64, np.float32),
    (np.float32, np.float64),
    (np.uint8, np.int16),
    (np.bool_, np.int8),
]


@pytest.mark.parametrize(("first", "second"), MIXED)
def test_tensors_of_several_types_are_promoted_as_pytorch_does(first: Any, second: Any) -> None:
    arrays = [np.ones(2, first), np.ones(2, second)]
    mine = ours.default_collate([cr.tensor(array) for array in arrays])
    assert plain(mine) == plain(theirs.default_collate([torch.tensor(array) for array in arrays]))


@pytest.mark.parametrize("lengths", [[7, 4], [0.5, 0.5], [0.3, 0.3, 0.4], [0.9, 0.1], [1.0], [11]])
def test_splits_have_pytorchs_sizes(lengths: list[float]) -> None:
    mine, other = ours.random_split(columns(ours), lengths), theirs.random_split(columns(theirs), lengths)
    assert [len(part) for part in mine] == [len(part) for part in other]


@pytest.mark.parametrize("drop_last", [False, True])
def test_lengths_of_samplers_are_pytorchs(drop_last: bool) -> None:
    for count in range(8):
        for size in range(1, 5):
            mine, other = (
                kind.BatchSampler(kind.SequentialSampler(range(count)), size, drop_last) for kind in (ours, theirs)
            )
            assert list(mine) == list(other)
            assert len(mine) == len(other)
