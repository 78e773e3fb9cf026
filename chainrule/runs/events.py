"""What the command line is told of a run besides the events of its loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.train.events import Event


@dataclass(frozen=True, kw_only=True)
class RunPlanned(Event):
    """What will be done, before the first step: the data as they were found, every setting with its reason."""

    source: str
    folder: str
    task: dict[str, Any]  # kind, reason, flag
    target: str
    classes: list[Any] | None
    data: dict[str, Any]  # rows of the parts, columns, how they were split
    settings: dict[str, dict[str, Any]]  # name: value, why
    parameters: int
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The last event of a run: its status, its figures, and what it is compared with."""

    status: str
    source: str
    folder: str
    metric: str
    result: dict[str, Any]
