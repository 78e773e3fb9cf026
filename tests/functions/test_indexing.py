from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, DTypeError, OutOfRangeError, ShapeError


def test_basic_keys_are_views_and_others_are_copies() -> None:
    x = cr.arange(12).reshape(3, 4)
    x[1, ::2].fill_(-1)
    x[..., -1].zero_()
    assert x.tolist() == [[0, 1, 2, 0], [-1, 5, -1, 0], [8, 9, 10, 0]]
    x[[0, 1]].fill_(7)
    x[x > 5].fill_(7)
    assert x.max().item() == 10


def test_assignment_by_key() -> None:
    x = cr.zeros(2, 3)
    x[0] = 1
    x[1, 1:] = cr.tensor([2, 3])
    x[x == 1] = 4.0
    x[[0, 1], [0, 0]] = cr.tensor([5.0, 6.0])
    x[:, 2] += 1
    assert x.tolist() == [[5, 4, 5], [6, 2, 4]]


def test_assignment_casts_to_the_tensors_type() -> None:
    x = cr.zeros(2, dtype=cr.int64)
    x[0] = 1.9
    x[1] = cr.tensor(-1.9)
    assert x.tolist() == [1, -1]


def test_the_gradient_of_an_overwritten_place_is_zero() -> None:
    x = cr.ones(3, requires_grad=True)
    v = cr.tensor(2.0, requires_grad=True)
    y = x * 1
    y[1] = v
    (y * cr.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert (x.grad.tolist(), v.grad.item()) == ([1, 0, 100], 10)


def test_a_place_that_a_compiled_step_computes_is_written() -> None:
    table = cr.zeros(3)

    def mark(place: Any) -> Any:
        table[place.sum()].add_(1)
        return table * 1

    step = cr.compile(mark)
    step(np.array([1, 1]))
    step(np.array([0, 0]))
    assert table.tolist() == [1, 0, 1]
    assert step.traces == 1


@pytest.mark.parametrize(
    ("expression", "kind", "message"),
    [
        ("x[3]", OutOfRangeError, "index 3 is out of range for dimension 0 with size 2"),
        ("x[0, 0, 0]", OutOfRangeError, "3 dimensions, the tensor has 2"),
        ("x[1.0]", DTypeError, "ints, slices"),
        ("x['a']", DTypeError, "ints, slices"),
        ("x[::-1]", ArgumentError, "flip"),
        ("x[cr.tensor([True])]", ShapeError, "mask"),
        ("x[[2]]", OutOfRangeError, "index 2"),
        ("x.__setitem__(0, [1.0, 2.0, 3.0])", DTypeError, "`value` must be a Tensor or a number, not list"),
        ("x.__setitem__(0, cr.ones(2))", ShapeError, r"\[3\]"),
        ("x.gather(0, cr.tensor([[5]]))", OutOfRangeError, "index 5"),
        ("x.gather(0, cr.tensor([[0.0]]))", DTypeError, "integers"),
        ("x.scatter(0, cr.tensor([[0]]))", ArgumentError, "`src`.*`value`"),
        ("x.scatter(0, cr.tensor([[0]]), 1.0, reduce='mean')", ChainruleError, "mean"),
        ("x.masked_fill(cr.tensor([1, 0, 1]), 0)", DTypeError, "mask != 0"),
        ("x.index_fill(0, cr.tensor([[0]]), 1.0)", ShapeError, "vector"),
        ("cr.where(x, 1, 2)", DTypeError, "x != 0"),
        ("cr.where(True, 1, 2)", DTypeError, "Tensor of bools"),
        ("cr.one_hot(cr.tensor([3]), 2)", OutOfRangeError, "class 3"),
        ("cr.bincount(cr.tensor([-1]))", ArgumentError, "at least 0"),
        ("cr.take_along_dim(x, cr.tensor([0]), 1)", ShapeError, "as many dimensions"),
    ],
)
def test_errors(expression: str, kind: type[ChainruleError], message: str) -> None:
    with pytest.raises(kind, match=message):
        eval(expression, {"x": cr.zeros(2, 3), "cr": cr})


def test_picking_and_placing() -> None:
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    at = cr.tensor([[0, 0], [1, 0]])
    assert x.gather(1, at).tolist() == [[1, 1], [4, 3]]
    assert x.scatter_add(0, at[:1], cr.ones(1, 2)).tolist() == [[2, 3], [3, 4]]
    assert x.scatter(0, at[:1], 9.0).tolist() == [[9, 9], [3, 4]]
    assert x.scatter(0, at, x, reduce="add").tolist() == [[2, 8], [6, 4]]
    assert x.index_select(1, cr.tensor([1])).tolist() == [[2], [4]]
    assert x.masked_select(x > 2).tolist() == [3, 4]
    assert x.masked_fill(x > 2, 0).tolist() == [[1, 2], [0, 0]]
    assert x.where(x > 2, 0).tolist() == [[0, 0], [3, 4]]
    assert cr.where(x > 2, 1, 0).dtype is cr.int64
    assert x.nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [place.tolist() for place in cr.where(x > 2)] == [[1, 1], [0, 1]]
    assert cr.one_hot(cr.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert cr.unique(cr.tensor([3, 1, 3])).tolist() == [1, 3]
    assert cr.bincount(cr.tensor([1, 1, 0]), weights=cr.tensor([1.0, 2.0, 4.0])).tolist() == [4, 3]


def test_masked_fill_in_place_does_not_grow_the_tensor() -> None:
    x = cr.zeros(2)
    assert x.masked_fill_(cr.tensor([True, False]), 3).tolist() == [3, 0]
    with pytest.raises(ShapeError):
        x.masked_fill_(cr.ones(2, 2) > 0, 3)
