"""Checkpoints of runs: when they are written, which stay, and that a run goes on from them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from chainrule import nn
from chainrule.ir.errors import ArgumentError, FileError
from chainrule.train import checkpoint
from chainrule.train.events import CheckpointSaved, EpochEnded, Event, Note
from chainrule.train.keeper import Keeper
from chainrule.train.loop import Loop
from chainrule.train.run import Run
from tests.train.small import full_run, losses, weights_of


class Events:
    """Keeps events, and stops the run at a step if it is to."""

    def __init__(self, stop_at: int | None = None, reason: str = "interrupted") -> None:
        self.seen: list[Event] = []
        self.stop_at, self.reason = stop_at, reason

    def __call__(self, event: Event) -> None:
        self.seen.append(event)

    def stepped(self, loop: Loop) -> None:
        if loop.steps == self.stop_at:
            loop.stop(self.reason)

    def steps(self) -> list[int]:
        return [event.step for event in self.seen if isinstance(event, CheckpointSaved)]


@pytest.fixture(scope="module")
def whole() -> Run:
    """The run that nothing stops."""
    return full_run(compile=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_at_the_end_of_each_epoch_and_the_last_two_stay(tmp_path: Path) -> None:
    events = Events()
    full_run((events,), checkpoints=Keeper(tmp_path, sync_share=1), compile=False)
    assert events.steps() == [3, 6, 9, 12]
    assert names(tmp_path) == ["step-00000009.safetensors", "step-00000012.safetensors"]


def test_long_epochs_have_checkpoints_within(tmp_path: Path) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 10
        return now[0]

    events = Events()
    full_run((events,), checkpoints=Keeper(tmp_path, every_seconds=25, clock=clock), epochs=2, compile=False)
    assert len(events.steps()) > 3


def test_the_last_one_that_is_on_the_disk_itself_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = checkpoint.write

    def write(folder: Path, step: int, *args: Any, sync: bool) -> Path:
        if sync:
            synced.append(step)
        return real(folder, step, *args, sync=sync)

    monkeypatch.setattr(checkpoint, "write", write)
    keeper = Keeper(tmp_path, sync_share=1e-9)
    with pytest.raises(OSError, match="the power fails"):
        full_run((Failing(9),), checkpoints=keeper, compile=False)
    assert synced == [3]
    assert names(tmp_path) == ["step-00000003.safetensors", "step-00000006.safetensors"]
    full_run(checkpoints=keeper, resume=True, compile=False)
    assert synced[-1] == 12  # the end of a run is on the disk


class Failing:
    """Ends a run at a step as a crash would."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnded) and event.step == self.at:
            raise OSError("the power fails")


@pytest.mark.parametrize(
    ("stop_at", "reason"), [(1, "interrupted"), (3, "terminated"), (4, "terminated"), (11, "interrupted")]
)
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(
    whole: Run, tmp_path: Path, stop_at: int, reason: str
) -> None:
    stopped = full_run((Events(stop_at, reason),), checkpoints=tmp_path, compile=False)
    assert stopped.stopped == reason
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == stop_at
    again = full_run(checkpoints=tmp_path, resume=True, compile=False)
    assert (losses(again), weights_of(again), again.stopped) == (losses(whole), weights_of(whole), "all epochs")


def test_a_run_that_stopped_by_itself_does_not_go_on(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"patience": 1, "monitor": "loss", "min_delta": 100.0, "compile": False}
    first = full_run(checkpoints=tmp_path, **settings)
    assert first.stopped not in ("all epochs", "interrupted")
    again = full_run(checkpoints=tmp_path, resume=True, **settings)
    assert (again.stopped, losses(again), weights_of(again)) == (first.stopped, losses(first), weights_of(first))


def test_a_run_whose_time_is_over_goes_on_when_it_gets_more(tmp_path: Path) -> None:
    first = full_run(checkpoints=tmp_path, compile=False, time_limit=1e-9)
    assert first.stopped == "time limit"
    again = full_run(checkpoints=tmp_path, resume=True, compile=False, time_limit=1e-9)
    assert (again.stopped, losses(again), weights_of(again)) == (first.stopped, losses(first), weights_of(first))
    more = full_run(checkpoints=tmp_path, resume=True, compile=False)
    assert (more.stopped, len(more.history)) == ("all epochs", 4)


