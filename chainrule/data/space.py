"""How much memory tables may take, and arrays in temporary files for those that need more."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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
    """What a process may still take without swapping, as far as the system says."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        with Path("/proc/meminfo").open() as file:
            line = next(line for line in file if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return UNKNOWN_BYTES


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
