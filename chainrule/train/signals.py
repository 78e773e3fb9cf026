"""Signals while a run is going on: Ctrl-C and a request to terminate end it after the step, with everything saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Asked:
    """What signals asked for. number: of the first one, None if there was none; forced: Ctrl-C came twice."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.forced = False

    @property
    def terminated(self) -> bool:
        """Whether the process is to end, not only the run."""
        return self.number is not None and self.number != signal.SIGINT


@contextmanager
def stopping(stop: Callable[[str], object], *, on_terminate: bool) -> Iterator[Asked]:
    """Within the block Ctrl-C calls stop("interrupted"), with `on_terminate` SIGTERM and SIGHUP stop("terminated").

    A second Ctrl-C raises KeyboardInterrupt at once, wherever Python is. Only signals that nobody else handles are
    taken, and only in the main thread, where Python delivers them. Afterwards all is as it was.
    """
    asked = Asked()

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and asked.number is not None:
            asked.forced = True
            raise KeyboardInterrupt
        if asked.number is None or number != signal.SIGINT:
            asked.number = number
        stop("interrupted" if number == signal.SIGINT else "terminated")

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number, usual in handled(on_terminate):
            if signal.getsignal(number) is usual:
                before[number] = signal.signal(number, handle)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def handled(on_terminate: bool) -> Iterator[tuple[int, Any]]:
    """The signals that a run heeds, and how each is handled where nobody cares."""
    yield signal.SIGINT, signal.default_int_handler
    if on_terminate:
        yield signal.SIGTERM, signal.SIG_DFL
        if hasattr(signal, "SIGHUP"):
            yield signal.SIGHUP, signal.SIG_DFL
