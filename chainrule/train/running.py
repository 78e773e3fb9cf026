"""A loop carried out: on from its last checkpoint if it is to be, with signals heeded, and the folder held."""

from __future__ import annotations

from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.train.keeper import Keeper
from chainrule.train.loop import Loop
from chainrule.train.signals import stopping
from chainrule.train.snapshot import Arrays

State = tuple[Arrays, dict[str, Any]]


def keeper_of(checkpoints: str | PathLike[str] | Keeper | None, resume: bool | State | None) -> Keeper | None:
    """What keeps checkpoints, if something does."""
    if checkpoints is None and resume is True:
        raise ArgumentError("fit: resume=True goes on from checkpoints; name their folder: checkpoints='runs/mine'.")
    return checkpoints if checkpoints is None or isinstance(checkpoints, Keeper) else Keeper(Path(checkpoints))


def carried_out(loop: Loop, keeper: Keeper | None, resume: bool | State | None) -> str:
    """Runs a loop; returns why it stopped. SystemExit if a signal asked the process to end: all is saved then."""
    with keeper or nullcontext():
        if isinstance(resume, tuple):
            loop.restore(*resume)
        elif keeper is not None and resume:
            keeper.resume(loop)
        elif keeper is not None:
            keeper.refuse_others()
        with stopping(loop.stop, on_terminate=keeper is not None) as asked:
            reason = loop.run()
    if asked.terminated and asked.number is not None:
        raise SystemExit(128 + asked.number)
    return reason
