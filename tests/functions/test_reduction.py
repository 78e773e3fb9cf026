from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, ShapeError

X = [[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x.sum()", 21),
        ("x.sum(0)", [5, 7, 9]),
        ("x.sum((0, 1), keepdim=True)", [[21]]),
        ("x.sum(())", 21),
        ("x.mean(1)", [3, 4]),
        ("x.prod(1)", [15, 48]),
        ("x.var(1)", [4, 4]),
        ("x.std(1)", [2, 2]),
        ("x.var(1, unbiased=False)", [8 / 3, 8 / 3]),
        ("x.var(False)", 35 / 12),
        ("x.var(dim=1, correction=0)", [8 / 3, 8 / 3]),
        ("x.max()", 6),
        ("x.amax(0)", [4, 5, 6]),
        ("x.argmax()", 5),
        ("x.argmax(1)", [1, 2]),
        ("x.argmin(1, keepdim=True)", [[0], [1]]),
        ("(x > 5).any(1)", [False, True]),
        ("(x > 0).all()", True),
        ("x.cumsum(1)", [[1, 6, 9], [4, 6, 12]]),
        ("x.cumprod(0)", [[1, 5, 3], [4, 10, 18]]),
        ("x.norm()", math.sqrt(91)),
        ("x.norm(1, dim=0)", [5, 7, 9]),
        ("x.norm(math.inf)", 6),
        ("x.median()", 3),
        ("x.count_nonzero()", 6),
        ("cr.tensor([True, True]).sum()", 2),
    ],
)
def test_values(expression: str, expected: Any) -> None:
    found = eval(expression, {"x": cr.tensor(X), "cr": cr, "math": math}).tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_three_forms_of_max() -> None:
    x = cr.tensor(X)
    assert x.max().item() == 6
    pair = x.max(dim=1)
    assert (pair.values.tolist(), pair.indices.tolist()) == ([5, 6], [1, 2])
    values, indices = cr.max(x, 0, keepdim=True)
    assert (values.tolist(), indices.tolist()) == ([[4, 5, 6]], [[1, 0, 1]])
    assert cr.max(x, cr.full((3,), 3.5)).tolist() == [[3.5, 5, 3.5], [4, 3.5, 6]]
    assert x.min(other=cr.tensor(2.0)).tolist() == [[1, 2, 2], [2, 2, 2]]


def test_ties_share_the_gradient_except_along_a_dimension() -> None:
    x = cr.tensor([3.0, 3.0], requires_grad=True)
    x.max().backward()
    x.max(0).values.backward()
    assert x.grad.tolist() == [1.5, 0.5]


def test_sorting_returns_named_pairs() -> None:
    x = cr.tensor([2.0, 3.0, 1.0])
    assert x.sort(descending=True).values.tolist() == [3, 2, 1]
    assert x.topk(2).indices.tolist() == [1, 0]
    assert x.argsort().tolist() == [2, 0, 1]
    assert x.kthvalue(2).values.item() == 2


def test_dtype_is_converted_to_before_the_sum() -> None:
    assert cr.tensor([1, 2]).sum(dtype=cr.float64).dtype is cr.float64
    assert cr.tensor([200, 100], dtype=cr.uint8).sum().item() == 300


def test_the_derivative_of_a_standard_deviation_of_equals_is_zero() -> None:
    x = cr.ones(3, requires_grad=True)
    x.std().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_the_derivative_of_a_norm_of_zeros_is_zero() -> None:
    x = cr.zeros(3, requires_grad=True)
    (x.norm() + x.norm(1.5) + x.norm(3)).backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_errors_show_the_repair() -> None:
    with pytest.raises(DTypeError, match=r"i64\[2\].*x\.float\(\)\.mean"):
        cr.tensor([1, 2]).mean()
    with pytest.raises(ShapeError, match="dimension 1 does not exist"):
        cr.ones(2).sum(1)
    with pytest.raises(ShapeError, match="twice"):
        cr.ones(2).sum((0, -1))
    with pytest.raises(ShapeError, match="empty"):
        cr.ones(0).max()
    with pytest.raises(ArgumentError, match="not both"):
        cr.ones(2).var(0, True, correction=2)
    with pytest.raises(ArgumentError, match="k must be"):
        cr.ones(2).topk(3)
