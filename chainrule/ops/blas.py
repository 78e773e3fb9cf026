"""NumPy's BLAS on one thread, so that the bits of a product do not depend on how many cores a machine has."""

from __future__ import annotations

from contextlib import suppress
from functools import cache


@cache
def hold_to_one_thread() -> None:
    """Sets every loaded BLAS to one thread, the first time it is called; later calls cost nothing.

    The number of threads belongs to the BLAS library, so this holds for the whole process: NumPy code of the user's
    runs on one thread too, from the first product on. Setting it around each product instead would cost more than a
    small product does, and would race with other threads. Importing chainrule alone changes nothing.
    """
    import threadpoolctl  # 35 ms: not before a product is asked for

    # A BLAS that is not found, or that cannot be set, computes the same product on its own number of threads.
    with suppress(AttributeError, OSError, RuntimeError):
        threadpoolctl.threadpool_limits(limits=1, user_api="blas")
