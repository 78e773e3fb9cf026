"""Every test of compiled functions runs on both executors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import chainrule as cr
from chainrule.ir import state


@pytest.fixture(params=["reference", "native"], autouse=True)
def executor(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which executor compiled functions run on."""
    with state.using(state.executor, request.param):
        assert cr.get_executor() == request.param, "this machine cannot run generated code"
        yield request.param
