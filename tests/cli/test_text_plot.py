"""Curves drawn with characters."""

from __future__ import annotations

import math

from chainrule.cli.text_plot import HEIGHT, MARK, WIDTH, text_plot

RATES = [10.0 ** (power / 10) for power in range(-80, 1)]
LOSSES = [2.0 - 1.5 * math.exp(-((math.log10(rate) + 2) ** 2)) if rate < 0.3 else 50.0 for rate in RATES]


def test_a_curve_fits_its_frame_and_names_its_ends() -> None:
    lines = text_plot(RATES, LOSSES, marked=0.01)
    assert len(lines) == HEIGHT + 2
    assert all(len(line) <= WIDTH + 12 for line in lines)
    assert lines[0].startswith("2.5 ┤")
    assert lines[-1].split() == [f"1e-{power}" for power in range(8, 0, -1)] + ["1e0"]


def test_the_mark_stands_at_the_bottom_of_the_valley() -> None:
    lines = text_plot(RATES, LOSSES, marked=0.01)
    assert MARK in lines[HEIGHT - 1]
    assert sum(line.count(MARK) for line in lines) == 1


def test_what_is_not_finite_is_left_out() -> None:
    assert text_plot([0.1, 1.0], [math.nan, math.inf]) == ["(no finite losses to draw)"]
    assert "·" in "".join(text_plot([0.1, 1.0], [1.0, math.nan]))
    assert len(text_plot([1.0], [0.0])) == HEIGHT + 2
