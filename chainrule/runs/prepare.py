"""From options to arrays: the table read, the task found, the rows split, the columns encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.encoding import Encoding
from chainrule.data.labels import Labels
from chainrule.data.profiling import ColumnProfile, profile
from chainrule.data.sources import Source, open_source
from chainrule.data.splitting import Parts, split
from chainrule.data.table import Table
from chainrule.data.task import Task, guess_task, target_of
from chainrule.ir.errors import ArgumentError
from chainrule.runs.config import RunConfig, Share

Features = npt.NDArray[np.float32]
VALID, TEST = 0.1, 0.2  # shares of the rows
PIECE_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a part: features (n, width), what the model learns (n,), and their numbers in the table (n,)."""

    x: Features
    y: npt.NDArray[Any]  # int64 classes, or float32 standardised
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A source ready to train on."""

    source: str
    table: Table
    target: str
    task: Task
    profiles: tuple[ColumnProfile, ...]
    split: Parts
    encoding: Encoding
    labels: Labels
    train: Part
    valid: Part
    test: Part
    files: dict[str, str]  # each file that was read, and its fingerprint
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes in their original type; None for regression."""
        return self.labels.classes


def prepare(config: RunConfig, expected: Mapping[str, str] | None = None) -> Prepared:
    """Reads and encodes what a run needs. ArgumentError in one line for whatever cannot be used.

    expected: fingerprints that files must have, for a run that goes on.
    """
    source = open_source(config.source, valid=file_of(config.valid), test=file_of(config.test))
    table, target = source.table, source.target if config.target is None else config.target
    files = fingerprints(config)
    if expected is not None:
        check_unchanged(files, expected)
    column = target_of(table, target)
    assert target is not None
    task = guess_task(column, config.task)
    parts = split_rows(source, target, task, config)
    group = config.group if config.group not in (config.features or ()) else None  # it tells rows apart, not classes
    dropped = config.drop if group is None else (*config.drop, group)
    profiles = profile(table, target, drop=dropped, features=config.features, training_rows=parts.train)
    encoding = Encoding.fit(table, profiles, parts.train)
    labels = Labels.fit(column.take(parts.train), task)
    targets = labels.encode(column)
    train, valid, test = (
        part_of(encoding, table, targets, rows, labels) for rows in (parts.train, parts.valid, parts.test)
    )
    notes = (*source.notes, *unseen(labels, targets, parts))
    return Prepared(
        config.source, table, target, task, profiles, parts, encoding, labels, train, valid, test, files, notes
    )


def split_rows(source: Source, target: str, task: Task, config: RunConfig) -> Parts:
    """The parts: rows of --valid and --test files, those that a shipped data set fixes, or shares of the rows."""
    asked = (config.valid, config.test, config.group, config.time)
    fixed = all(value is None for value in asked) or any(isinstance(value, str) for value in asked[:2])
    return split(
        source.table, target, task, seed=config.seed, group=config.group, time=config.time,
        valid=VALID if not isinstance(config.valid, float | int) else config.valid,
        test=TEST if not isinstance(config.test, float | int) else config.test,
        valid_rows=source.valid_rows if fixed else None,
        test_rows=source.test_rows if fixed else None,
    )  # fmt: skip


def file_of(value: Share | None) -> str | None:
    """The file that --valid or --test names."""
    return value if isinstance(value, str) else None


def fingerprints(config: RunConfig) -> dict[str, str]:
    """The SHA-256 of each file that the options name, by its path."""
    names = [config.source, file_of(config.valid), file_of(config.test)]
    return {name: fingerprint(Path(name)) for name in names if name is not None and Path(name).is_file()}


def fingerprint(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def check_unchanged(files: dict[str, str], expected: Mapping[str, str]) -> None:
    """ArgumentError if a file is not the one that the run began with."""
    for path, digest in files.items():
        if expected.get(path) != digest:
            raise ArgumentError(
                f"{path} has changed since the run began, so it cannot go on with the same rows. "
                "Put the old file back, or begin again with `chainrule train`."
            )


def part_of(
    encoding: Encoding, table: Table, targets: npt.NDArray[Any], rows: npt.NDArray[np.int64], labels: Labels
) -> Part:
    """The arrays of some rows; those of a class that training did not see are left out."""
    if labels.classes is not None:
        rows = rows[targets[rows] >= 0]
    return Part(encoding.apply(table, rows), targets[rows], rows)


def unseen(labels: Labels, targets: npt.NDArray[Any], parts: Parts) -> list[str]:
    """What is to be said of rows whose class no training row has."""
    if labels.classes is None:
        return []
    found = []
    for name, rows in (("validation", parts.valid), ("test", parts.test)):
        count = int((targets[rows] < 0).sum())
        if count:
            found.append(f"{count:,} {name} rows have a class that no training row has; they are left out")
    return found
