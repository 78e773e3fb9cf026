from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import data
from chainrule.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)
from chainrule.data.cutting import AHEAD_BYTES, tensors_behind
from chainrule.errors import (
    ArgumentError,
    NotYetError,
    OutOfRangeError,
    TracedValueError,
)
from chainrule.utils import data as alias


def columns(count: int = 10) -> TensorDataset:
    return TensorDataset(cr.tensor(np.arange(2.0 * count).reshape(count, 2)), cr.tensor(np.arange(count)))


class Squares(Dataset[Any]):
    """Samples that are computed one at a time."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[float, int]:
        if not 0 <= index < 10:
            raise IndexError(index)
        return float(index), index**2


def labels(loader: DataLoader) -> list[list[int]]:
    return [batch[1].tolist() for batch in loader]


def generator(seed: int = 0) -> Any:
    return cr.Generator().manual_seed(seed)


# Order


def test_batches_come_in_order_and_the_last_may_be_smaller() -> None:
    loader = DataLoader(columns(), batch_size=4)
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    assert labels(DataLoader(columns(), batch_size=4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(DataLoader(columns(), batch_size=4, drop_last=True)) == 2


def test_a_batch_size_of_one_keeps_the_dimension() -> None:
    x, y = next(iter(DataLoader(columns())))
    assert (x.shape, y.shape) == ((1, 2), (1,))


def test_shuffled_batches_hold_every_sample_once_in_another_order_each_pass() -> None:
    loader = DataLoader(columns(), batch_size=3, shuffle=True, generator=generator())
    first, second = labels(loader), labels(loader)
    assert [len(batch) for batch in first] == [3, 3, 3, 1]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert first != second
    assert list(chain(*first)) != list(range(10))


def test_rows_stay_together_when_shuffled() -> None:
    for x, y in DataLoader(columns(), batch_size=3, shuffle=True):
        assert x.tolist() == [[2.0 * i, 2.0 * i + 1] for i in y.tolist()]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_the_order_depends_on_the_seed_alone(workers: int) -> None:
    settings: dict[str, Any] = {"batch_size": 4, "shuffle": True, "generator": generator(7), "num_workers": workers}
    expected = [[4, 1, 7, 6], [9, 0, 2, 5], [3, 8]]
    assert labels(DataLoader(columns(), **settings)) == expected
    settings["generator"] = generator(7)
    assert labels(DataLoader(Squares(), **settings)) == [[i * i for i in batch] for batch in expected]


def test_without_a_generator_the_default_seed_counts() -> None:
    loader = DataLoader(columns(), batch_size=10, shuffle=True)
    cr.manual_seed(3)
    first, second = labels(loader), labels(loader)
    cr.manual_seed(3)
    assert [labels(loader), labels(loader)] == [first, second]


def test_a_sampler_gives_the_order() -> None:
    assert labels(DataLoader(columns(), batch_size=2, sampler=[3, 1, -1])) == [[3, 1], [9]]
    assert labels(DataLoader(columns(), batch_sampler=[[1, 2, 3], [0]])) == [[1, 2, 3], [0]]
    assert labels(DataLoader(Squares(), batch_sampler=[(1, 2), (3,)])) == [[1, 4], [9]]


def test_replacement_and_a_number_of_samples() -> None:
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=50, generator=generator()))
    assert len(drawn) == 50
    assert set(drawn) == {0, 1, 2}
    longer = list(RandomSampler(range(3), num_samples=7, generator=generator()))
    assert [sorted(longer[:3]), sorted(longer[3:6])] == [[0, 1, 2], [0, 1, 2]]
    assert len(longer) == len(RandomSampler(range(3), num_samples=7)) == 7


def test_batch_samplers_take_any_sampler() -> None:
    assert list(BatchSampler(SequentialSampler("abcde"), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(iter([4, 2, 0]), 2, True)) == [[4, 2]]


class Backwards(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(9, -1, -1))

    def __len__(self) -> int:
        return 10


def test_samplers_of_ones_own() -> None:
    loader = DataLoader(columns(), batch_size=5, sampler=Backwards())
    assert labels(loader) == [[9, 8, 7, 6, 5], [4, 3, 2, 1, 0]]
    assert len(loader) == 2


# Tensors that are cut at once


def test_batches_of_tensors_are_cut_without_looking_at_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cr.Tensor, "__getitem__", None)
    part = Subset(Subset(columns(), [9, 1, 2, 3, 4]), [0, 3, 4])
    assert labels(DataLoader(columns(), batch_size=5, shuffle=True, generator=generator(7)))[0] == [4, 1, 7, 6, 9]
    assert labels(DataLoader(part, batch_size=2)) == [[9, 3], [4]]


def test_tensors_that_do_not_lie_in_row_order_are_cut_too() -> None:
    x = cr.tensor(np.arange(6.0).reshape(2, 3)).t()
    assert [batch[0].tolist() for batch in DataLoader(TensorDataset(x, cr.zeros(3)), sampler=[2, -3])] == [
        [[2.0, 5.0]],
        [[0.0, 3.0]],
    ]


def test_batches_are_in_aligned_memory_of_their_own() -> None:
    dataset = columns()
    x, _ = next(iter(DataLoader(dataset, batch_size=10)))
    assert x.read().array.ctypes.data % 64 == 0
    with cr.no_grad():
        dataset.tensors[0].add_(1)
    assert x.tolist()[0] == [0.0, 1.0]
    assert next(iter(DataLoader(dataset)))[0].tolist() == [[1.0, 2.0]]  # a write to the tensors is seen


@pytest.mark.parametrize("size", [1, 3, 16, 50])
def test_batches_that_are_cut_together_are_those_of_the_order(size: int) -> None:
    x = np.arange(3 * 1000, dtype=np.float32).reshape(1000, 3)
    loader = DataLoader(TensorDataset(cr.tensor(x), cr.arange(1000)), batch_size=size, shuffle=True)
    batches = list(loader)
    order = np.concatenate([y.numpy() for _, y in batches])
    assert sorted(order) == list(range(1000))
    assert (np.concatenate([x.numpy() for x, _ in batches]) == x[order]).all()
    assert [len(y) for _, y in batches] == [size] * (1000 // size) + [1000 % size] * (1000 % size > 0)
    assert all(part.read().array.ctypes.data % 64 == 0 for batch in batches for part in batch)
    assert all(part.read().array.flags.c_contiguous for batch in batches for part in batch)


def test_writing_to_a_batch_leaves_those_that_were_cut_with_it() -> None:
    first, *others = DataLoader(columns(), batch_size=2)
    first[1].fill_(-1)
    assert [y.tolist() for _, y in others] == [[2, 3], [4, 5], [6, 7], [8, 9]]


def test_a_write_to_the_tensors_is_seen_by_the_next_batch() -> None:
    dataset = columns()
    batches = iter(DataLoader(dataset, batch_size=2))
    assert next(batches)[1].tolist() == [0, 1]
    dataset.tensors[1].mul_(10)
    assert [y.tolist() for _, y in batches] == [[20, 30], [40, 50], [60, 70], [80, 90]]


def test_a_compiled_write_to_the_tensors_is_seen_by_the_next_batch() -> None:
    buffer = cr.Buffer(cr.arange(10))

    @cr.compile
    def grow() -> None:
        buffer.add_(10)

    grow(), grow()
    batches = iter(DataLoader(TensorDataset(buffer), batch_size=5))
    assert next(batches)[0].tolist() == [20, 21, 22, 23, 24]
    grow()
    assert next(batches)[0].tolist() == [35, 36, 37, 38, 39]


def test_large_batches_are_cut_one_at_a_time() -> None:
    rows = AHEAD_BYTES // 4
    x, y = (batch[0] for batch in DataLoader(TensorDataset(cr.zeros(2 * rows)), batch_size=rows))
    assert not np.may_share_memory(x.read().array.base, y.read().array.base)


class Doubled(TensorDataset):
    def __getitem__(self, index: Any) -> Any:
        return tuple(2 * part for part in super().__getitem__(index))


class Negated(Subset[Any]):
    def __getitem__(self, index: Any) -> Any:
        return tuple(-part for part in super().__getitem__(index))

    def __getitems__(self, indices: Any) -> Any:
        return [self[index] for index in indices]


def test_data_sets_that_change_their_samples_are_asked_for_them() -> None:
    doubled = Doubled(*columns().tensors)
    assert labels(DataLoader(doubled, batch_size=5)) == [[0, 2, 4, 6, 8], [10, 12, 14, 16, 18]]
    assert labels(DataLoader(Negated(columns(), [3, 2]), batch_size=5)) == [[-3, -2]]
    assert labels(DataLoader(Subset(doubled, [3, 2]), batch_size=5)) == [[6, 4]]


def test_gradients_flow_to_tensors_that_require_them() -> None:
    x = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert tensors_behind(TensorDataset(x)) is None
    for (batch,) in DataLoader(TensorDataset(x), batch_size=2):
        (batch * batch).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_collate_fn_gets_the_samples() -> None:
    assert list(DataLoader([1, 2, 3], batch_size=2, collate_fn=sum)) == [3, 3]
    got = next(iter(DataLoader(columns(), batch_size=2, collate_fn=list)))
    assert [y.item() for _, y in got] == [0, 1]


class Together(Squares):
    def __getitems__(self, indices: Any) -> Any:
        return [(0.0, index + 100) for index in indices]


def test_a_data_set_may_give_a_batch_of_samples_at_once() -> None:
    assert labels(DataLoader(Together(), batch_size=5))[0] == [100, 101, 102, 103, 104]


# Errors

REFUSED: list[tuple[dict[str, Any], Any, str]] = [
    ({"shuffle": True, "sampler": [0]}, ArgumentError, "a sampler or shuffle=True, not both"),
    ({"batch_sampler": [[0]], "batch_size": 2}, ArgumentError, "a batch_sampler says it all; leave out"),
    ({"batch_sampler": [[0]], "shuffle": True}, ArgumentError, "a batch_sampler says it all"),
    ({"batch_size": None, "drop_last": True}, ArgumentError, "nothing to drop"),
    ({"batch_size": 0}, ArgumentError, "batch_size must be an int above 0, not 0"),
    ({"batch_size": 2.0}, ArgumentError, "batch_size must be an int above 0, not 2.0"),
    ({"batch_size": 2, "drop_last": 1}, ArgumentError, "drop_last must be True or False"),
    ({"num_workers": -1}, ArgumentError, "num_workers must be at least 0"),
    ({"timeout": -1}, ArgumentError, "timeout must be at least 0"),
    ({"prefetch_factor": 2}, ArgumentError, "prefetch_factor needs num_workers"),
    ({"persistent_workers": True}, ArgumentError, "persistent_workers needs num_workers"),
    ({"dataset": iter([1])}, NotYetError, "only be iterated"),
    ({"dataset": [], "shuffle": True}, ArgumentError, "no samples to put in a random order"),
]


@pytest.mark.parametrize(("settings", "error", "message"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_arguments_that_do_not_fit_are_refused(settings: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        DataLoader(**({"dataset": columns()} | settings))


class Lengthless:
    def __getitem__(self, index: int) -> int:
        return index


def test_a_data_set_without_a_length_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Lengthless does not say how many samples it has"):
        DataLoader(Lengthless())


def test_speed_only_arguments_are_accepted() -> None:
    loader = DataLoader(
        columns(),
        batch_size=5,
        num_workers=2,
        pin_memory=True,
        timeout=1,
        worker_init_fn=print,
        prefetch_factor=4,
        persistent_workers=True,
        in_order=False,
    )
    assert len(labels(loader)) == 2


def test_an_index_outside_the_data_set_is_named() -> None:
    with pytest.raises(OutOfRangeError, match="asks for sample 10, but there are 10"):
        labels(DataLoader(columns(), sampler=[10]))
    with pytest.raises(OutOfRangeError, match="asks for sample -11"):
        labels(DataLoader(columns(), sampler=[-11]))


def test_a_loader_stays_as_it_was_made() -> None:
    loader = DataLoader(columns(), batch_size=5)
    with pytest.raises(ArgumentError, match="batch_size is fixed"):
        loader.batch_size = 2
    loader.num_workers = 3


def test_a_loader_is_not_iterated_inside_a_compiled_function() -> None:
    loader = DataLoader(columns(), batch_size=5)

    @cr.compile
    def total(scale: Any) -> Any:
        return sum(x.sum() for x, _ in loader) * scale

    with pytest.raises(TracedValueError, match="cannot be iterated inside a compiled function"):
        total(cr.ones(()))


def test_an_empty_data_set_gives_no_batches() -> None:
    assert list(DataLoader(TensorDataset(np.zeros((0, 2))), batch_size=5)) == []


def test_pytorchs_path_has_the_same_names() -> None:
    for name in ("DataLoader", "TensorDataset", "Subset", "random_split", "BatchSampler", "default_collate"):
        assert getattr(alias, name) is getattr(data, name)
    with pytest.raises(NotYetError, match=r"utils.data.IterableDataset is part of"):
        _ = alias.IterableDataset
