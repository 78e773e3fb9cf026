"""Kills `chainrule train` at random moments and goes on by `chainrule resume`. From the project's folder:

    python -m tests.cli.killing [--moments 30] [--seed 0]

Each must end with the bits of the run that was not killed: its model, its test predictions, its epochs, each once. It
must lose no more than an epoch, and leave no temporary file. Prints what went wrong; exits with 1 if something did.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from chainrule.train import checkpoint
from chainrule.train.sealed import read_sealed

ROOT = Path(__file__).parents[2]
EPOCHS = 60
OPTIONS = ("--epochs", str(EPOCHS), "--hidden", "16", "--batch-size", "16", "--patience", "0")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "chainrule", *words]


def started(*words: str) -> subprocess.Popen[bytes]:
    """The command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def finished(*words: str) -> tuple[int, str]:
    """The exit code and the output of the command line."""
    process = started(*words)
    said, _ = process.communicate()
    return process.returncode, said.decode()


def outcome(folder: Path) -> dict[str, Any]:
    """What must be the same: bits of the model, predictions, and the epochs without the clock."""
    tensors = read_sealed(folder / "model.safetensors").tensors
    return {
        "model": {name: (array.shape, array.tobytes()) for name, array in sorted(tensors.items())},
        "predictions": (folder / "test_predictions.csv").read_bytes(),
        "epochs": [(row["epoch"], row["train"], row["validation"]) for row in epochs_of(folder)],
    }


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """The lines of records.jsonl that tell of epochs; a last one may be cut off."""
    path = folder / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    records = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [record for record in records if record["event"] == "epoch_ended"]


def train(folder: Path) -> tuple[str, ...]:
    """The words of the run."""
    return ("train", "penguins", *OPTIONS, "--out", str(folder))


def problem(folder: Path, whole: dict[str, Any]) -> str:
    """Resumes a run that was killed; what is wrong with how it went on, "" if nothing is."""
    ended = max((row["epoch"] for row in epochs_of(folder)), default=0)
    steps = max((row["step"] for row in epochs_of(folder) if row["epoch"] < ended), default=0)
    found = checkpoint.latest(folder / "checkpoints")
    if (found.step if found else 0) < steps:
        return f"epoch {ended} had ended, and the checkpoint is of step {found.step if found else 0}"
    if not (folder / "run.json").exists():
        return "" if found is None else "there are checkpoints, and no run.json"
    if json.loads((folder / "run.json").read_bytes())["status"] == "running":
        code, said = finished("resume", str(folder))
        if code:
            return f"resume ended with {code}: {said[-300:]}"
    different = [name for name, value in outcome(folder).items() if value != whole[name]]
    left = [path.name for path in folder.rglob("*") if path.name.startswith(".")]
    return f"other {', '.join(different)}" if different else f"it left {left}" if left else ""


def kills(base: Path, moments: int, seed: int) -> list[str]:
    """What went wrong, a line each."""
    code, said = finished(*train(base / "whole"))
    assert not code, said
    whole = outcome(base / "whole")
    seconds = json.loads((base / "whole" / "run.json").read_bytes())["result"]["seconds"]
    draw = random.Random(seed)
    failures, reached = [], []
    for number in range(moments):
        folder = base / f"killed-{number}"
        moment = draw.uniform(0, 1.3 * seconds)
        process = started(*train(folder))
        while number % 5 and not (folder / "records.jsonl").exists() and process.poll() is None:
            time.sleep(0.001)  # four of five while it trains or a little later
        time.sleep(moment)
        process.kill()
        process.communicate()
        reached.append(len(epochs_of(folder)))
        if wrong := problem(folder, whole):
            failures.append(f"killed after {moment:.3f} s, in epoch {reached[-1] + 1}: {wrong}")
    click.echo(f"{moments} runs were killed, after epochs {sorted(reached)}; {len(failures)} went wrong")
    return failures


@click.command()
@click.option("--moments", default=30)
@click.option("--seed", default=0)
def main(moments: int, seed: int) -> None:
    """Kills `chainrule train` at random moments and goes on by `chainrule resume`."""
    with tempfile.TemporaryDirectory() as base:
        failures = kills(Path(base), moments, seed)
    for failure in failures:
        click.echo(failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
