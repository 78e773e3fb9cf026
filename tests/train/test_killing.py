"""Runs that are killed go on with the same bits; a disk that refuses is said, and what was written before is there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.ir.errors import FileError
from chainrule.train import checkpoint
from chainrule.train.events import EpochEnded
from chainrule.train.keeper import Keeper
from tests.train.small import full_run, losses, weights_of


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs to be killed are forks")
def test_runs_that_are_killed_anywhere_go_on_with_the_same_bits() -> None:
    """More moments, on a disk: `python -m tests.train.killing`."""
    command = [sys.executable, "-m", "tests.train.killing", "--moments", "6"]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 35


class SmallPlan:
    time_limit = None


class SmallLoop:
    """A loop as a keeper sees it: a state that differs at each step."""

    plan = SmallPlan()

    def __init__(self) -> None:
        self.steps = 0
        self.stopping: str | None = None
        self.torn = False

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"weight": np.full(1000, self.steps, np.float32)}, {"step": self.steps}

    def restore(self, tensors: dict[str, Any], meta: dict[str, Any]) -> None:
        assert (tensors["weight"] == meta["step"]).all()
        self.steps = meta["step"]

    def tell(self, event: Any) -> None:
        pass


def epochs(keeper: Keeper, loop: Any, count: int) -> None:
    """So many epochs of three steps."""
    for _ in range(count):
        loop.steps += 3
        figures: dict[str, Any] = {"train": {}, "validation": {}, "lr": 0.1, "seconds": 0.0, "remaining_seconds": None}
        keeper(EpochEnded(loop=loop, epoch=loop.steps // 3, step=loop.steps, **figures))


CALLS = ("open", "write", "fsync", "close", "replace", "unlink")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_each_call_that_fails_is_loud_and_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    failing = 0
    while True:
        failing += 1
        folder = tmp_path / str(failing)
        keeper, loop = Keeper(folder, sync_share=1), SmallLoop()
        with keeper:
            epochs(keeper, loop, 2)
            made: list[str] = []
            with monkeypatch.context() as patch:
                for name in CALLS:
                    patch.setattr(os, name, refusing(name, made, failing, code))
                said = message_of(partial(epochs, keeper, loop, 1))
        if said is None:
            break
        assert os.strerror(code).lower() in said.lower()
        assert "\n" not in said
        found = checkpoint.latest(folder)
        assert found is not None, made
        assert found.step == (9 if "replace" in made[: failing - 1] else 6), made
        assert found.notes == ()
        assert not list(folder.glob(".*")), made
        again = SmallLoop()
        with Keeper(folder) as resumed:
            resumed.resume(again)  # type: ignore[arg-type]
            epochs(resumed, again, 3)
        assert len(list(folder.iterdir())) <= 3
    assert made == ["open", "write", "fsync", "close", "replace", "open", "fsync", "close", "unlink"]


def message_of(act: Callable[[], object]) -> str | None:
    """What a FileError says, None if none is raised."""
    try:
        act()
    except FileError as error:
        return error.message
    return None


def refusing(name: str, made: list[str], failing: int, code: int) -> Any:
    """A call that counts itself, and fails if it is the one of that number. A file that cannot be closed is."""
    real = getattr(os, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        made.append(name)
        if len(made) != failing:
            return real(*args, **kwargs)
        if name == "close":
            real(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    return call


def test_a_run_on_a_full_disk_ends_with_a_line_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    written = []

    def full(handle: int, data: Any) -> int:
        written.append(len(data))
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FileError, match=r"cannot write .*: no space left on device\. Make room on the disk"):
        full_run(checkpoints=tmp_path, compile=False)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003.safetensors"]
    whole, again = full_run(compile=False), full_run(checkpoints=tmp_path, resume=True, compile=False)
    assert (losses(again), weights_of(again)) == (losses(whole), weights_of(whole))


def test_a_read_only_folder_is_said_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(FileError, match=r"permission denied\. Choose a folder that you may write to"):
        full_run(checkpoints=tmp_path / "new", compile=False)
