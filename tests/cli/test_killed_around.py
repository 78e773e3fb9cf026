"""Runs that are killed before and after their training: `chainrule resume` ends with the bits of a run that was not.

Killed while they train: test_killed.py; at each call of a checkpoint: tests/train/test_killing.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

WORDS = ("train", "penguins", "--epochs", "6", "--hidden", "8", "--patience", "0")
SAME = ("model.safetensors", "evaluation.json", "test_predictions.csv")
ROOT = Path(__file__).parents[2]

# Runs the command line, and is killed before the call of that number of a function of the module that runs are in.
KILLED = """
import os, signal, sys
import chainrule.runs.job as job
from chainrule.cli.main import main

name, left = sys.argv.pop(1), int(sys.argv.pop(1))
real = getattr(job, name)

def counted(*args, **kwargs):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)

setattr(job, name, counted)
main()
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing can be killed so there")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was not killed."""
    folder = tmp_path_factory.mktemp("runs")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "chainrule", *WORDS, "--out", "whole"]
    subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=60, check=True)
    return folder / "whole"


def killed(*before: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [*before, *WORDS, "--out", "killed"]
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


def goes_on(run: Run, whole: Path) -> None:
    resumed = run("resume", "killed")
    assert resumed.code == 0, resumed
    for name in SAME:
        assert Path("killed", name).read_bytes() == (whole / name).read_bytes()
    left = {path.name for path in Path("killed").iterdir()}
    assert left == {path.name for path in whole.iterdir()}


@pytest.mark.parametrize(
    ("function", "call"),
    [("fit", 1), ("write_json", 2), ("write_json", 3)],
    ids=["before the first step", "before the evaluation is written", "before the results are written"],
)
def test_a_run_killed_around_its_training_goes_on(run: Run, whole: Path, function: str, call: int) -> None:
    killed("-c", KILLED, function, str(call))
    goes_on(run, whole)
