"""Kills training runs and sees that they go on as if nothing had happened. From the project's folder:

    python -m tests.train.killing [--moments 30] [--calls 200] [--seed 0]

A run is killed (SIGKILL, by itself) before each call of the system that a checkpoint makes, and half-way through each
write; then by its parent at random moments. Resumed, it must end with the bits of the run that was not killed, go on
from a checkpoint no older than the last epoch that had ended, and leave no file but checkpoints. Each run is a fork of
this process, which has imported everything and started no thread. Prints failures; exits with 1 if there are any.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chainrule import optim
from chainrule.train.events import CheckpointSaved, EpochEnded, Event
from chainrule.train.keeper import Keeper
from chainrule.train.loop import Loop
from chainrule.train.run import Run
from tests.train.small import full_run, losses, weights_of

CALLS = ("open", "write", "fsync", "close", "replace", "unlink", "mkdir")
REAL = {name: getattr(os, name) for name in CALLS}
STEPS = 2  # an epoch's


class Reporter:
    """Tells the parent, through a pipe, what has happened; a line each, so that a kill loses none."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def say(self, **what: Any) -> None:
        REAL["write"](self.pipe, (json.dumps(what) + "\n").encode())

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnded | CheckpointSaved):
            self.say(event=type(event).__name__, step=event.step)

    def stepped(self, loop: Loop) -> None:
        time.sleep(0.002)  # so that random moments fall between steps too


def short_run(callbacks: tuple[Any, ...] = (), **other: Any) -> Run:
    """Three epochs of two steps, with a state of each kind and little to compute."""
    return full_run(
        callbacks, optimizer=lambda p: optim.SGD(p, 0.1, momentum=0.9), metrics=["accuracy"], batch_size=24, epochs=3,
        compile=False, **other,
    )  # fmt: skip


def run(folder: Path, pipe: int, *, resume: bool, slow: bool) -> None:
    """A whole run in this process; its end is told by a digest of all that came of it."""
    reporter = Reporter(pipe)
    keeper = Keeper(folder, sync_share=1)
    resumed = keeper.resume

    def tell(loop: Loop) -> Any:
        found = resumed(loop)
        reporter.say(event="resumed", step=0 if found is None else found.step)
        return found

    keeper.resume = tell  # type: ignore[method-assign]
    callbacks: tuple[Any, ...] = (reporter,) if slow else (reporter.__call__,)
    whole = short_run(callbacks, checkpoints=keeper, resume=resume)
    bits = repr((losses(whole), sorted(weights_of(whole).items()), whole.best_epoch, whole.stopped)).encode()
    reporter.say(event="done", digest=hashlib.sha256(bits).hexdigest())


def kill_before(call: int, half: bool = False) -> list[str]:
    """From now on this process dies before the call of that number (0: never), or half-way through a write. Returns the
    calls that were made, so far."""
    made_calls: list[str] = []

    def wrapped(name: str) -> Any:
        def made(*args: Any, **kwargs: Any) -> Any:
            made_calls.append(name)
            if len(made_calls) == call:
                if half:
                    REAL["write"](args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return REAL[name](*args, **kwargs)

        return made

    for name in CALLS:
        setattr(os, name, wrapped(name))
    return made_calls


def forked(body: Callable[[int], None], kill_after: float | None = None) -> list[dict[str, Any]]:
    """What a fork of this process said before it ended or was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            body(writing)
        finally:
            os._exit(0)
    os.close(writing)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    os.waitpid(child, 0)
    return [json.loads(line) for line in lines]


def problem(folder: Path, before: list[dict[str, Any]], digest: str) -> str:
    """Resumes a run that was killed; what is wrong with how it went on, "" if nothing is."""
    after = forked(lambda pipe: run(folder, pipe, resume=True, slow=False))
    ends = [line for line in after if line["event"] == "done"]
    if not ends:
        return f"it did not end: {after[-3:]}"
    if ends[0]["digest"] != digest:
        return "it ended with other bits"
    (start,) = [line["step"] for line in after if line["event"] == "resumed"]
    saved = max((line["step"] for line in before if line["event"] == "CheckpointSaved"), default=0)
    ended = max((line["step"] for line in before if line["event"] == "EpochEnded"), default=0)
    if start < saved or start < ended - STEPS:
        return f"it went on from step {start}, though step {saved} was saved and {ended} had ended"
    left = sorted(path.name for path in folder.iterdir())
    return "" if len(left) <= 3 and all(name.startswith("step-") for name in left) else f"it left {left}"


def kills(base: Path, calls: int, moments: int, seed: int) -> list[str]:
    """What went wrong, a line each."""
    failures: list[str] = []
    numbers: list[int] = []

    def whole(pipe: int) -> None:
        made = kill_before(0)
        run(base / "whole", pipe, resume=False, slow=False)
        Reporter(pipe).say(event="calls", names=made)

    def attempt(name: str, body: Callable[[Path, int], None], kill_after: float | None = None) -> None:
        folder = base / str(len(numbers))
        numbers.append(0)
        before = forked(lambda pipe: body(folder, pipe), kill_after)
        wrong = problem(folder, before, digest)
        if wrong:
            failures.append(f"{name}: {wrong}")
        shutil.rmtree(folder, ignore_errors=True)

    short_run()  # what is made at first use, forks need not make
    began = time.perf_counter()
    said = forked(whole)
    seconds = time.perf_counter() - began
    (digest,) = [line["digest"] for line in said if line["event"] == "done"]
    (names,) = [line["names"] for line in said if line["event"] == "calls"]
    points = [(call, half) for call, name in enumerate(names, 1) for half in (False, True)[: 1 + (name == "write")]]
    draw = random.Random(seed)
    for call, half in points if calls >= len(points) else sorted(draw.sample(points, calls)):

        def dying(folder: Path, pipe: int, call: int = call, half: bool = half) -> None:
            kill_before(call, half)
            run(folder, pipe, resume=False, slow=False)

        attempt(f"killed {'within' if half else 'before'} call {call} ({names[call - 1]})", dying)
    for _ in range(moments):
        moment = draw.uniform(0, 1.5 * seconds)
        attempt(f"killed after {moment:.3f} s", lambda folder, pipe: run(folder, pipe, resume=False, slow=True), moment)
    click.echo(f"{len(numbers)} runs were killed ({len(points)} places in a whole run), {len(failures)} went wrong")
    return failures


@click.command()
@click.option("--moments", default=30, help="Kills at random moments.")
@click.option("--calls", default=1000, help="Kills before calls of the system; all of them if there are fewer.")
@click.option("--seed", default=0)
def main(moments: int, calls: int, seed: int) -> None:
    """Kills training runs and sees that they go on as if nothing had happened."""
    memory = Path("/dev/shm")  # where a flush takes no time, as disks that others use may make it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as base:
        failures = kills(Path(base), calls, moments, seed)
    for failure in failures:
        click.echo(failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
