"""`chainrule resume` after SIGKILL, SIGTERM and Ctrl-C: the same bits as the run that was left alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.cli.killing import EPOCHS, finished, kills, outcome, started, train

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes get no signals there")


def test_killed_runs_go_on_with_the_same_bits(tmp_path: Path) -> None:
    """More moments: `python -m tests.cli.killing`."""
    assert kills(tmp_path, 2, seed=1) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_saves_and_goes_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    folder = tmp_path / "stopped"
    process = started(*train(folder), "--no-compile")
    while process.poll() is None and not list(folder.glob("checkpoints/step-*")):
        time.sleep(0.01)
    os.kill(process.pid, number)
    said, _ = process.communicate()
    assert process.returncode == code, said
    assert b"Traceback" not in said
    assert f"chainrule resume {folder}".encode() in said
    assert (folder / "model.safetensors").exists()
    ended, more = finished("resume", str(folder))
    assert not ended, more
    assert [epoch for epoch, _, _ in outcome(folder)["epochs"]] == list(range(1, EPOCHS + 1))
    assert not [path.name for path in folder.rglob("*") if path.name.startswith(".")]
