"""How many threads a fit takes: what scikit-learn's own estimators would take.

A grid search with `n_jobs` runs fits in processes side by side. joblib tells each how many threads are its share, by
what OpenMP reads when it is loaded; so does whoever uses threadpoolctl. scikit-learn brings OpenMP with it, so its
number is known here: the rule is, as many threads as OpenMP would use, and no more than the cores of the process. Two
fits in one process (joblib's threads) need no rule: one of them has the workers, the other runs on its own thread.
Results have the same bits whatever the number is.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.ir import state
from chainrule.threads import get_num_threads, set_num_threads


def share_of_threads() -> int:
    """The threads that a fit in this process takes."""
    limits: list[int] = [pool["num_threads"] for pool in openmp().info() if pool["num_threads"]]
    return max(1, min([get_num_threads(), *limits]))


@functools.cache
def openmp() -> Any:
    """The OpenMP libraries of this process. Finding them takes 20 ms, asking them nothing."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="openmp")


_lock = threading.Lock()
_inside = 0
_before = 0


@contextmanager
def limited_threads(asked: int | None) -> Iterator[None]:
    """Machine code takes so many threads in the block, None: its share, if the user has set no number.

    The number belongs to the process. Of blocks that overlap, in Python's threads, the last to leave puts it back.
    """
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = state.threads()
        if asked is not None:
            set_num_threads(asked)
        elif not state.threads():
            state.set_threads(share_of_threads())
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                state.set_threads(_before)
