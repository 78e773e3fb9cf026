"""A run that goes on from any step ends with the bits of the run that was not stopped."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.data import DataLoader, TensorDataset
from chainrule.train.events import Event
from chainrule.train.fit import fit
from chainrule.train.loop import Loop
from tests.train.small import blobs, full_run, losses, net, weights_of


class Keep:
    """Keeps the state after each step and each epoch, by way of copies and JSON, as a file does."""

    def __init__(self) -> None:
        self.states: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def __call__(self, event: Event) -> None:
        if type(event).__name__ == "EpochEnded":
            assert event.loop is not None
            self.stepped(event.loop)

    def stepped(self, loop: Loop) -> None:
        arrays, meta = loop.state()
        self.states.append(({name: array.copy() for name, array in arrays.items()}, json.loads(json.dumps(meta))))


@pytest.mark.parametrize("compile", [True, False])
def test_resumed_at_every_step(compile: bool) -> None:
    keep = Keep()
    whole = full_run((keep,), compile=compile)
    plain = full_run(compile=compile)
    assert weights_of(plain) == weights_of(whole)  # looking changes nothing
    assert len(keep.states) == 4 * 3 + 4
    for state in keep.states[:: 1 if not compile else 3]:
        again = full_run(resume=state, compile=compile)
        assert losses(again) == losses(whole)
        assert weights_of(again) == weights_of(whole)
        assert again.best_epoch == whole.best_epoch


def test_resumed_with_a_loader_gathered_gradients_and_a_schedule_per_epoch() -> None:
    def run(**other: Any) -> Any:
        x, y = blobs(50)
        loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
        return fit(
            net(), loader, blobs(20, 1), optimizer=lambda p: optim.SGD(p, 0.1, momentum=0.9), epochs=3, accumulate=3,
            schedule=lambda o, total: optim.lr_scheduler.ReduceLROnPlateau(o, patience=0),
            seed=1, compile=False, **other,
        )  # fmt: skip

    keep = Keep()
    whole = run(callbacks=[keep])
    for state in keep.states:
        assert weights_of(run(resume=state)) == weights_of(whole)


def test_state_of_another_model_is_refused_before_anything_is_written() -> None:
    keep = Keep()
    full_run((keep,), epochs=1, compile=False)
    other = nn.Linear(4, 3)
    before = other.weight.detach().numpy().copy()
    with pytest.raises(KeyError, match="another model"):
        full_run(model=other, resume=keep.states[0], compile=False)
    assert np.array_equal(other.weight.detach().numpy(), before)


def test_same_seed_same_bits_and_another_seed_others() -> None:
    first, second, other = [full_run(seed=seed, epochs=2, compile=False) for seed in (5, 5, 6)]
    assert weights_of(first) == weights_of(second) != weights_of(other)
