"""records.jsonl: every event of a run, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from chainrule.runs.record import plain
from chainrule.train.events import Event, RunBegan
from chainrule.train.files import refused, write_whole

NAME = "records.jsonl"


class Lines:
    """A listener that appends each event to records.jsonl of a folder, and keeps nothing back.

    A run that goes on from a checkpoint takes back what was written after it. A line that was cut off, as a killed
    process leaves it, goes too.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.file: IO[bytes] | None = None

    def __call__(self, event: Event) -> None:
        """One event."""
        if isinstance(event, RunBegan):
            self.rewind(event.epoch, event.step)
        line = json.dumps(plain(event.as_dict()), ensure_ascii=False, allow_nan=False) + "\n"
        try:
            if self.file is None:
                self.file = self.path.open("ab", buffering=0)  # each line is there when the process is killed
            self.file.write(line.encode())
        except OSError as error:
            raise refused("write", self.path, error) from error

    def close(self) -> None:
        """No more events come."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def rewind(self, epoch: int, step: int) -> None:
        """Takes back what happened after an epoch and a step."""
        self.close()
        if not self.path.exists():
            return
        kept = [line for line, record in self.read() if not after(record, epoch, step)]
        write_whole(self.path, [b"".join(kept)])

    def read(self) -> list[tuple[bytes, dict[str, Any]]]:
        """The whole lines, each with its record."""
        found = []
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if line.endswith(b"\n") and isinstance(record, dict):
                found.append((line, record))
        return found


def after(record: dict[str, Any], epoch: int, step: int) -> bool:
    """Whether a record tells of what a run that goes on from there does again, or of its end."""
    if record.get("event") in ("stopped", "diverged", "run_finished"):
        return True
    if record.get("event") == "epoch_ended":
        return bool(record["epoch"] > epoch)
    return "step" in record and record.get("event") != "run_began" and bool(record["step"] > step)
