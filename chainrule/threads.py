"""How many threads a compiled program uses."""

from __future__ import annotations

import functools
import os

from chainrule.ir import state
from chainrule.ir.errors import ArgumentError


def set_num_threads(count: int) -> None:
    """Sets the threads of machine code, at least 1. Results have the same bits for any number.

    NumPy, and so the reference executor, runs on one thread whatever is set.
    """
    if type(count) is not int or count < 1:
        raise ArgumentError(f"set_num_threads: a number of at least 1 is needed, not {count!r}.")
    state.set_threads(count)


def get_num_threads() -> int:
    """The threads of compiled programs: what was set, else the cores that this process may use."""
    return state.threads() or _cores()


@functools.cache
def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
