"""Checkpoints in a folder: all that a run needs to go on, each one file that is whole, and known to be.

A file `step-00001234.safetensors` appears by rename when its bytes are on the disk, so that a process killed at any
moment leaves the checkpoints before it as they were. Should the disk damage one, the one before it is used, and that is
said. Each holds the best weights so far, so none is kept for their sake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.ir.errors import FileError
from chainrule.train.files import make_folder, remove, remove_parts
from chainrule.train.sealed import Array, read_sealed, write_sealed

FORMAT = "chainrule checkpoint 1"
_NAME = re.compile(r"step-(\d{8,})\.safetensors")


class Checkpoint(NamedTuple):
    """What was read: the state, and what is to be said of checkpoints that could not be."""

    path: Path
    step: int
    tensors: dict[str, Array]
    meta: dict[str, Any]
    notes: tuple[str, ...]


def write(folder: Path, step: int, tensors: Mapping[str, Array], meta: Mapping[str, Any], *, sync: bool = True) -> Path:
    """Writes the checkpoint of a step.

    tensors: arrays by name; meta: JSON values. Without `sync` it is safe from the end of the process, not from that of
    the power. FileError if the disk refuses; the checkpoints before it are then as they were.
    """
    path = folder / f"step-{step:08d}.safetensors"
    words = {"format": FORMAT, "meta": json.dumps({"step": step, "state": dict(meta)})}
    make_folder(folder)
    write_sealed(path, tensors, words, sync=sync)
    return path


def prune(folder: Path, keep: Collection[int]) -> None:
    """Removes the checkpoints of all steps but these."""
    for step, path in steps_in(folder).items():
        if step not in keep:
            remove(path)


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, None if there is none at all.

    Those that are damaged are passed over, with a note each; FileError if no other is left.
    """
    notes: list[str] = []
    for step, path in sorted(steps_in(folder).items(), reverse=True):
        try:
            return _read(path, step, tuple(notes))
        except FileError as error:
            notes.append(f"{error.message} The checkpoint before it is used.")
    if notes:
        problems = " ".join(note.removesuffix(" The checkpoint before it is used.") for note in notes)
        raise FileError(f"no checkpoint in {folder} can be read, so the run must begin anew, elsewhere. {problems}")
    return None


def _read(path: Path, step: int, notes: tuple[str, ...]) -> Checkpoint:
    tensors, words = read_sealed(path)
    if words.get("format") != FORMAT:
        raise FileError(f"{path} has format {words.get('format')!r}; this version reads {FORMAT!r}.")
    meta = json.loads(words["meta"])
    if meta["step"] != step:
        raise FileError(f"{path} is the checkpoint of step {meta['step']}; it was renamed.")
    return Checkpoint(path, step, tensors, meta["state"], notes)


def steps_in(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder by step, whole or not."""
    found = ((_NAME.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ()))
    return {int(match[1]): path for match, path in found if match}


def clean(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left. For whoever holds the folder's lock."""
    if folder.is_dir():
        remove_parts(folder)
