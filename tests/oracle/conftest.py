"""Compiled functions run on the reference executor here: it has the bits of eager code, which is held to PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainrule.ir import state


@pytest.fixture(autouse=True)
def on_the_reference_executor() -> Iterator[None]:
    """The native executor is held to this one in tests/backends/native."""
    with state.using(state.executor, "reference"):
        yield
