"""What a run folder tells: run.json, evaluation.json, and the events of records.jsonl in bounded memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.report.tree import Tree
from chainrule.runs.folder import read_run

MOST_WATCHED = 512  # steps of which layers are kept
MOST_NOTES = 50


@dataclass
class Record:
    """A run as its folder tells it; what is not there is empty."""

    name: str
    run: Tree
    evaluation: Tree
    epochs: dict[int, Tree] = field(default_factory=dict)  # the event of each epoch; a repeated epoch's last
    watched: list[Tree] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    diverged: Tree = field(default_factory=Tree)
    stopped: Tree = field(default_factory=Tree)
    damaged: int = 0  # lines that are no JSON

    def option(self, name: str) -> Tree:
        """The value that an option of the command line had in this run."""
        return self.run["config"][name]["value"]


def read(folder: Path) -> Record:
    """The record of a run folder. ArgumentError if it is none, or of a format that this version does not know."""
    run = Tree(read_run(folder))
    record = Record(folder.resolve().name, run, json_file(folder / "evaluation.json"))
    every, seen = 1, 0
    for event in events(folder / "records.jsonl", record):
        kind = event["event"].text().replace("_", "").replace("-", "").lower()
        if kind == "epochended":
            epoch = event["epoch"].number()
            if math.isfinite(epoch):
                record.epochs[int(epoch)] = event
        elif kind == "watched":
            if seen % every == 0:
                record.watched.append(event)
            seen += 1
            if len(record.watched) > MOST_WATCHED:  # of a long run every second, fourth, ... is kept
                record.watched, every = record.watched[::2], every * 2
        elif kind == "note" and len(record.notes) < MOST_NOTES:
            record.notes.append(event["text"].text())
        elif kind == "diverged":
            record.diverged = event
        elif kind == "stopped":
            record.stopped = event
    record.epochs = dict(sorted(record.epochs.items()))
    return record


def json_file(path: Path) -> Tree:
    """The object in a file, empty if there is no file. ArgumentError if the file holds something else."""
    if not path.is_file():
        return Tree()
    value = object_in(path.read_text(encoding="utf8", errors="replace"))
    if value is None:
        raise ArgumentError(
            f"{path} is damaged: it holds no JSON object. Without the file, the report goes without it."
        )
    return Tree(value)


def events(path: Path, record: Record) -> Iterator[Tree]:
    """The lines of records.jsonl; lines that are no object (a last one may be half-written) are counted, not read."""
    if not path.is_file():
        return
    with path.open(encoding="utf8", errors="replace") as lines:
        for line in lines:
            value = object_in(line)
            if value is not None:
                yield Tree(value)
            elif line.strip():
                record.damaged += 1


def object_in(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
