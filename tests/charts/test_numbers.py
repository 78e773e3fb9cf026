"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from chainrule.charts.numbers import count, duration, figure, percent, power_of_ten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0123456, "0.0123"),
        (12.34, "12.3"),
        (12345.6, "12,346"),
        (-0.5, "\u22120.500"),
        (1.234e-7, "1.23\u00d710⁻⁷"),
        (4.5e12, "4.50\u00d710¹²"),
        (math.nan, "NaN"),
        (-math.inf, "\u2212∞"),
        (1e308, "1.00\u00d710³⁰⁸"),
        (5e-324, "4.94\u00d710⁻³²⁴"),
    ],
)
def test_figures_keep_the_digits_that_matter(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.978, "97.8%"), (1.0, "100%"), (0.0, "0%"), (0.9996, "99.96%"), (0.00001, "0.001%"), (math.nan, "NaN")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.418, "0.42 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (11520, "3 h 12 min"),
        (math.nan, "\u2013"),
    ],
)
def test_durations_have_fitting_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_powers() -> None:
    assert count(-1234567) == "\u22121,234,567"
    assert [power_of_ten(power) for power in (-6, -2, 0, 3, 4)] == ["10⁻⁶", "0.01", "1", "1,000", "10⁴"]
