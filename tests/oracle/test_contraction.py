from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule.ir.types import Shape
from chainrule.ir.value import Value
from chainrule.ops.contraction import linear, matmul
from tests.oracle.agreement import assert_agrees, assert_equal

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((6, 5, 2, 3), (3, 4)),
        ((5, 2, 3), (3,)),
        ((2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
        ((3,), (6, 5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((6, 1, 2, 3), (5, 3, 4)),
        ((6, 1, 2, 3), (1, 5, 3, 4)),
        ((1, 2, 3), (1, 3, 4)),
        ((1, 1, 2, 3), (3, 4)),
        ((2, 3), (1, 1, 3, 4)),
        ((5, 2, 3), (1, 3, 4)),
        ((1, 2, 3), (5, 3, 4)),
        ((1, 1, 2, 3), (5, 3, 4)),
        ((0, 3), (3, 4)),
        ((2, 0), (0, 4)),
        ((2, 3), (3, 0)),
        ((0,), (0,)),
        ((0, 2, 3), (3, 4)),
        ((0, 2, 3), (1, 3, 4)),
        ((1, 2, 3), (0, 3, 4)),
        ((5, 2, 0), (0, 4)),
    ],
)
def test_matmul(a: Shape, b: Shape) -> None:
    assert_agrees(matmul, torch.matmul, RNG.standard_normal(a), RNG.standard_normal(b))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_matmul_of_integers_wraps_around(dtype: str) -> None:
    x, w = (RNG.integers(0, 100, shape).astype(dtype) for shape in ((2, 3, 4), (4, 5)))
    assert_equal(matmul(Value(x), Value(w)).array, torch.from_numpy(x) @ torch.from_numpy(w), 0)


@pytest.mark.parametrize(
    ("x", "weight", "bias"),
    [
        ((2, 3), (4, 3), (4,)),
        ((3,), (4, 3), (4,)),
        ((5, 2, 3), (4, 3), (4,)),
        ((5, 2, 3), (4, 3), (1,)),
        ((2, 3), (4, 3), (2, 4)),
        ((2, 3), (4, 3), ()),
        ((0, 3), (4, 3), (4,)),
        ((2, 0), (4, 0), (4,)),
        ((2, 3), (0, 3), (0,)),
    ],
)
def test_linear(x: Shape, weight: Shape, bias: Shape) -> None:
    assert_agrees(linear, torch.nn.functional.linear, *map(RNG.standard_normal, (x, weight, bias)))


@pytest.mark.parametrize("x", [(3,), (2, 3), (5, 2, 3)])
@pytest.mark.parametrize("weight", [(4, 3), (3,)])
def test_linear_without_bias(x: Shape, weight: Shape) -> None:
    assert_agrees(linear, torch.nn.functional.linear, RNG.standard_normal(x), RNG.standard_normal(weight))
