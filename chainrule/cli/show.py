"""What commands print: results and JSON lines on stdout, progress on stderr."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import click

VERSION = 1  # of the JSON lines
BOLD, DIM, RESET = "\033[1m", "\033[2m", "\033[0m"


def print_json(event: dict[str, Any]) -> None:
    """One object, in one line that every JSON reader takes: NaN and infinities become null."""
    click.echo(json.dumps(plain(event), allow_nan=False))


def plain(value: Any) -> Any:
    """A value as JSON has it: NumPy's numbers as numbers, those that are not finite as None."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def error_event(error: BaseException, message: str, code: int) -> dict[str, Any]:
    """The last line of a command that failed."""
    return {
        "event": "error",
        "version": VERSION,
        "kind": type(error).__name__,
        "message": message,
        "exit_code": code,
    }


def say(line: str = "") -> None:
    """A line of progress."""
    click.echo(line, err=True)


def styled(stream: TextIO) -> bool:
    """Whether text on a stream may have a style: it is a terminal, and NO_COLOR does not forbid it."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str) -> str:
    """A result that stands out on a terminal."""
    return f"{BOLD}{text}{RESET}" if styled(sys.stdout) else text


def dim(text: str) -> str:
    """Progress that stands back on a terminal."""
    return f"{DIM}{text}{RESET}" if styled(sys.stderr) else text


def table(rows: Iterable[Sequence[str]], indent: int = 2) -> list[str]:
    """Rows of words in columns of equal width; the last column is as long as it is."""
    rows = [tuple(row) for row in rows]
    sizes = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)] if rows else []
    return [
        " " * indent
        + "  ".join([*(word.ljust(size) for word, size in zip(row, sizes, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def pasted(*words: Any) -> str:
    """A command as a shell takes it."""
    return shlex.join([str(word) for word in words])
