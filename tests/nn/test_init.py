"""Initialisers: moments and bounds, what they write to, what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import init


@pytest.fixture(autouse=True)
def _seed() -> None:
    cr.manual_seed(0)


def weight(*shape: int) -> Any:
    return nn.Parameter(cr.full(shape or (200, 300), 7.0))


def test_constants() -> None:
    w = weight(2, 3)
    assert init.constant_(w, 0.5) is w
    assert w.tolist() == [[0.5] * 3] * 2
    assert init.ones_(w).tolist() == [[1] * 3] * 2
    assert init.zeros_(w).sum().item() == 0
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert w.requires_grad
    assert w.is_leaf
    assert init.ones_(cr.zeros(2, dtype=cr.int64)).tolist() == [1, 1]
    with pytest.raises(ShapeError):
        init.eye_(weight(3))


@pytest.mark.parametrize(
    ("fill", "deviation", "bound"),
    [
        (lambda w: init.uniform_(w, -1, 3), 4 / math.sqrt(12), None),
        (lambda w: init.normal_(w, 1.0, 0.5), 0.5, None),
        (lambda w: init.xavier_uniform_(w, 2.0), 2 * math.sqrt(2 / 500), 2 * math.sqrt(6 / 500)),
        (lambda w: init.xavier_normal_(w), math.sqrt(2 / 500), None),
        (lambda w: init.kaiming_uniform_(w), math.sqrt(2 / 300), math.sqrt(6 / 300)),
        (lambda w: init.kaiming_uniform_(w, math.sqrt(5)), math.sqrt(1 / 900), math.sqrt(1 / 300)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 200), None),
        (lambda w: init.trunc_normal_(w, std=0.02), 0.02, None),
        (lambda w: init.trunc_normal_(w, std=2.0, a=-2, b=2), 2 * 0.53956, 2.0),
    ],
    ids=range(9),
)
def test_moments_and_bounds(fill: Any, deviation: float, bound: float | None) -> None:
    w = weight()
    assert fill(w) is w
    values = w.detach().numpy()
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert abs(values.mean() - round(float(values.mean()))) < 0.02
    if bound is not None:
        assert 0.99 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
    assert w.requires_grad
    assert w.is_leaf


def test_the_seed_decides() -> None:
    first, second = init.normal_(weight(5)).tolist(), init.normal_(weight(5)).tolist()
    assert first != second
    cr.manual_seed(0)
    assert init.normal_(weight(5)).tolist() == first
    generator = cr.Generator().manual_seed(0)
    assert init.normal_(weight(5), generator=generator).tolist() == first


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 2) == math.sqrt(2 / 5)
    assert init.calculate_gain("conv_transpose3d") == init.calculate_gain("sigmoid") == 1
    for wrong in (("softmax",), ("leaky_relu", True), ("leaky_relu", "x")):
        with pytest.raises(ArgumentError):
            init.calculate_gain(*wrong)


def test_fans() -> None:
    assert init._calculate_fan_in_and_fan_out(weight(3, 5)) == (5, 3)
    assert init._calculate_fan_in_and_fan_out(weight(3, 5, 2, 2)) == (20, 12)
    with pytest.raises(ShapeError):
        init.xavier_uniform_(weight(3))
    with pytest.raises(ArgumentError, match="fan_mid"):
        init.kaiming_normal_(weight(2, 2), mode="fan_mid")


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(weight(*shape), gain=2.0)
    matrix = w.detach().numpy().reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)
    with pytest.raises(ShapeError):
        init.orthogonal_(weight(3))


def test_empty_weights_stay_empty() -> None:
    for fill in (init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_):
        assert fill(weight(0, 3)).shape == (0, 3)


def test_a_mean_far_outside_the_bounds_is_told() -> None:
    with pytest.warns(UserWarning, match="2 std"):
        init.trunc_normal_(weight(3), mean=9.0)
