"""Ctrl-C in the middle of a compiled step leaves all of the old step or all of the new one, and nothing between."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.ir import state
from chainrule.nn import functional as F
from chainrule.program import Program
from chainrule.tensor import Tensor

X, Y = cr.tensor([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]]), cr.tensor([0, 1, 1])
WRITING = {"_commit_whole", "_commit", "_deliver", "write", "_as_leaf", "using", "_leaf", "result", "_make"}


class Training:
    """A model with statistics, an optimiser with slots, and a compiled step that also keeps gradients."""

    def __init__(self) -> None:
        cr.manual_seed(0)
        self.model: Any = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3), nn.Linear(3, 2))
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.step = cr.compile(self._step, keep_grads=True)
        self.step(X, Y)
        self.step(X, Y)

    def _step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def everything(self) -> list[Any]:
        """All numbers that a step writes."""
        found = [tensor.tolist() for tensor in self.model.state_dict().values()]
        found += [parameter.grad.tolist() for parameter in self.model.parameters()]
        slots = self.optimizer.state_dict()["state"].values()
        return found + [np.asarray(value).tolist() for entry in slots for value in entry.values() if value is not None]


@pytest.fixture(autouse=True)
def settings_of_its_own() -> Iterator[None]:
    """So that a test that fails leaves nothing switched off for the next one."""
    with state.using(state.gradients_enabled, True):
        yield


def states() -> tuple[list[Any], list[Any]]:
    """What everything is before a step and after it."""
    training = Training()
    before = training.everything()
    training.step(X, Y)
    after = training.everything()
    assert all(old != new for old, new in zip(before, after, strict=True)), "a step that writes little shows little"
    return before, after


def interrupted_at(event: int) -> Callable[..., Any]:
    """A trace function that presses Ctrl-C at one line of those that write."""
    left = [event]

    def trace(frame: FrameType, kind: str, _: Any) -> Any:
        if frame.f_code.co_name not in WRITING:
            return None
        if kind == "line":
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        return trace

    return trace


def test_at_every_line_that_writes() -> None:
    before, after = states()
    found: list[list[Any]] = []
    while True:
        training = Training()
        earlier = sys.gettrace()
        sys.settrace(interrupted_at(len(found)))
        try:
            training.step(X, Y)
        except KeyboardInterrupt:
            found.append(training.everything())
        else:
            break
        finally:
            sys.settrace(earlier)
        assert found[-1] in (before, after), f"half a step is written, at line {len(found)} of those that write"
        assert state.gradients_enabled.get()
    assert after in found
    assert before in found
    assert len(found) > 50


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("writes_first", [False, True])
def test_a_real_signal_pressed_again_and_again(monkeypatch: pytest.MonkeyPatch, writes_first: bool, times: int) -> None:
    _, after = states()
    training = Training()
    write, calls = Tensor.write, [0]

    def slow_write(self: Tensor, carrier: Any) -> None:
        calls[0] += 1
        if writes_first:
            write(self, carrier)
        if 3 <= calls[0] < 3 + times:
            signal.raise_signal(signal.SIGINT)
        if not writes_first:
            write(self, carrier)

    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "write", slow_write)
        with pytest.raises(KeyboardInterrupt):
            training.step(X, Y)
    assert training.everything() == after


def test_before_the_first_write_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = states()
    training = Training()

    def interrupted(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Program, "_value", interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.step(X, Y)
    assert training.everything() == before
    training.step(X, Y)
    assert training.everything() == after


# The short way: parameters are written over by machine code, counts of steps change over behind it.


class Embedded:
    """A step of which some cells are written over and others change over, because indices are checked between."""

    def __init__(self) -> None:
        cr.manual_seed(0)
        self.model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3))
        self.optimizer = optim.AdamW(self.model.parameters(), lr=0.1)
        self.step = cr.compile(self._step)
        for _ in range(4):
            self()

    def _step(self, x: Any, y: Any) -> Any:
        loss = F.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss

    def __call__(self) -> None:
        self.step(np.array([[0, 1], [2, 3], [4, 0]]), np.array([0, 1, 2]))

    def everything(self) -> list[Any]:
        found = [tensor.tolist() for tensor in self.model.state_dict().values()]
        slots = self.optimizer.state_dict()["state"].values()
        return found + [np.asarray(value).tolist() for entry in slots for value in entry.values()]


SHORT_FILES = ("short_call.py", "cell_memory.py", "runner.py", "pool.py", "choice.py")


def interrupted_in_files(event: int) -> Callable[..., Any]:
    """A trace function that presses Ctrl-C at one line of the files that a short call runs through."""
    left = [event]

    def trace(frame: FrameType, kind: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(SHORT_FILES):
            return None
        if kind == "line":
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
        return trace

    return trace


def test_at_every_line_of_a_short_call(executor: str) -> None:
    if executor != "native":
        pytest.skip("the reference executor has no short way")
    training, twin = Embedded(), Embedded()
    short = training.step._shorts[0]
    assert short.turning
    assert short.written
    kinds = set()
    for event in range(2000):
        twin()
        twin()
        before = twin.everything()
        twin()
        after = twin.everything()
        training()
        training()  # after which nobody has looked any more
        earlier = sys.gettrace()
        sys.settrace(interrupted_in_files(event))
        try:
            training()
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(earlier)
        found = training.everything()
        assert found in (before, after), f"half a step is written, at line {event}"
        kinds.add(found == after)
        if found == before:
            training()
        assert training.everything() == after, "and training goes on"
    assert kinds == {False, True}
    assert event > 30
