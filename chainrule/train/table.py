"""The rows of a run as text in fixed columns: an epoch each, training and validation apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from chainrule.train.events import EpochEnded

WIDTH = 10  # of a figure's column, at least
GAP = "  |"


class Table:
    """Lines for the epochs of a run; the columns are those of its first row.

    epochs: how many there are to be, None if that is not known.
    """

    def __init__(self, epochs: int | None = None) -> None:
        self.epochs = epochs
        self.columns: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def lines(self, event: EpochEnded) -> list[str]:
        """The line of an epoch, after the head if it is the first."""
        head = []
        if self.columns is None:
            self.columns = tuple(event.train), tuple(event.validation)
            head = self.head()
        return [*head, self.row(event)]

    def head(self) -> list[str]:
        """Two lines: which part, and the names."""
        train, validation = self.columns or ((), ())
        widths = [self._widths(names) for names in (train, validation)]
        number = len(self.number(1))
        parts = " " * number + GAP + " train".ljust(sum(widths[0]) + 1)[: sum(widths[0])]
        names = "epoch".rjust(number) + GAP + aligned(train, widths[0])
        if validation:
            parts += GAP + " validation".ljust(sum(widths[1]))
            names += GAP + aligned(validation, widths[1])
        return [parts.rstrip(), names + GAP + aligned(("lr", "elapsed", "left"), (WIDTH, 9, 9))]

    def row(self, event: EpochEnded) -> str:
        """The line of an epoch; a star marks the best so far."""
        train, validation = self.columns or ((), ())
        text = self.number(event.epoch) + GAP + figures(event.train, train, self._widths(train))
        if validation:
            text += GAP + figures(event.validation, validation, self._widths(validation))
        left = "" if event.remaining_seconds is None else duration(event.remaining_seconds)
        text += GAP + aligned((figure(event.lr), duration(event.seconds), left), (WIDTH, 9, 9))
        return text + ("  *" if event.improved else "")

    def number(self, epoch: int) -> str:
        if self.epochs is None:
            return f"{epoch:>6}"
        return f"{epoch:>{len(str(self.epochs))}}/{self.epochs}".rjust(6)

    @staticmethod
    def _widths(names: Sequence[str]) -> list[int]:
        return [max(WIDTH, len(name) + 2) for name in names]


def figures(values: dict[str, float], names: Sequence[str], widths: Sequence[int]) -> str:
    """The values of some names in their columns."""
    return aligned([figure(values.get(name, math.nan)) for name in names], widths)


def aligned(texts: Iterable[str], widths: Iterable[int]) -> str:
    """Texts at the right of their columns."""
    return "".join([text.rjust(width) for text, width in zip(texts, widths, strict=True)])


def figure(value: float) -> str:
    """A figure in four places, or as a power of ten where those would tell nothing."""
    if math.isnan(value):
        return "-"
    size = abs(value)
    return f"{value:.4f}" if size == 0 or 0.001 <= size < 10_000 else f"{value:.2e}"


def duration(seconds: float) -> str:
    """A time that people can read: 0.3s, 12s, 3m04s, 2h05m."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
