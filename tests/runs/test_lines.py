"""records.jsonl: every event a line, and what a run that goes on takes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chainrule.runs.lines import Lines
from chainrule.train.events import CheckpointSaved, EpochEnded, Event, RunBegan, Stopped, Watched


def began(epoch: int, step: int) -> RunBegan:
    return RunBegan(settings={}, model="", parameters=1, epochs=3, steps=10, rows=10, epoch=epoch, step=step)


def ended(epoch: int, loss: float = 1.0) -> EpochEnded:
    return EpochEnded(
        epoch=epoch, step=10 * epoch, train={"loss": loss}, validation={}, lr=0.1, seconds=1.0, remaining_seconds=None
    )


def watched(epoch: int, step: int) -> Watched:
    return Watched(step=step, epoch=epoch, layers=("a",), grad_norm=(1.0,), weight_norm=(1.0,), update_ratio=(1.0,))


def told(folder: Path, *events: Event) -> list[dict[str, Any]]:
    lines = Lines(folder)
    for event in events:
        lines(event)
    lines.close()
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def test_each_event_is_a_line_that_every_reader_takes(tmp_path: Path) -> None:
    records = told(tmp_path, began(0, 0), ended(1, float("nan")))
    assert [record["event"] for record in records] == ["run_began", "epoch_ended"]
    assert records[1]["train"] == {"loss": None}


def test_what_came_after_the_checkpoint_is_taken_back(tmp_path: Path) -> None:
    stopped = Stopped(reason="interrupted", epoch=2, step=23, best_epoch=1, seconds=1.0)
    told(tmp_path, began(0, 0), watched(1, 1), ended(1), watched(2, 11), ended(2), watched(3, 21), stopped)
    records = told(tmp_path, began(1, 10), ended(2))
    assert [(record["event"], record.get("step")) for record in records] == [
        ("run_began", 0),
        ("watched", 1),
        ("epoch_ended", 10),
        ("run_began", 10),
        ("epoch_ended", 20),
    ]


def test_a_run_that_begins_again_from_nothing_forgets_all_but_its_beginnings(tmp_path: Path) -> None:
    told(tmp_path, began(0, 0), watched(1, 1), CheckpointSaved(path="x", step=5))
    assert [record["event"] for record in told(tmp_path, began(0, 0))] == ["run_began", "run_began"]


@pytest.mark.parametrize("rest", [b'{"event": "epoch_en', b"\x00\x00", b"[1]\n", b'{"event": "note"}'])
def test_a_line_that_was_cut_off_goes(tmp_path: Path, rest: bytes) -> None:
    told(tmp_path, began(0, 0), ended(1))
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(rest)
    assert [record["event"] for record in told(tmp_path, began(1, 10))] == ["run_began", "epoch_ended", "run_began"]
