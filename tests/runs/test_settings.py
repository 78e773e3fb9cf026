"""The settings of a run: what was asked for, else what the data suggest."""

from __future__ import annotations

from chainrule.runs.config import RunConfig
from chainrule.runs.settings import settle


def test_a_schedule_that_is_asked_for_has_its_own_warmup() -> None:
    assert settle(RunConfig("x"), 100, 4, "classification")["warmup"].value > 0
    assert settle(RunConfig("x", schedule="constant"), 100, 4, "classification")["warmup"].value is None
    asked = settle(RunConfig("x", schedule="constant", warmup=0.1), 100, 4, "classification")["warmup"]
    assert (asked.value, asked.why) == (0.1, "asked for")
