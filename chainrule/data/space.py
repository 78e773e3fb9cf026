"""How much memory tables may take, and arrays in temporary files for those that need more."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

if sys.platform != "win32":
    import resource

SHARE = 2  # a half of what is free may be taken
UNKNOWN_BYTES = 4 << 30  # where the system does not say


@dataclass(frozen=True)
class Space:
    """The memory that a table may take, and whether it goes to temporary files because that is too little."""

    memory_bytes: int
    on_disk: bool = False

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array without values: in memory, or mapped from a file of its own."""
        return mapped(shape, dtype) if self.on_disk else np.empty(shape, dtype)


def memory_free_bytes() -> int:
    """What this process may still take without swapping: of the machine, its container, and its own limit."""
    found = [machine_free_bytes(), *container_free_bytes(), *process_free_bytes()]
    return max(0, min(found))


def machine_free_bytes() -> int:
    """What the machine has free, as far as it says."""
    text = content(Path("/proc/meminfo"))
    line = next((line for line in text.splitlines() if line.startswith("MemAvailable:")), None)
    if line is not None:
        return int(line.split()[1]) * 1024
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return UNKNOWN_BYTES


def container_free_bytes(root: Path = Path("/sys/fs/cgroup")) -> Iterator[int]:
    """What a container's limit leaves, if it has one: control groups of version 2 or 1."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit_text, used_text = content(root / limit).strip(), content(root / used).strip()
        if limit_text.isdecimal() and used_text.isdecimal():
            yield int(limit_text) - int(used_text)


def process_free_bytes() -> Iterator[int]:
    """What `ulimit -d` and `ulimit -v` leave, where they are set."""
    if sys.platform == "win32":
        return
    text = content(Path("/proc/self/status"))
    for limit, used in ((resource.RLIMIT_DATA, "VmData:"), (resource.RLIMIT_AS, "VmSize:")):
        most = resource.getrlimit(limit)[0]
        line = next((line for line in text.splitlines() if line.startswith(used)), None)
        if most != resource.RLIM_INFINITY and line is not None:
            yield most - int(line.split()[1]) * 1024


def content(path: Path) -> str:
    """The text of a file of the system's; empty where there is none."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def budget_bytes(asked: int | None = None) -> int:
    """The memory that a table may take: what was asked for, or a half of what is free."""
    return memory_free_bytes() // SHARE if asked is None else asked


def mapped(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array of zeros in a temporary file that goes with it: nothing is left behind, however the process ends."""
    if 0 in shape:
        return np.zeros(shape, dtype)
    handle, name = tempfile.mkstemp(prefix="chainrule-", suffix=".array")
    os.close(handle)
    array = np.memmap(name, dtype, "w+", shape=shape)
    try:
        Path(name).unlink()  # the mapping lives on
    except OSError:  # Windows: when it is closed
        weakref.finalize(array, Path(name).unlink, missing_ok=True)
    return array
