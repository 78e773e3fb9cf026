"""A loss that is not finite: when, where it began, and what the model is left with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import DivergedError
from chainrule.train import loop as loops
from chainrule.train.events import Diverged, Event
from chainrule.train.fit import fit
from tests.train.small import blobs, line, net

LATE = 59  # a row that the first two batches of seed 2 do not hold


class Root(nn.Module):
    """A layer whose derivative is infinite at 0, or whose value is none below."""

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        root: cr.Tensor = x.sqrt()
        return root


def failing(model: nn.Module, data: Any, **other: Any) -> tuple[DivergedError, list[Event]]:
    seen: list[Event] = []
    with pytest.raises(DivergedError) as caught:
        fit(model, data, callbacks=[seen.append], seed=0, **other)
    return caught.value, seen


@pytest.mark.parametrize("compile", [True, False])
def test_first_layer_whose_output_is_not_finite_is_named(compile: bool) -> None:
    x, y = line(32)
    model = nn.Sequential(nn.Linear(3, 4), Root(), nn.Linear(4, 1))
    error, seen = failing(model, (x, y), compile=compile)
    assert (error.step, error.epoch, error.layer) == (1, 1, "1")
    assert "the output of Root held" in error.message
    assert isinstance(seen[-1], Diverged)
    assert seen[-1].layer == "1"


def test_data_are_named() -> None:
    x, y = blobs()
    x[50, 2] = np.nan
    error, _ = failing(net(), (x, y), batch_size=20, compile=False)
    assert error.layer is None
    assert "the inputs of this batch hold 1 of 80 numbers that are NaN" in error.message


def test_gradient_is_named_where_it_began_and_not_where_it_arrived() -> None:
    x, y = line(32)
    first = nn.Linear(3, 4)
    with cr.no_grad():
        first.weight.zero_()
        first.get_parameter("bias").zero_()  # so the root's derivative is infinite, and its value fine
    model = nn.Sequential(first, Root(), nn.Linear(4, 1))
    error, _ = failing(model, (x, y), batch_size=8, compile=False)
    assert error.layer == "0"
    assert (error.step, "at step 1 in layer 0: the gradient of 0.bias" in error.message) == (2, True)


@pytest.mark.parametrize("restore_best", [True, False])
def test_last_good_weights_are_put_back(restore_best: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "REPEATED", 1)
    x, y = line(32)
    model = nn.Linear(3, 1)
    error, _ = failing(
        model, (100 * x, y), optimizer=lambda p: optim.SGD(p, 0.1), epochs=50, batch_size=32, compile=False,
        restore_best=restore_best,
    )  # fmt: skip
    assert error.step > 3
    assert np.isfinite(model.weight.detach().numpy()).all()


class StopAt:
    """Stops a run within its first epoch."""

    def __call__(self, event: Event) -> None: ...

    def stepped(self, loop: loops.Loop) -> None:
        if loop.steps == 2:
            loop.stop("interrupted")


def test_run_that_went_on_within_an_epoch_knows_where_it_began(tmp_path: Path) -> None:
    x, y = blobs()
    x[LATE, 2] = np.nan
    settings: dict[str, Any] = {"batch_size": 12, "compile": False, "seed": 2, "checkpoints": tmp_path / "c"}
    assert fit(net(), (x, y), callbacks=[StopAt()], **settings).stopped == "interrupted"
    with pytest.raises(DivergedError) as caught:
        fit(net(), (x, y), resume=True, **settings)
    assert caught.value.step > 2
    assert "the inputs of this batch" in caught.value.message


def test_loader_that_gives_other_batches_each_time_is_not_blamed() -> None:
    class Fickle:
        passes = 0

        def __len__(self) -> int:
            return 2

        def __iter__(self) -> Any:
            self.passes += 1
            x, y = line(16)
            for k in range(2):
                yield (x * np.nan if (self.passes, k) == (2, 1) else x), y

    error, _ = failing(nn.Linear(3, 1), Fickle(), compile=False)
    assert "did not happen again" in error.message
