"""Optimisers and schedules by name."""

from __future__ import annotations

import math

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.train.presets import build
from chainrule.train.recipes import OPTIMIZERS, SCHEDULES, make_optimizer, make_schedule


def rates(name: str, warmup: float | None, steps: int) -> list[float]:
    """The learning rate at each step, of a peak of 1."""
    optimizer = make_optimizer("sgd", build("linear", 2, 1), 1.0)
    make = make_schedule(name, warmup)
    schedule = make(optimizer, steps) if make else None
    seen = []
    for _ in range(steps):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if schedule:
            schedule.step()
    return seen


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_a_loss(name: str) -> None:
    cr.manual_seed(0)
    model = build("mlp", 3, 1, hidden=(8,))
    x = cr.randn(32, 3)
    optimizer = make_optimizer(name, model, 0.01, 0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_weights_decay_and_biases_and_norms_do_not() -> None:
    model = build("mlp", 4, 2, hidden=(6,), norm="batch")
    decayed, others = make_optimizer("adamw", model, 0.01, 0.3).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(6, 4), (2, 6)]
    assert [tuple(p.shape) for p in others["params"]] == [(6,), (6,), (6,), (2,)]
    assert float(decayed["weight_decay"]) == pytest.approx(0.3)
    assert float(others["weight_decay"]) == 0.0


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(3, 2)
    model.weight.requires_grad_(False)
    (group,) = make_optimizer("adamw", model, 0.01).param_groups
    assert [tuple(p.shape) for p in group["params"]] == [(2,)]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 100])
def test_rates_are_above_zero_and_not_above_the_peak(name: str, steps: int) -> None:
    assert all(0 < rate <= 1.0 + 1e-6 for rate in rates(name, None, steps))


@pytest.mark.parametrize(("name", "peak"), [("onecycle", 40), ("cosine", 40), ("linear", 40)])
def test_the_peak_stands_where_the_warmup_ends_and_the_end_is_near_zero(name: str, peak: int) -> None:
    seen = rates(name, 0.4, 100)
    assert abs(seen.index(max(seen)) - peak) <= 1
    assert max(seen) == pytest.approx(1.0, abs=0.03)
    assert seen[-1] < 0.03


def test_half_way_down_a_cosine_and_a_line_are_at_half() -> None:
    assert rates("cosine", 0.0, 100)[50] == pytest.approx(0.5)
    assert rates("cosine", 0.0, 100)[25] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rates("linear", 0.0, 100)[25] == pytest.approx(0.75)


def test_constant_is_no_schedule_unless_it_warms_up() -> None:
    assert make_schedule("constant") is None
    assert rates("constant", 0.5, 8) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"unknown optimizer 'adamww'.*Did you mean 'adamw'\?"):
        make_optimizer("adamww", nn.Linear(2, 1), 0.1)
    with pytest.raises(ArgumentError, match=r"unknown schedule 'cosin'.*Did you mean 'cosine'\?"):
        make_schedule("cosin")
    with pytest.raises(ArgumentError, match=r"warmup must be a share of the steps in \[0, 1\), not 1.5"):
        make_schedule("cosine", 1.5)
