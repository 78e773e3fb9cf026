"""What prints a run while it happens: text for people, or JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from chainrule.cli.run_lines import finished_lines, planned_lines
from chainrule.cli.show import VERSION, pasted, print_json, say
from chainrule.report import render
from chainrule.runs.events import RunFinished, RunPlanned
from chainrule.runs.job import RunResult
from chainrule.train.display import Rows
from chainrule.train.events import Event, RunBegan

INTERRUPTED = 130  # the exit code


def listener(as_json: bool) -> Callable[[Event], object]:
    """What a run tells its events."""
    return json_listener if as_json else TextListener()


def json_listener(event: Event) -> None:
    """Each event as one line on stdout."""
    print_json(event.as_dict())


class TextListener:
    """Progress on stderr: what will be done, a row for each epoch, how it ended."""

    def __init__(self) -> None:
        self.rows = Rows()

    def __call__(self, event: Event) -> None:
        """An event."""
        if isinstance(event, RunPlanned):
            for line in planned_lines(event):
                say(line)
        elif isinstance(event, RunFinished) and event.status == "interrupted":
            say(f"interrupted, and saved; go on with: {pasted('chainrule', 'resume', event.folder)}")
        elif isinstance(event, RunBegan) and event.step:
            say(f"going on after step {event.step} in epoch {event.epoch + 1} of {event.epochs}")
        self.rows(event)

    def stepped(self, loop: Any) -> None:
        """A step."""
        self.rows.stepped(loop)


def conclude(result: RunResult, as_json: bool) -> None:
    """After a run: writes its report and prints its results. Leaves with 130 if it was interrupted."""
    if result.record["status"] == "interrupted":
        sys.exit(INTERRUPTED)
    path = render(result.folder)
    if as_json:
        print_json({"event": "report", "version": VERSION, "path": str(path)})
        return
    say()
    for line in finished_lines(result.folder, result.record):
        click.echo(line)
