"""One step of each optimiser, worked by hand from its paper; trajectories stand in tests/oracle/test_optim.py."""

import math
from typing import Any

import numpy as np
import pytest

from chainrule import optim
from chainrule.ir.errors import ArgumentError, NotYetError
from chainrule.ir.types import float64
from chainrule.tensor import Parameter, from_array


def parameter(*values: float) -> Parameter:
    return Parameter(from_array(np.array(values, np.float64)))


def step(optimizer: optim.Optimizer, p: Parameter, *gradient: float) -> list[float]:
    p.grad = from_array(np.array(gradient), float64)
    optimizer.step()
    values: list[float] = p.detach().tolist()
    return values


def test_sgd_goes_against_the_gradient() -> None:
    p = parameter(1.0, 2.0)
    assert step(optim.SGD([p], lr=0.1), p, 0.5, -1.0) == pytest.approx([0.95, 2.1])


def test_sgd_momentum_takes_the_first_gradient_whole_and_dampens_the_rest() -> None:
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, dampening=0.5)
    assert step(optimizer, p, 2.0) == pytest.approx([0.8])  # b = 2
    assert step(optimizer, p, 4.0) == pytest.approx([0.42])  # b = 0.9 * 2 + 0.5 * 4 = 3.8


def test_sgd_nesterov_looks_ahead() -> None:
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5, nesterov=True)
    assert step(optimizer, p, 2.0) == pytest.approx([0.7])  # b = 2, g + 0.5 b = 3
    assert step(optimizer, p, 1.0) == pytest.approx([0.5])  # b = 2, g + 0.5 b = 2


def test_adam_first_step_is_the_learning_rate() -> None:
    """Kingma and Ba, section 2.1: with eps = 0 the first step is lr * sign(g), whatever the gradient's size."""
    p = parameter(1.0, 1.0, 1.0)
    assert step(optim.Adam([p], lr=0.01, eps=0), p, 3.0, -1e-6, 1e6) == pytest.approx([0.99, 1.01, 0.99])


def test_adam_second_step() -> None:
    """Kingma and Ba, algorithm 1, beta = (0.9, 0.999): m = 0.1 * 1 * 0.9 + 0.1 * 3, v = 0.001 * 0.999 + 0.001 * 9."""
    p = parameter(0.0)
    optimizer = optim.Adam([p], lr=0.1, eps=0)
    step(optimizer, p, 1.0)
    mean, square = 0.39 / (1 - 0.81), 0.009999 / (1 - 0.998001)
    assert step(optimizer, p, 3.0) == pytest.approx([-0.1 - 0.1 * mean / math.sqrt(square)])


def test_adam_weight_decay_passes_through_the_averages_and_adamw_beside_them() -> None:
    """Loshchilov and Hutter, algorithm 2: coupled decay of a zero gradient is a step of lr; decoupled it is lr w p."""
    coupled, decoupled = parameter(2.0), parameter(2.0)
    assert step(optim.Adam([coupled], lr=0.1, weight_decay=0.5, eps=0), coupled, 0.0) == pytest.approx([1.9])
    assert step(optim.AdamW([decoupled], lr=0.1, weight_decay=0.5), decoupled, 0.0) == pytest.approx([1.9])
    assert step(optim.AdamW([decoupled], lr=0.1, weight_decay=0.1), decoupled, 0.0) == pytest.approx([1.881])


def test_amsgrad_divides_by_the_largest_square_so_far() -> None:
    """Reddi, Kale and Kumar, algorithm 2, beta = (0, 0.5): v = 8, then 4; with PyTorch's bias correction."""
    p = parameter(0.0)
    optimizer = optim.Adam([p], lr=1.0, betas=(0.0, 0.5), eps=0, amsgrad=True)
    assert step(optimizer, p, 4.0) == pytest.approx([-1.0])
    assert step(optimizer, p, 0.0) == pytest.approx([-1.0])
    assert optimizer.state[p]["max_exp_avg_sq"].tolist() == [8.0]
    assert step(optimizer, p, 1.0) == pytest.approx([-1.0 - 1 / math.sqrt(8 / 0.875)])


def test_rmsprop_divides_by_the_root_of_the_mean_square() -> None:
    """Tieleman and Hinton, lecture 6.5: v = 0.75 * 0 + 0.25 * 4^2 = 4."""
    p = parameter(1.0)
    assert step(optim.RMSprop([p], lr=0.1, alpha=0.75, eps=0), p, 4.0) == pytest.approx([0.8])


