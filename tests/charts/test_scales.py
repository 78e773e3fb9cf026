"""Scales put values between their ends; ticks are round, few, within the range, and told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.charts.scales import scale

RANGES = [
    (0.0, 1.0), (-3.2, 7.9), (1e-12, 2e-12), (0.0, 1e300), (-1e308, 1e308), (5.0, 5.0), (0.0, 0.0), (-1e-300, 1e-300),
    (1e9, 1e9 + 1), (0.1 + 0.2, 0.3), (math.nan, 1.0), (-math.inf, math.inf), (123.0, 456.0),
]  # fmt: skip


@pytest.mark.parametrize("ends", RANGES)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("from_zero", [False, True])
def test_any_values_have_a_place_and_ticks(ends: tuple[float, float], log: bool, from_zero: bool) -> None:
    x = scale(ends, 100, 300, log=log, from_zero=from_zero, margin=0.05)
    places = [x(value) for value in (*ends, 0.0, 1e200, -1e200) if not math.isnan(value)]
    assert all(100 <= place <= 300 for place in places)
    ticks = x.ticks(5)
    assert len(ticks) <= 12
    assert all(
        x.low * (1 - 1e-6) - 1e-9 <= value <= x.high * (1 + 1e-6) + 1e-9 for value, _ in ticks if abs(x.low) < 1e100
    )
    assert len({words for _, words in ticks}) == len(ticks) or x.high - x.low < 1e-5


def test_ticks_are_round() -> None:
    assert [words for _, words in scale([0, 1], 0, 1).ticks(5)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [words for _, words in scale([0, 97_000], 0, 1).ticks(4)] == ["0", "25,000", "50,000", "75,000"]
    assert [words for _, words in scale([0.001, 12], 0, 1, log=True).ticks(5)] == ["0.001", "0.01", "0.1", "1", "10"]
    assert [words for _, words in scale([0.02, 0.9], 0, 1, log=True).ticks(5)] == ["0.02", "0.05", "0.1", "0.2", "0.5"]


def test_epochs_get_whole_ticks() -> None:
    for last in (2, 3, 7, 51, 1e5):
        values = [value for value, _ in scale([1, last], 0, 1).ticks(7, whole=True)]
        assert values == [round(value) for value in values]
        assert len(values) >= 2


def test_a_logarithmic_scale_is_even_by_factor() -> None:
    x = scale([0.01, 100], 0, 4, log=True)
    assert np.allclose([x(10.0**power) for power in range(-2, 3)], range(5))