def test_a_finished_run_is_given_again(tmp_path: Path) -> None:
    first = full_run(checkpoints=tmp_path, compile=False)
    again = full_run(checkpoints=tmp_path, resume=True, compile=False)
    assert (losses(again), weights_of(again)) == (losses(first), weights_of(first))


def test_nothing_to_go_on_from_is_a_beginning(whole: Run, tmp_path: Path) -> None:
    again = full_run(checkpoints=tmp_path, resume=True, compile=False)
    assert weights_of(again) == weights_of(whole)


def test_a_damaged_checkpoint_is_said_and_replaced(whole: Run, tmp_path: Path) -> None:
    full_run((Events(7),), checkpoints=Keeper(tmp_path, sync_share=1), compile=False)
    assert names(tmp_path) == ["step-00000006.safetensors", "step-00000007.safetensors"]
    path = tmp_path / "step-00000007.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    events = Events()
    again = full_run((events,), checkpoints=tmp_path, resume=True, compile=False)
    notes = [event.text for event in events.seen if isinstance(event, Note)]
    assert len(notes) == 1
    assert str(path) in notes[0]
    assert "The checkpoint before it is used." in notes[0]
    assert weights_of(again) == weights_of(whole)


def test_checkpoints_of_another_run_are_not_replaced(tmp_path: Path) -> None:
    full_run(checkpoints=tmp_path, epochs=1, compile=False)
    before = names(tmp_path)
    with pytest.raises(ArgumentError, match=r"holds the checkpoints of a run\. resume=True goes on"):
        full_run(checkpoints=tmp_path, compile=False)
    assert names(tmp_path) == before
    with pytest.raises(ArgumentError, match="name their folder"):
        full_run(resume=True)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with Keeper(tmp_path), pytest.raises(FileError, match="is in use"):
        full_run(checkpoints=tmp_path, compile=False)


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".step-00000003.safetensors.0123abcd.part").write_bytes(b"half")
    (tmp_path / ".lock").write_text("1")
    full_run(checkpoints=tmp_path, resume=True, epochs=1, compile=False)
    assert names(tmp_path) == ["step-00000003.safetensors"]


# Signals


class Signalling:
    """Sends a signal to this process at a step."""

    def __init__(self, number: int, at: int) -> None:
        self.number, self.at = number, at

    def stepped(self, loop: Loop) -> None:
        if loop.steps == self.at:
            os.kill(os.getpid(), self.number)

    def __call__(self, event: Event) -> None:
        pass


needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="os.kill sends no signals there")


@needs_kill
@pytest.mark.parametrize("compile", [True, False])
def test_ctrl_c_stops_after_the_step_with_all_saved(tmp_path: Path, compile: bool) -> None:
    run = full_run((Signalling(signal.SIGINT, 5),), checkpoints=tmp_path, compile=compile)
    assert run.stopped == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = full_run(checkpoints=tmp_path, resume=True, compile=compile)
    assert weights_of(again) == weights_of(full_run(compile=compile))


@needs_kill
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_terminate_saves_and_ends_the_process(tmp_path: Path, name: str) -> None:
    number = getattr(signal, name)
    with pytest.raises(SystemExit) as caught:
        full_run((Signalling(number, 5),), checkpoints=tmp_path, compile=False)
    assert caught.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 5
    assert ".lock" not in names(tmp_path)


@needs_kill
def test_signals_that_others_handle_are_theirs(tmp_path: Path) -> None:
    heard = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        run = full_run((Signalling(signal.SIGTERM, 2),), checkpoints=tmp_path, epochs=1, compile=False)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert (heard, run.stopped) == ([signal.SIGTERM], "all epochs")


def test_other_threads_train_without_signals() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(full_run(epochs=1, compile=False)))
    thread.start()
    thread.join()
    assert found[0].stopped == "all epochs"


@needs_kill
def test_a_second_ctrl_c_interrupts_at_once_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    class Slow(Signalling):
        def stepped(self, loop: Loop) -> None:
            if loop.steps == self.at:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0)  # the first is heard
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(30)

    run = full_run((Slow(signal.SIGINT, 5),), checkpoints=tmp_path, compile=False)
    assert run.stopped == "interrupted"
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 3


def test_the_state_of_another_model_is_refused(tmp_path: Path) -> None:
    full_run(checkpoints=tmp_path, epochs=1, compile=False)
    with pytest.raises(KeyError, match="another model"):
        full_run(model=nn.Linear(4, 3), checkpoints=tmp_path, resume=True, compile=False)
    assert names(tmp_path) == ["step-00000003.safetensors"]
