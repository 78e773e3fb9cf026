"""What a run shows while it goes on: rows in a terminal or a file, a live table in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from chainrule.train.events import EpochEnded, Event, Note, RunBegan, Stopped
from chainrule.train.page import page_of
from chainrule.train.table import Table, duration

if TYPE_CHECKING:
    from chainrule.train.loop import Loop

EVERY = 0.1  # seconds between two looks at a running epoch
CLEAR = "\r\033[K"


class Rows:
    """A line for each epoch. live: a terminal, where the running epoch has a line that changes.

    stream: standard error if None, as it is when something is written. The clock is looked at after each step.
    """

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self.stream = stream
        self.live = self._out().isatty() if live is None else live
        self.table = Table()
        self.due = 0.0
        self.shown = False

    def __call__(self, event: Event) -> None:
        """An event."""
        if isinstance(event, RunBegan):
            self.table.epochs = event.epochs
            self.due = time.perf_counter() + EVERY
        elif isinstance(event, EpochEnded):
            self._say(*self.table.lines(event))
        elif isinstance(event, Note):
            self._say(f"note: {event.text}")
        elif isinstance(event, Stopped):
            best = "" if event.best_epoch is None else f"; the best epoch was {event.best_epoch}"
            self._say(f"{event.reason}, {duration(event.seconds)}{best}")

    def stepped(self, loop: Loop) -> None:
        """A step."""
        if not self.live or time.perf_counter() < self.due:
            return
        self.due = time.perf_counter() + EVERY
        steps = loop.plan.train.steps
        text = f"{self.table.number(loop.epoch + 1)}  step {loop.position}/{steps}, {duration(loop.seconds)}"
        self._out().write(CLEAR + text)
        self._out().flush()
        self.shown = True

    def _say(self, *lines: str) -> None:
        out = self._out()
        if self.shown:
            out.write(CLEAR)
            self.shown = False
        out.write("\n".join(lines) + "\n")
        out.flush()

    def _out(self) -> TextIO:
        return self.stream or sys.stderr


class Notebook:
    """A table in a notebook that grows with each epoch. show: IPython's display function."""

    def __init__(self, show: Callable[..., Any]) -> None:
        self.show = show
        self.handle: Any = None
        self.rows: list[EpochEnded] = []
        self.epochs = 0
        self.notes: list[str] = []
        self.due = 0.0

    def __call__(self, event: Event) -> None:
        """An event."""
        if isinstance(event, RunBegan):
            self.epochs = event.epochs
        elif isinstance(event, EpochEnded):
            self.rows.append(event)
            self._draw(now=len(self.rows) == 1)
        elif isinstance(event, Note):
            self.notes.append(event.text)
        elif isinstance(event, Stopped):
            self.notes.append(f"{event.reason}, {duration(event.seconds)}")
            self._draw(now=True)

    def _draw(self, now: bool) -> None:
        if not now and time.perf_counter() < self.due:
            return
        page = Page(page_of([event.as_dict() for event in self.rows], self.epochs, self.notes))
        if self.handle is None:
            self.handle = self.show(page, display_id=True)
        else:
            self.handle.update(page)
        self.due = time.perf_counter() + 2 * EVERY


class Page:
    """HTML that a notebook shows."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


def display_for(show: bool | None, others: bool) -> Any:
    """What shows a run, None for nothing. show: None shows it in a notebook and in a terminal, unless there are other
    listeners, who may show it themselves."""
    if show is False or (show is None and others):
        return None
    found = notebook()
    if found is not None:
        return Notebook(found)
    return Rows() if show or sys.stderr.isatty() else None


def notebook() -> Callable[..., Any] | None:
    """IPython's display function in a notebook; None elsewhere. IPython is not imported for it."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    found: Callable[..., Any] = ipython.display.display
    return found