def test_centered_rmsprop_takes_the_mean_off() -> None:
    """Graves, equations 38 to 40: v - a^2 = 0.5 * 4 - (0.5 * 2)^2 = 1."""
    p = parameter(1.0)
    assert step(optim.RMSprop([p], lr=0.1, alpha=0.5, eps=0, centered=True), p, 2.0) == pytest.approx([0.8])


def test_adagrad_divides_by_the_root_of_the_sum_of_squares() -> None:
    """Duchi, Hazan and Singer, section 1: s = 9, then 9 + 16 = 25."""
    p = parameter(1.0)
    optimizer = optim.Adagrad([p], lr=0.1, eps=0)
    assert step(optimizer, p, 3.0) == pytest.approx([0.9])
    assert step(optimizer, p, 4.0) == pytest.approx([0.82])


def test_adagrad_learning_rate_decays_and_its_sum_may_begin_above_zero() -> None:
    p = parameter(1.0)
    optimizer = optim.Adagrad([p], lr=0.1, lr_decay=1.0, initial_accumulator_value=7.0, eps=0)
    assert optimizer.state[p]["sum"].tolist() == [7.0]
    assert step(optimizer, p, 3.0) == pytest.approx([1 - 0.1 * 3 / 4])
    assert step(optimizer, p, 3.0) == pytest.approx([1 - 0.1 * 3 / 4 - 0.05 * 3 / 5])


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_maximize_ascends(kind: Any) -> None:
    down, up = parameter(1.0), parameter(1.0)
    below = step(kind([down], lr=0.1, weight_decay=0), down, 2.0)
    above = step(kind([up], lr=0.1, weight_decay=0, maximize=True), up, 2.0)
    assert below[0] < 1 < above[0]
    assert above[0] - 1 == pytest.approx(1 - below[0])


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_updates_keep_the_element_type_of_a_scalar(kind: Any) -> None:
    p = Parameter(from_array(np.float32(1)))
    p.grad = from_array(np.float32(1))
    optimizer = kind([p], lr=0.1)
    optimizer.step()
    assert p.dtype.name == "float32"
    assert p.shape == ()
    assert {slot.dtype.name for slot in optimizer.state[p].values()} <= {"float32"}


def test_an_average_that_keeps_nothing_is_the_gradient_itself_after_a_spike() -> None:
    p = parameter(0.0)
    optimizer = optim.Adam([p], lr=0.0, betas=(0.0, 0.9))
    step(optimizer, p, 1e30)
    step(optimizer, p, 1.0)
    assert optimizer.state[p]["exp_avg"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (optim.SGD, {"lr": -1}, "SGD: lr must be at least 0, not -1"),
        (optim.SGD, {"lr": float("nan")}, "lr must be at least 0"),
        (optim.SGD, {"lr": "fast"}, "lr must be a number, not 'fast'"),
        (optim.SGD, {"momentum": -0.1}, "momentum must be at least 0"),
        (optim.SGD, {"nesterov": True}, "nesterov needs a momentum"),
        (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "no dampening"),
        (optim.Adam, {"eps": -1e-8}, "Adam: eps must be at least 0"),
        (optim.Adam, {"betas": (0.9, 1.0)}, r"betas\[1\] must be in \[0, 1\), not 1.0"),
        (optim.Adam, {"betas": 0.9}, "betas must be two numbers"),
        (optim.AdamW, {"weight_decay": -1}, "AdamW: weight_decay must be at least 0"),
        (optim.RMSprop, {"alpha": -1}, "alpha must be at least 0"),
        (optim.Adagrad, {"lr_decay": -1}, "lr_decay must be at least 0"),
        (optim.Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kind([parameter(1.0)], **settings)


def test_a_learning_rate_of_several_numbers_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"lr must be one number, not a tensor f64\[2\]"):
        optim.SGD([parameter(1.0)], lr=from_array(np.ones(2)))


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_differentiable_is_not_there_yet(kind: Any) -> None:
    with pytest.raises(NotYetError, match="differentiable"):
        kind([parameter(1.0)], differentiable=True)


@pytest.mark.parametrize("name", ["LBFGS", "NAdam", "Adafactor", "swa_utils"])
def test_other_optimisers_are_named_as_missing(name: str) -> None:
    with pytest.raises(NotYetError, match=f"optim.{name} is part of"):
        getattr(optim, name)
    assert not hasattr(optim, "Adamm")
