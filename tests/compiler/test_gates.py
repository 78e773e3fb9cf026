"""Calls that machine code looks at: what they may change, what they must see, and that Python does not look too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import gates, short_call
from chainrule.backends.native import gate
from chainrule.data import DataLoader, TensorDataset
from chainrule.errors import GradientError
from chainrule.nn import functional as F
from chainrule.short_call import ShortCall
from tests.compiler.trained import Trained, X, Y
from tests.natively import natively

native = pytest.fixture(autouse=True)(natively)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[ShortCall]:
    """The short calls that Python looked at, one after the other."""
    if not gate.is_possible():
        pytest.skip("no gates with this interpreter")
    found: list[ShortCall] = []
    look = ShortCall._looked_at

    def noted(short: ShortCall, args: tuple[Any, ...]) -> Any:
        found.append(short)
        return look(short, args)

    monkeypatch.setattr(ShortCall, "_looked_at", noted)
    return found


def test_python_looks_at_the_first_calls_only(looked: list[ShortCall]) -> None:
    trained = Trained()
    trained.both(5)
    for _ in range(2):  # reading the weights, as `both` does, is a use of the cells
        trained.steps[0](X, Y)
    looked.clear()
    for _ in range(20):
        trained.steps[0](X, Y)
    assert not looked
    for _ in range(22):
        trained.steps[1](X, Y)
    trained.compare()


def test_tensors_from_a_loader_pass_the_gate(looked: list[ShortCall]) -> None:
    trained = Trained()
    data = TensorDataset(cr.tensor(np.tile(X, (8, 1))), cr.tensor(np.tile(Y, 8)))
    batches = list(DataLoader(data, batch_size=8, shuffle=False))
    for x, y in batches[:4]:
        trained.both(1, x, y)
    looked.clear()
    for x, y in batches * 2:
        trained.steps[0](x, y)
    assert len(looked) <= 2
    for x, y in batches * 2:
        trained.steps[1](x, y)
    trained.compare()


def test_a_rate_that_changes_at_every_step_passes_the_gate(looked: list[ShortCall]) -> None:
    trained = Trained()
    trained.both(4)
    for step, optimizer in zip(trained.steps, trained.optimizers, strict=True):
        for k in range(12):
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + k)
            step(X, Y)
            if k == 3:
                looked.clear()
        assert not looked
    trained.compare()
    for optimizer in trained.optimizers:
        optimizer.param_groups[0]["lr"] = 0.01
    trained.both(2)  # and Python does not take an old number for the one that is there


@pytest.mark.parametrize("runs", [True, False], ids=["runs", "looks"])
@pytest.mark.parametrize("change", ["weights", "training", "rate of another kind", "threads", "no gradients", "batch"])
def test_what_changes_between_calls_is_seen_behind_a_gate(change: str, runs: bool, looked: list[ShortCall]) -> None:
    # A gate only looks where the program has class indices to check, and runs a program that has none.
    trained = Trained(loss=F.mse_loss if runs else F.cross_entropy)
    truth = np.eye(3, dtype=np.float32)[Y] if runs else Y
    threads = cr.get_num_threads()
    try:
        # One after the other: an eager step uses the cells, and Python looks after each such use.
        sides = list(zip(trained.steps, trained.models, trained.optimizers, strict=True))
        for step, model, optimizer in reversed(sides):
            cr.set_num_threads(threads)
            for _ in range(5):
                step(X, truth)
            compiled = step is trained.steps[0]
            if compiled:
                assert trained.short.gate.runs is runs
                looked.clear()
                step(X, truth)
                assert not looked, "a gate let it pass"
            else:
                step(X, truth)
            if change == "weights":
                model[0].weight.data.mul_(0.5)
            elif change == "training":
                model.eval()
            elif change == "rate of another kind":
                optimizer.param_groups[0]["weight_decay"] = 0.5
            elif change == "threads":
                cr.set_num_threads(2 if threads == 1 else 1)
            x, y = (X[:5], truth[:5]) if change == "batch" else (X, truth)
            if change == "no gradients":
                with cr.no_grad(), pytest.raises(GradientError):
                    step(x, y)
            else:
                step(x, y)
            if compiled and change != "rate of another kind":
                assert looked, "the gate refused"
    finally:
        cr.set_num_threads(threads)
    trained.both(3, y=truth)


def test_gates_that_let_nothing_pass_are_planned_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[ShortCall] = []

    def counted(short: ShortCall) -> Any:
        plans.append(short)
        return gates.planned(short)

    monkeypatch.setattr(short_call, "planned", counted)
    weights = cr.Parameter(cr.ones(4))
    step = cr.compile(lambda x, count: (x * weights * count).sum())
    for k in range(400):
        assert step(X, np.int64(300)).item() == pytest.approx(300 * X.sum(), rel=1e-4)
        assert k < 300 or len(plans) < 20
    assert step.traces == 1


def test_a_trace_that_gates_cannot_look_at_is_looked_at_by_python(looked: list[ShortCall]) -> None:
    chosen, rows = {1}, np.ones(4, np.float32)
    step = cr.compile(lambda x: (x * rows).sum() if 1 in chosen else x.sum())
    for _ in range(6):
        assert step(X).item() == pytest.approx(X.sum(), rel=1e-5)
    looked.clear()
    assert step(X).item() == pytest.approx(X.sum(), rel=1e-5)
    assert not looked, "but for that, a gate lets it pass"
    rows *= 2
    assert step(X).item() == pytest.approx(2 * X.sum(), rel=1e-5)
    chosen.clear()
    assert step(X).item() == pytest.approx(X.sum(), rel=1e-5)


def test_what_changes_while_a_gate_is_planned_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may change what Python has just looked at: a plan is made from what was seen."""
    factors = [2.0]
    step = cr.compile(lambda x: (x * factors[0]).sum())
    expected = 2 * X.sum()
    for _ in range(3):
        assert step(X).item() == pytest.approx(expected, rel=1e-5)

    def meanwhile(short: ShortCall) -> Any:
        factors[0] = 3.0
        return gates.planned(short)

    monkeypatch.setattr(short_call, "planned", meanwhile)
    step._shorts[0].gate = None
    assert step(X).item() == pytest.approx(expected, rel=1e-5)
    assert step(X).item() == pytest.approx(3 * X.sum(), rel=1e-5)
