from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, GradientError, NotYetError, ShapeError


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (3, "int64"),
        (3.0, "float32"),
        (True, "bool"),
        ([1, 2.0], "float32"),
        ([True, 2], "int64"),
        ([], "float32"),
        (range(3), "int64"),
        (np.float64(1.0), "float64"),
        ([np.float64(1.0)], "float64"),
        (np.arange(2, dtype=np.int32), "int32"),
        ([np.ones(2)], "float64"),
    ],
)
def test_the_type_of_data(data: Any, dtype: str) -> None:
    assert cr.tensor(data).dtype.name == dtype


def test_data_is_copied() -> None:
    a = np.ones(3)
    made = [cr.tensor(a), cr.from_numpy(a), cr.as_tensor(a)]
    a[:] = 0
    assert [x.tolist() for x in made] == [[1, 1, 1]] * 3
    x = cr.ones(2)
    copy = cr.tensor(x)
    x.zero_()
    assert copy.tolist() == [1, 1]
    assert cr.as_tensor(x) is x


def test_memory_begins_at_multiples_of_64_bytes() -> None:
    for n in range(1, 20):
        assert cr.tensor(np.arange(float(n))).numpy().ctypes.data % 64 == 0


def test_tensors_stand_for_numbers_in_lists() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    made = cr.tensor([[x, 1], [3, x * 2]])
    assert made.tolist() == [[2, 1], [3, 4]]
    assert made.requires_grad is False
    compiled = cr.compile(lambda x: cr.tensor([x.sum(), 1.0]))
    assert compiled(np.array([1, 2], np.float32)).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: cr.tensor([[1, 2], [3]]), ShapeError, "equally long"),
        (lambda: cr.tensor("a"), DTypeError, "not str"),
        (lambda: cr.tensor([1, "a"]), DTypeError, "bools, ints and floats"),
        (lambda: cr.tensor(2**63), ArgumentError, "does not fit into int64"),
        (lambda: cr.tensor([2**64]), DTypeError, "does not fit into int64"),
        (lambda: cr.tensor([cr.ones(2), cr.ones(2)]), ShapeError, "Use `stack`"),
        (lambda: cr.tensor([1], requires_grad=True), GradientError, "int64"),
        (lambda: cr.tensor(np.array([1j])), DTypeError, "not supported"),
        (lambda: cr.from_numpy([1]), DTypeError, "see `tensor`"),
        (lambda: cr.zeros(), ArgumentError, "a size is needed"),
        (lambda: cr.zeros(2, size=3), ArgumentError, "unknown"),
        (lambda: cr.zeros(-1), ShapeError, "negative"),
        (lambda: cr.zeros(2.5), DTypeError, "must be an int"),
        (lambda: cr.zeros(2, device="cuda"), NotYetError, "cuda"),
        (lambda: cr.zeros(2, device="moon"), ArgumentError, "moon"),
        (lambda: cr.full((2,), "a"), DTypeError, "a number"),
        (lambda: cr.full((2,), cr.ones(2)), ShapeError, "no dimension"),
        (lambda: cr.arange(0, 1, 0), ArgumentError, "0"),
        (lambda: cr.arange(1, 0), ArgumentError, "no way from 1 to 0"),
        (lambda: cr.linspace(0, 1, -1), ArgumentError, "negative"),
        (lambda: cr.set_default_dtype(cr.int64), DTypeError, "floating"),
        (lambda: cr.finfo(cr.int64), DTypeError, "iinfo"),
    ],
)
def test_errors(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_ranges_are_the_same_in_a_compiled_function() -> None:
    def ranges() -> Any:
        return cr.arange(1, 7, 2), cr.arange(0, 1, 0.25), cr.linspace(-1, 2, 4), cr.eye(2, 3), cr.logspace(0, 2, 3)

    eager = ranges()
    for x, y in zip(eager, cr.compile(ranges)(), strict=True):
        assert x.dtype is y.dtype
        assert x.tolist() == y.tolist()
    assert eager[0].tolist() == [1, 3, 5]
    assert eager[2].tolist() == [-1, 0, 1, 2]


def test_a_traced_float_stays_a_number() -> None:
    def make(x: float) -> Any:
        return cr.full((2,), x), cr.tensor(x), cr.zeros(2).fill_(x), cr.ones(2) * x, cr.where(cr.ones(2) > 0, x, 0.0)

    for eager, compiled in zip(make(0.5), cr.compile(make)(0.5), strict=True):
        assert eager.dtype is compiled.dtype is cr.float32
        assert eager.tolist() == compiled.tolist()


def test_linspace_ends_where_it_should() -> None:
    assert cr.linspace(0, 0.1, 7, dtype=cr.float64)[-1].item() == 0.1


def test_likes_and_news_take_after_their_tensor() -> None:
    x = cr.ones(2, 3, dtype=cr.float64)
    assert cr.zeros_like(x).dtype is x.new_zeros(1).dtype is x.new_tensor([1]).dtype is cr.float64
    assert cr.full_like(x, 2, dtype=cr.int32).tolist() == [[2] * 3] * 2
    assert x.new_full((1,), 3).tolist() == [3]


def test_filling_overwrites() -> None:
    x = cr.zeros(2, 3)
    assert x.fill_(2) is x
    assert x.copy_(cr.tensor([1, 2, 3])).tolist() == [[1, 2, 3]] * 2
    assert x.zero_().sum().item() == 0
    with pytest.raises(ShapeError, match="Use copy_"):
        x.fill_(cr.ones(3))
    with pytest.raises(ShapeError, match=r"f32\[2\] cannot be repeated to f32\[2, 3\]"):
        x.copy_(cr.ones(2))


def test_copy_passes_the_gradient_to_its_source() -> None:
    source = cr.ones(3, requires_grad=True)
    x = cr.zeros(2, 3)
    x.copy_(source)
    x.sum().backward()
    assert source.grad.tolist() == [2, 2, 2]


def test_limits() -> None:
    assert cr.finfo(cr.float32).eps == 2**-23
    assert cr.finfo().bits == 32
    assert cr.iinfo(cr.int8).max == 127
