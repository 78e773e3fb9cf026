"""The learning-rate finder."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError
from chainrule.train.lr_finding import lr_find, suggested
from chainrule.train.snapshot import plain
from tests.train.small import blobs, line, net


def test_model_optimiser_and_generator_are_left_as_they_were() -> None:
    model = net()
    optimizer = optim.AdamW(model.parameters(), lr=0.123)
    model.eval()
    cr.manual_seed(11)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    settings, generator = plain(optimizer.state_dict()), cr.get_rng_state().tolist()
    found = lr_find(model, blobs(), optimizer=optimizer, batch_size=16, compile=False)
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
    assert plain(optimizer.state_dict()) == settings
    assert cr.get_rng_state().tolist() == generator
    assert not model.training
    assert found.rates[0] == 1e-8
    assert len(found.rates) == len(found.losses) == len(found.smoothed)


def test_stops_at_four_times_the_best_loss() -> None:
    x, y = line(64)
    found = lr_find(
        nn.Linear(3, 1), (5 * x, y), optimizer=lambda p: optim.SGD(p, 1.0), batch_size=32, seed=0, compile=False
    )
    assert len(found.losses) < 100
    best = int(np.argmin(found.losses))
    assert max(found.losses[best:]) <= 4 * found.losses[best]
    assert found.suggestion is not None
    assert 1e-4 < found.suggestion < 0.3  # 2 / 25 is where SGD diverges


def test_same_seed_same_curve() -> None:
    curves = [lr_find(net(), blobs(), seed=4, steps=30, compile=compile).losses for compile in (False, False, True)]
    assert curves[0] == curves[1]
    assert curves[2] == pytest.approx(curves[0], rel=1e-3)


def test_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-8, 1, 100)
    falls = 1 / (1 + np.exp((np.arange(100) - 60) / 3))  # steepest at the 60th
    assert suggested(rates, falls) == pytest.approx(rates[60])
    assert suggested(rates, np.ones(100)) is None
    assert suggested(rates[:4], falls[:4]) is None


def test_bounds_are_checked() -> None:
    with pytest.raises(ArgumentError, match="lowest < highest"):
        lr_find(net(), blobs(), lowest=1.0, highest=0.1)
