"""The listener that writes checkpoints: at the end of each epoch, every minute of a long one, and when a run stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.train import checkpoint
from chainrule.train.checkpoint import Checkpoint
from chainrule.train.events import CheckpointSaved, EpochEnded, Event, Note, Stopped
from chainrule.train.files import FolderLock, make_folder
from chainrule.train.loop import TIME_LIMIT, Loop

GO_ON = {"interrupted", "terminated"}  # reasons that a resumed run does not stop for again


class Keeper:
    """Keeps a run's state in a folder. Used as the last listener: others have done what an event asks for.

    folder: for checkpoints only. every_seconds: at most so long between two, within a step. sync_share: each checkpoint
    is safe when the process is killed; making it safe when the power fails takes milliseconds, which short epochs would
    notice, so at most this share of the time goes into that (1: every checkpoint is).
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_seconds: float = 60.0,
        sync_share: float = 0.05,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.folder = folder
        self.every_seconds = every_seconds
        self.sync_share = sync_share
        self._clock = clock
        self._due = clock() + every_seconds
        self._sync_due = clock()
        self._last: int | None = None  # steps
        self._before: int | None = None
        self._synced: int | None = None
        self._lock = FolderLock(folder)

    # The folder

    def open(self) -> Keeper:
        """Takes the folder for this process, and clears away what a process that was killed has left."""
        make_folder(self.folder)
        self._lock.acquire()
        checkpoint.clean(self.folder)
        return self

    def close(self) -> None:
        """Lets other processes have the folder."""
        self._lock.release()

    def __enter__(self) -> Keeper:
        return self.open()

    def __exit__(self, *_: Any) -> None:
        self.close()

    # Going on

    def refuse_others(self) -> None:
        """Raises ArgumentError if there are checkpoints already: another run's, which this one would replace."""
        if checkpoint.steps_in(self.folder):
            raise ArgumentError(
                f"fit: {self.folder} holds the checkpoints of a run. resume=True goes on with it; another run needs "
                "another folder."
            )

    def resume(self, loop: Loop) -> Checkpoint | None:
        """Sets the loop to the newest checkpoint that is whole; None if there is none yet.

        What was damaged is said by a Note. FileError if no checkpoint can be read.
        """
        found = checkpoint.latest(self.folder)
        if found is None:
            return None
        for note in found.notes:
            loop.tell(Note(text=note))
        loop.restore(found.tensors, found.meta["loop"])
        reason, limit = found.meta["stopping"], loop.plan.time_limit
        more_time = reason == TIME_LIMIT and (limit is None or loop.seconds < limit)
        if reason is not None and reason not in GO_ON and not more_time:
            loop.stop(reason)
        self._last = found.step
        return found

    # What happens

    def __call__(self, event: Event) -> None:
        """An event."""
        loop = event.loop
        if loop is None or loop.torn:
            return
        if isinstance(event, EpochEnded):
            self.write(loop)
        elif isinstance(event, Stopped) and self._synced != event.step:
            self.write(loop, sync=True)

    def stepped(self, loop: Loop) -> None:
        """A step."""
        if self._clock() >= self._due:
            self.write(loop)

    def write(self, loop: Loop, sync: bool | None = None) -> None:
        """Writes a checkpoint now. `sync`: on the disk itself; by default if it is time."""
        began = self._clock()
        step = loop.steps
        tensors, state = loop.state()
        sync = began >= self._sync_due if sync is None else sync
        path = checkpoint.write(self.folder, step, tensors, {"loop": state, "stopping": loop.stopping}, sync=sync)
        if step != self._last:
            self._last, self._before = step, self._last
        if sync:
            self._synced = step
        checkpoint.prune(self.folder, {step for step in (self._last, self._before, self._synced) if step is not None})
        ended = self._clock()
        self._due = ended + self.every_seconds
        if sync:
            self._sync_due = ended + (ended - began) * (1 / self.sync_share - 1)
        loop.tell(CheckpointSaved(path=str(path), step=step))
