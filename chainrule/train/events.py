"""What happens in a run, as frozen records. A listener is anything that can be called with one of them.

The loop knows no listener. A listener may ask it to stop (`event.loop.stop("why")`). One that has `state_dict()` and
`load_state_dict(state)` is part of every checkpoint; one that has `stepped(loop)` is called after each step too.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from chainrule.train.loop import Loop

VERSION = 1  # of the lines that `as_dict` makes


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. loop: the loop that it happened in."""

    loop: Loop | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON values: {"event": its name, "version": 1, ...}."""
        names = [entry.name for entry in dataclasses.fields(self) if entry.name != "loop"]
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        return {"event": name, "version": VERSION} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class RunBegan(Event):
    """Before the first step. `settings` are the arguments of `fit` as they are used, `model` its printed form."""

    settings: dict[str, Any]
    model: str
    parameters: int
    epochs: int
    steps: int  # per epoch
    rows: int | None  # of the training part
    epoch: int = 0  # finished before, in a run that goes on
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class EpochEnded(Event):
    """After an epoch and its evaluation. `train` and `validation` hold the loss and the metrics by name."""

    epoch: int
    step: int
    train: dict[str, float]
    validation: dict[str, float]
    lr: float
    seconds: float  # since the run began
    remaining_seconds: float | None
    improved: bool = False


@dataclass(frozen=True, kw_only=True)
class Improved(Event):
    """The monitored value is the best so far."""

    epoch: int
    step: int
    monitor: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Watched(Event):
    """Norms at one step, one entry for each parameter in `layers`."""

    step: int
    epoch: int
    layers: tuple[str, ...]
    grad_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    update_ratio: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved(Event):
    """All that the run needs to go on was written."""

    path: str
    step: int


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """The last event of a run that did not diverge."""

    reason: str
    epoch: int
    step: int
    best_epoch: int | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Diverged(Event):
    """The last event of a run whose loss is no longer finite."""

    step: int
    epoch: int
    layer: str | None
    what: str


@dataclass(frozen=True, kw_only=True)
class Note(Event):
    """A line for people."""

    text: str


class Listener(Protocol):
    """What is told of events."""

    def __call__(self, event: Event) -> object:
        """One event."""


@runtime_checkable
class Stateful(Protocol):
    """A listener that is part of checkpoints."""

    def state_dict(self) -> dict[str, Any]:
        """What it remembers, as JSON values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
