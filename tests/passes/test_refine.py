"""Shapes and views against NumPy, on random ones."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from chainrule.ir.types import Array, Shape
from chainrule.passes.refine import View, collapsed, common_refinement, contiguous_strides

ROUNDS = 400


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((12, 64, 128), (768, 128), (12, 64, 128)),
        ((768, 128), (12, 8192), (12, 64, 128)),
        ((6, 4), (8, 3), None),
        ((4, 6), (6, 4), None),
        ((4, 6), (2, 12), (2, 2, 6)),
        ((2, 3), (2, 3), (2, 3)),
        ((2, 1, 3), (1, 2, 3, 1), (2, 3)),
        ((), (1, 1), ()),
        ((), (), ()),
        ((6,), (7,), None),
        ((0, 3), (0, 3), (0, 3)),
        ((0, 3), (3, 0), (0,)),
        ((0,), (2,), None),
    ],
)
def test_common_refinement(a: Shape, b: Shape, expected: Shape | None) -> None:
    assert common_refinement(a, b) == expected
    assert common_refinement(b, a) == expected


def groupings(dims: Shape) -> set[Shape]:
    """Every shape that `dims` is finer than, without ones."""
    found = set()
    for cuts in itertools.product((False, True), repeat=max(0, len(dims) - 1)):
        groups = [dims[0]] if dims else []
        for length, cut in zip(dims[1:], cuts, strict=True):
            if cut:
                groups.append(length)
            else:
                groups[-1] *= length
        found.add(tuple(groups))
    return found


def test_common_refinement_is_the_coarsest() -> None:
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        dims = tuple(rng.choice([2, 3, 4, 5], rng.integers(1, 5)).tolist())
        a, b = (sorted(groupings(dims))[rng.integers(len(groupings(dims)))] for _ in range(2))
        found = common_refinement(a, b)
        assert found is not None
        assert {a, b} <= groupings(found)
        assert found in groupings(dims)


def random_view(rng: np.random.Generator) -> tuple[Array, View, Array]:
    """An array, a view of its memory made by a few random steps, and NumPy's result of the same steps."""
    shape = tuple(rng.choice([1, 2, 3, 4, 6, 0], rng.integers(0, 4), p=[0.2, 0.25, 0.2, 0.15, 0.15, 0.05]).tolist())
    memory = rng.permutation(math.prod(shape)).reshape(shape)
    view, array = View.contiguous(shape), memory
    for _ in range(rng.integers(0, 5)):
        view, array = STEPS[rng.integers(len(STEPS))](rng, view, array)
    return memory, view, array


def _permute(rng: np.random.Generator, view: View, array: Array) -> tuple[View, Array]:
    axes = tuple(rng.permutation(array.ndim).tolist())
    return view.permuted(axes), array.transpose(axes)


def _broadcast(rng: np.random.Generator, view: View, array: Array) -> tuple[View, Array]:
    new = tuple(rng.integers(1, 3, rng.integers(0, 2)).tolist())
    shape = new + tuple(int(rng.integers(1, 4)) if n == 1 else n for n in array.shape)
    return view.broadcast(shape), np.broadcast_to(array, shape)


