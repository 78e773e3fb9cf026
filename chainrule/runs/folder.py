"""Run folders: a free name, what stands in run.json, and finding one again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chainrule.ir.errors import ArgumentError

FORMAT = 1
RUNS = Path("runs")
LARGEST_JSON = 64 * 2**20  # bytes; a run.json of 10,000 columns has 2 MB


def new_folder(source: str, out: str | None) -> Path:
    """Makes the folder of a run: `out` if it is free or empty, else the next free runs/SOURCE-N.

    ArgumentError if `out` holds something, OSError where nothing can be written.
    """
    if out is not None:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ArgumentError(f"--out {out} exists and is not an empty folder; name another.")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    RUNS.mkdir(exist_ok=True)
    stem = plain_name(source)
    taken = [
        int(found[1]) for path in RUNS.iterdir() if (found := re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name))
    ]
    number = max(taken, default=0) + 1
    while True:
        folder = RUNS / f"{stem}-{number}"
        try:
            folder.mkdir()  # two runs that begin at once get two folders
        except FileExistsError:
            number += 1
            continue
        return folder


def plain_name(source: str) -> str:
    """A source's name without folder and ending, in letters that every file system takes and no shell reads.

    >>> plain_name("data/My table (1).csv")
    'My_table_1'
    """
    stem = Path(source).name.partition(".")[0]
    return re.sub(r"\W+", "_", stem).strip("_")[:60] or "run"


def latest_run() -> Path:
    """The run in runs/ that was written to last. ArgumentError if there is none."""
    there = [(path.stat().st_mtime_ns, path.parent) for path in run_files()]
    if not there:
        raise ArgumentError("there is no run in runs/ yet: name the folder of one, or run `chainrule train SOURCE`.")
    return max(there)[1]


def run_files() -> Iterator[Path]:
    """The run.json of every folder in runs/."""
    return RUNS.glob("*/run.json")


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json of a folder says. ArgumentError if it is no run's folder, of another format, or damaged."""
    path = folder / "run.json"
    if not folder.is_dir():
        raise ArgumentError(f"{folder} is no folder of a run: there is no such folder.")
    if not path.is_file():
        raise ArgumentError(f"{folder} is no folder of a run: it holds no run.json.")
    if path.stat().st_size > LARGEST_JSON:
        raise ArgumentError(f"{path} is damaged: it has {path.stat().st_size:,} bytes, more than any run writes.")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{path} is damaged: it is no JSON ({error}).") from None
    if not isinstance(content, dict) or "format" not in content:
        raise ArgumentError(f"{path} was not written by chainrule: it has no format.")
    if content["format"] != FORMAT:
        raise ArgumentError(
            f"{path} has format {content['format']!r}; this version of chainrule reads format {FORMAT}. "
            f"It was written by chainrule {content.get('chainrule', 'of an unknown version')}."
        )
    return content
