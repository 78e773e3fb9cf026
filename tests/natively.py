"""For tests that run programs in machine code: `native = pytest.fixture(autouse=True)(natively)`."""

from __future__ import annotations

from collections.abc import Iterator

import chainrule as cr
from chainrule.ir import state


def natively() -> Iterator[None]:
    """The native executor, which must be there; the number of threads is afterwards as it was."""
    threads = state.threads()
    with state.using(state.executor, "native"):
        assert cr.get_executor() == "native", "this machine cannot run generated code"
        yield
    state.set_threads(threads)
