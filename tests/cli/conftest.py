"""Runs the command line as a user does, in this process: in an empty folder of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.cli.main import main
from chainrule.ir import state


class Outcome(NamedTuple):
    """What a command left: its exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


class Stdin(io.TextIOWrapper):
    """A stdin that holds these bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="utf8")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the command line in an empty folder: run("train", "penguins", stdin=b"")."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr("sys.argv", ["chainrule", *words])
        monkeypatch.setattr("sys.stdin", Stdin(stdin))
        code = 0
        threads = state.threads()
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
        finally:
            state.set_threads(threads)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
