"""Clipping of gradients: by norm of any order, by value, and inside a compiled step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, GradientError, TracedValueError
from chainrule.nn import utils


def parameters(*gradients: list[float] | None) -> list[Any]:
    """Parameters with these gradients."""
    found: list[Any] = []
    for gradient in gradients:
        parameter = nn.Parameter(cr.zeros(2))
        parameter.grad = None if gradient is None else cr.tensor(gradient)
        found.append(parameter)
    return found


@pytest.mark.parametrize(
    ("order", "norm"),
    [(2.0, 13.0), (1, 19.0), (math.inf, 12.0), ("inf", 12.0), (3.0, (27 + 64 + 1728) ** (1 / 3))],
    ids=["2", "1", "inf", "'inf'", "3"],
)
def test_norms(order: Any, norm: float) -> None:
    ps = parameters([3.0, -4.0], None, [12.0, 0.0])
    gradient = ps[0].grad
    total = utils.clip_grad_norm_(ps, norm / 2, order)
    assert total.item() == pytest.approx(norm)
    assert ps[0].grad is gradient
    assert gradient.tolist() == pytest.approx([1.5, -2])
    assert ps[2].grad.tolist() == pytest.approx([6, 0])


def test_what_is_small_enough_stays_to_the_bit() -> None:
    (p,) = parameters([0.3, -0.4])
    before = p.grad.tolist()
    assert utils.clip_grad_norm_(p, 1.0, foreach=True).item() == pytest.approx(0.5)
    assert p.grad.tolist() == before


def test_value() -> None:
    ps = parameters([3.0, -4.0], None, [0.1, 0.0])
    utils.clip_grad_value_(ps, 0.5)
    assert ps[0].grad.tolist() == [0.5, -0.5]
    assert ps[2].grad.tolist() == [np.float32(0.1), 0]


def test_no_gradients() -> None:
    assert utils.clip_grad_norm_(parameters(None), 1.0).item() == 0
    assert utils.get_total_norm([]).item() == 0
    with pytest.warns(UserWarning, match="empty"):
        utils.clip_grad_norm_((p for p in parameters()), 1.0)


def test_total_norm_of_tensors() -> None:
    assert utils.get_total_norm([cr.tensor([3.0]), cr.tensor([[4.0]])]).item() == 5
    assert utils.get_total_norm(cr.zeros(0)).item() == 0
    for order in (0, -1, math.nan):
        with pytest.raises(ArgumentError, match="norm_type"):
            utils.get_total_norm(cr.ones(1), order)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite(bad: float) -> None:
    with pytest.raises(GradientError, match="error_if_nonfinite"):
        utils.clip_grad_norm_(parameters([bad, 0.0]), 1.0, error_if_nonfinite=True)
    (p,) = parameters([bad, 1.0])
    assert not math.isfinite(utils.clip_grad_norm_(p, 1.0).item())


def test_element_types_may_differ() -> None:
    ps = parameters([3.0, 0.0])
    other = nn.Parameter(cr.zeros(1, dtype=cr.float64))
    other.grad = cr.tensor([4.0], dtype=cr.float64)
    utils.clip_grad_norm_([*ps, other], 1.0)
    assert (ps[0].grad.dtype, other.grad.dtype) == (cr.float32, cr.float64)
    assert other.grad.item() == pytest.approx(0.8)


@pytest.mark.parametrize("order", [2.0, 1.0, math.inf, 3.0])
def test_in_a_compiled_step(order: float) -> None:
    x = np.array([[1, 2], [3, -4]], np.float32)

    def step(layer: Any, x: Any, max_norm: Any) -> Any:
        layer.zero_grad()
        layer(x).square().sum().backward()
        norm = utils.clip_grad_norm_(layer.parameters(), max_norm, order)
        utils.clip_grad_value_(layer.parameters(), 0.3)
        return norm, layer.weight.grad, layer.bias.grad

    cr.manual_seed(0)
    layer = nn.Linear(2, 3)
    compiled = cr.compile(lambda x, max_norm: step(layer, x, max_norm))
    for max_norm in (0.5, 1e6):
        for found, expected in zip(compiled(x, max_norm), step(layer, x, max_norm), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)  # machine code has bits of its own
    assert compiled.traces == 1


def test_a_compiled_step_cannot_ask_whether_the_norm_is_finite() -> None:
    layer = nn.Linear(2, 1)

    @cr.compile
    def step(x: Any) -> Any:
        layer(x).sum().backward()
        return utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)

    with pytest.raises(TracedValueError, match="check it there"):
        step(np.array([[1, 2]], np.float32))
