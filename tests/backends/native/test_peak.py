"""The measured peak is one: as many multiply-adds as the text has, and no faster than a processor can be."""

from __future__ import annotations

import pytest

from chainrule.backends.native import peak
from chainrule.backends.native.jit import compile_object
from chainrule.backends.native.level import Level, host_levels


@pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)
def test_every_chain_has_a_multiply_add_and_nothing_else(level: Level) -> None:
    text = peak.text(level)
    count = text.count("call <") if level.fma else text.count("fmul")
    assert count == peak.chains_of(level)
    assert compile_object(text, level)


def test_a_peak_is_a_speed_that_a_processor_can_have() -> None:
    assert 0.5 < peak.measure(1, 0.05) < 2000


def test_two_threads_count_twice() -> None:
    assert peak.measure(2, 0.05) > 1.2 * peak.measure(1, 0.05) / 2  # they may share one core
