"""Norms of gradients, weights and updates."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.train import watching
from chainrule.train.events import Event, Watched
from chainrule.train.fit import fit
from tests.train.small import full_run, line, weights_of


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("compile", [True, False])
def test_watching_changes_no_bit(always: bool, compile: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not always:
        monkeypatch.setattr(watching, "FEW", 0)
    seen: list[Event] = []
    watched = full_run((seen.append,), watch=True, epochs=2, compile=compile)
    assert weights_of(watched) == weights_of(full_run(epochs=2, compile=compile))
    found = [event for event in seen if isinstance(event, Watched)]
    assert [(event.step, event.epoch) for event in found] == [(1, 1), (4, 2)]
    assert found[0].layers[:2] == ("0.weight", "0.bias")
    assert len(found[0].as_dict()["update_ratio"]) == len(found[0].layers)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_norms_are_those_of_the_step(accumulate: int) -> None:
    x, y = line(64)
    model = nn.Linear(3, 1, bias=False)
    w = model.weight.detach().numpy().astype(np.float64).copy()
    seen: list[Event] = []
    fit(
        model, (x, y), optimizer=lambda p: optim.SGD(p, 0.1), epochs=1, batch_size=64 // accumulate,
        accumulate=accumulate, watch=True, callbacks=[seen.append], compile=False,
    )  # fmt: skip
    (event,) = [event for event in seen if isinstance(event, Watched)]
    gradient = 2 * (x @ w[0] - y) @ x / 64
    norm = np.linalg.norm(gradient)
    assert event.grad_norm[0] == pytest.approx(norm, rel=1e-5)
    assert event.weight_norm[0] == pytest.approx(np.linalg.norm(w), rel=1e-5)
    assert event.update_ratio[0] == pytest.approx(0.1 * norm / np.linalg.norm(w), rel=1e-4)
