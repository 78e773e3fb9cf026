"""Programs in processes of their own, started from the project's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Script = Callable[[str], "subprocess.Popen[str]"]
ROOT = Path(__file__).parents[3]


def starting(prelude: str, cache: Path) -> Script:
    """Starts a text behind a prelude, with a cache folder."""
    variables = {**os.environ, "XDG_CACHE_HOME": str(cache)}

    def start(text: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", prelude + text],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def output(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    """How it ended, and what it said."""
    out, errors = child.communicate(timeout=120)
    return child.returncode, out, errors