def _slice(rng: np.random.Generator, view: View, array: Array) -> tuple[View, Array]:
    starts = tuple(int(rng.integers(0, n // 2 + 1)) for n in array.shape)
    stops = tuple(
        int(rng.integers(start, n + 1)) if rng.random() < 0.3 else n
        for start, n in zip(starts, array.shape, strict=True)
    )
    steps = tuple(rng.choice([1, 1, 2], array.ndim).tolist())
    return view.sliced(starts, stops, steps), array[tuple(map(slice, starts, stops, steps))]


def _flip(rng: np.random.Generator, view: View, array: Array) -> tuple[View, Array]:
    axes = tuple(k for k in range(array.ndim) if rng.random() < 0.5)
    return view.flipped(axes), np.flip(array, axes)


def _reshape(rng: np.random.Generator, view: View, array: Array) -> tuple[View, Array]:
    shape = random_shape(rng, array.size)
    found = view.reshaped(shape)
    return (found, array.reshape(shape)) if found is not None else (view, array)


STEPS = (_permute, _broadcast, _slice, _flip, _reshape)


def random_shape(rng: np.random.Generator, size: int) -> Shape:
    """A shape of that many elements."""
    if size == 0:
        return tuple(rng.permutation([0, 3]).tolist())
    dims, rest = [], size
    while rest > 1:
        length = int(rng.choice([d for d in range(2, rest + 1) if rest % d == 0]))
        dims.append(length)
        rest //= length
    for _ in range(rng.integers(0, 3)):
        dims.insert(int(rng.integers(0, len(dims) + 1)), 1)
    return tuple(dims)


def read(memory: Array, view: View) -> Array:
    """What stands at a view's places."""
    flat, item = memory.reshape(-1), memory.itemsize
    if 0 in view.shape:
        return np.empty(view.shape, memory.dtype)
    assert 0 <= view.offset < flat.size
    strides = tuple(stride * item for stride in view.strides)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)


def test_views_are_numpys() -> None:
    rng = np.random.default_rng(1)
    for _ in range(ROUNDS):
        memory, view, array = random_view(rng)
        assert view.shape == array.shape
        np.testing.assert_array_equal(read(memory, view), array)


def test_a_view_reshapes_where_numpy_does_not_copy() -> None:
    rng, outcomes = np.random.default_rng(2), []
    for _ in range(ROUNDS):
        memory, view, array = random_view(rng)
        shape = random_shape(rng, array.size)
        found = view.reshaped(shape)
        outcomes.append(found is not None)
        assert (found is not None) == reshapes_without_copy(view, shape), (view, shape)
        if found is not None:
            assert found.shape == shape
            np.testing.assert_array_equal(read(memory, found), array.reshape(shape))
    assert 0.2 < np.mean(outcomes) < 0.9


def reshapes_without_copy(view: View, shape: Shape) -> bool:
    """NumPy's word, for an array of the view's strides."""
    reach = sum((n - 1) * abs(stride) for n, stride in zip(view.shape, view.strides, strict=True) if n)
    memory = np.zeros(2 * reach + 1, np.int8)
    array = np.lib.stride_tricks.as_strided(memory[reach:], view.shape, view.strides)
    try:
        np.reshape(array, shape, copy=False)
    except ValueError:
        return False
    return True


def test_a_view_splits_to_every_finer_shape() -> None:
    rng = np.random.default_rng(3)
    for _ in range(ROUNDS):
        memory, view, array = random_view(rng)
        finer = tuple(part for n in array.shape for part in (random_shape(rng, n) if n else (n,)))
        found = view.split_to(finer)
        assert found is not None
        assert found.shape == finer
        np.testing.assert_array_equal(read(memory, found), array.reshape(finer))


def test_a_view_does_not_split_to_a_coarser_shape_or_another_size() -> None:
    assert View.contiguous((4, 6)).split_to((24,)) is None
    assert View.contiguous((4, 6)).split_to((8, 3)) is None
    assert View.contiguous((4, 6)).split_to((4, 5)) is None
    assert View.contiguous((0, 3)).split_to((0,)) == View((0,), (0,))


def test_same_places_whatever_the_strides_of_ones() -> None:
    assert View((1, 3), (7, 1)).same_as(View.contiguous((1, 3)))
    assert not View((2, 3), (7, 1)).same_as(View.contiguous((2, 3)))
    assert not View((1, 3), (3, 1), 1).same_as(View.contiguous((1, 3)))
    assert not View((3, 1), (1, 1)).same_as(View.contiguous((1, 3)))


def places(dims: Shape, strides: tuple[int, ...]) -> list[int]:
    return [sum(i * s for i, s in zip(point, strides, strict=True)) for point in itertools.product(*map(range, dims))]


def test_collapsed_dimensions_visit_the_same_places_in_the_same_order() -> None:
    rng = np.random.default_rng(4)
    for _ in range(ROUNDS):
        dims = tuple(rng.integers(1, 4, rng.integers(0, 5)).tolist())
        accesses: list[Any] = [_access(rng, dims) for _ in range(rng.integers(1, 4))]
        merged, found = collapsed(dims, accesses)
        assert len(merged) <= len(dims)
        assert 1 not in merged
        for before, after in zip(accesses, found, strict=True):
            assert places(dims, before) == places(merged, after)
        assert collapsed(merged, found) == (merged, found)  # nothing is left to merge


def _access(rng: np.random.Generator, dims: Shape) -> tuple[int, ...]:
    """Row-major, with repeated or shuffled dimensions now and then."""
    strides = list(contiguous_strides(dims))
    for k in range(len(dims)):
        strides[k] *= int(rng.choice([1, 1, 1, 0, 2]))
    return tuple(strides)


def test_collapsed_examples() -> None:
    assert collapsed((12, 64, 128), [(8192, 128, 1), (0, 0, 1)]) == ((768, 128), [(128, 1), (0, 1)])
    assert collapsed((12, 64, 128), [(8192, 128, 1)]) == ((98304,), [(1,)])
    assert collapsed((4, 1), [(1, 9)]) == ((4,), [(1,)])
    assert collapsed((), [(), ()]) == ((), [(), ()])
    assert collapsed((3, 0), [(0, 1)]) == ((0,), [(0,)])
