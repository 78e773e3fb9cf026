"""Indexing against PyTorch: values, gradients and second gradients, of keys drawn at random and of each operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chainrule.autodiff.reverse import reverse
from chainrule.ir.value import Value
from chainrule.ops import indexing, masking, points
from chainrule.ops.keys import index, index_put, parse_basic
from tests.gradients import variables
from tests.oracle.agreement import assert_agrees

SHAPE = (4, 3, 5)


# Keys -----------------------------------------------------------------------------------------------------------------


def random_key(rng: np.random.Generator, shape: tuple[int, ...], *, distinct: bool) -> tuple[Any, ...]:
    """A key of ints, slices, None, Ellipsis and arrays. With `distinct` no place is picked twice."""
    items: list[Any] = []
    points_shape = [(2,), (3,), (2, 1), (1, 3), (2, 3), ()][rng.integers(6)] if not distinct else (2,)
    axis = 0
    while axis < len(shape):
        n, kind = shape[axis], rng.integers(7)
        width = 1
        if kind == 0:
            items.append(int(rng.integers(-n, n)))
        elif kind in (1, 2):
            start, stop = (None if rng.random() < 0.3 else int(v) for v in rng.integers(-n - 2, n + 3, 2))
            items.append(slice(start, stop, [None, 1, 2, 3][rng.integers(4)]))
        elif kind in (3, 4):
            picked = rng.permutation(n)[:2] if distinct else rng.integers(-n, n, points_shape)
            items.append(picked)
        elif kind == 5 and not any(isinstance(item, np.ndarray) for item in items):
            width = int(rng.integers(1, len(shape) - axis + 1))
            items.append(rng.random(shape[axis : axis + width]) < 0.5)
            axis += width
            break
        else:
            items.append(slice(None))
        axis += width
        if rng.random() < 0.15:
            items.append(None)
    if rng.random() < 0.3 and axis >= len(shape):
        items.insert(int(rng.integers(len(items) + 1)), Ellipsis)
    return tuple(items)


def as_torch(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(torch.tensor(item) if isinstance(item, np.ndarray) else item for item in key)


@pytest.mark.parametrize("seed", range(150))
def test_reading_by_a_random_key_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, key = rng.standard_normal(SHAPE), random_key(rng, SHAPE, distinct=False)
    assert_agrees(lambda x: index(x, key), lambda x: x[as_torch(key)], x)


@pytest.mark.parametrize("seed", range(150))
@pytest.mark.parametrize("accumulate", [False, True])
def test_writing_by_a_random_key_agrees(seed: int, accumulate: bool) -> None:
    rng = np.random.default_rng(seed)
    x, key = rng.standard_normal(SHAPE), random_key(rng, SHAPE, distinct=not accumulate)
    shape = x[first_ints(key)[0]][first_ints(key)[1]].shape
    value = rng.standard_normal(
        tuple(1 if rng.random() < 0.3 else n for n in shape)[int(rng.integers(len(shape) + 1)) :]
    )

    def written(x: Any, value: Any) -> Any:
        places = torch.arange(x.numel()).reshape(x.shape)[as_torch(key)]
        values = value.expand(places.shape).reshape(-1)
        return x.reshape(-1).index_put((places.reshape(-1),), values, accumulate=accumulate).reshape(x.shape)

    assert_agrees(lambda x, value: index_put(x, key, value, accumulate), written, x, value)


def first_ints(key: tuple[Any, ...]) -> tuple[Any, Any]:
    """The key as two keys for NumPy: ints and slices, then arrays. PyTorch takes ints before arrays are."""
    first, second = list[Any](), list[Any]()
    for item in key:
        first.extend([slice(None)] * item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else [item])
        if isinstance(item, np.ndarray):
            first[-1] = slice(None)
        if not isinstance(item, int):
            second.append(item if isinstance(item, np.ndarray) else Ellipsis if item is Ellipsis else slice(None))
    return tuple(first), tuple(second)


@pytest.mark.parametrize("seed", range(100))
def test_keys_that_are_views_are_the_basic_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    key, x = random_key(rng, SHAPE, distinct=False), torch.zeros(SHAPE)
    is_view = x[as_torch(key)].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert (parse_basic(SHAPE, key) is not None) == is_view


@pytest.mark.parametrize("key", [True, False, (slice(0, 1), True), [True, False, True, True], [0, -1, 0], []])
def test_rare_keys_agree(key: Any) -> None:
    x = np.random.default_rng(0).standard_normal(SHAPE)
    assert_agrees(lambda x: index(x, key), lambda x: x[key], x)


def test_a_mask_beside_arrays_and_ints_agrees() -> None:
    rng = np.random.default_rng(5)
    x, mask, places = rng.standard_normal(SHAPE), np.array([True, False, True, True]), np.array([0, -1, 2])
    for key in ((mask, places), (mask, slice(None), places), (mask, 1), (mask, slice(None), 1), (None, mask, ..., 0)):
        assert_agrees(lambda x, key=key: index(x, key), lambda x, key=key: x[as_torch(key)], x)


# Operations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_and_scatters_agree(axis: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(SHAPE)
    place = rng.integers(0, SHAPE[axis], (2, 3, 4))
    source = rng.standard_normal((2, 3, 4))
    assert_agrees(lambda x, i: indexing.gather(x, i, axis), lambda x, i: x.gather(axis, i), x, place)
    assert_agrees(
        lambda x, i, s: indexing.scatter_add(x, i, s, axis), lambda x, i, s: x.scatter_add(axis, i, s), x, place, source
    )
    distinct = np.argsort(rng.random(SHAPE), axis)[:2, :2, :2]
    assert_agrees(
        lambda x, i, s: indexing.scatter(x, i, s, axis),
        lambda x, i, s: x.scatter(axis, i, s),
        x,
        distinct,
        source[:2, :2, :2],
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_whole_slices_agree(axis: int) -> None:
    rng = np.random.default_rng(2)
    x, place = rng.standard_normal(SHAPE), rng.integers(0, SHAPE[axis], 6)
    source = rng.standard_normal(np.take(x, place, axis).shape)
    assert_agrees(lambda x, i: indexing.index_select(x, i, axis), lambda x, i: x.index_select(axis, i), x, place)
    assert_agrees(
        lambda x, i, s: indexing.index_add(x, i, s, axis), lambda x, i, s: x.index_add(axis, i, s), x, place, source
    )


@pytest.mark.parametrize("diagonal", [-3, -1, 0, 2, 9])
def test_triangles_and_diagonals_agree(diagonal: int) -> None:
    x = np.random.default_rng(3).standard_normal(SHAPE)
    assert_agrees(lambda x: masking.tril(x, diagonal), lambda x: x.tril(diagonal), x)
    assert_agrees(lambda x: masking.triu(x, diagonal), lambda x: x.triu(diagonal), x)
    if -2 <= diagonal <= 2:
        assert_agrees(lambda x: masking.diagonal(x, diagonal, 2, -3), lambda x: x.diagonal(diagonal, 2, -3), x)


def test_masked_fill_and_one_hot_agree() -> None:
    rng = np.random.default_rng(4)
    x, mask, classes = rng.standard_normal(SHAPE), rng.random(SHAPE[1:]) < 0.5, rng.integers(0, 6, (2, 3))
    assert_agrees(
        lambda x, m, v: masking.masked_fill(x, m, v), lambda x, m, v: x.masked_fill(m, v), x, mask, np.array(0.5)
    )
    hot = torch.nn.functional.one_hot(torch.tensor(classes), 6)
    np.testing.assert_array_equal(masking.one_hot(Value(classes), 6).array, hot.numpy())


def test_a_source_that_was_overwritten_gets_no_gradient_unlike_pytorchs() -> None:
    x, source, place = np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1])
    ours = variables([x, source])
    y = points.put_points(ours[0], ours[1], Value(place))
    theirs = torch.tensor(source, requires_grad=True)
    torch.tensor(x).index_put((torch.tensor(place),), theirs).sum().backward()
    np.testing.assert_array_equal(reverse([y], [Value(np.ones(3))], ours)[ours[1]].array, [0, 1, 1])
    np.testing.assert_array_equal(theirs.grad.numpy(), [1, 1, 1])
