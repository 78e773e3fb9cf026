"""Thinning keeps what an eye would see: ends, extremes, gaps."""

from __future__ import annotations

import numpy as np

from chainrule.charts.thin import evenly, thinned


def test_spikes_and_gaps_survive() -> None:
    x = np.arange(100_000.0)
    y = np.sin(x / 5000)
    y[54_321], y[77_777], y[10_000] = 50.0, -50.0, np.nan
    kept_x, kept_y = thinned(x, y, most=500)
    assert len(kept_x) <= 502
    assert {0.0, 99_999.0, 54_321.0, 77_777.0, 10_000.0} <= set(kept_x.tolist())
    assert np.all(np.diff(kept_x) > 0)
    assert np.array_equal(kept_y, y[kept_x.astype(int)], equal_nan=True)


def test_short_lines_and_lines_without_a_value_stay_whole() -> None:
    x, y = np.arange(3.0), np.array([1.0, np.nan, 2.0])
    assert thinned(x, y)[0] is x
    nothing = thinned(np.arange(10_000.0), np.full(10_000, np.nan), most=90)[1]
    assert 0 < len(nothing) <= 92
    assert np.isnan(nothing).all()


def test_evenly_keeps_both_ends() -> None:
    assert evenly(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert evenly(1000, 3).tolist() == [0, 500, 999]
    assert evenly(0, 3).tolist() == []
    assert evenly(7, 1).tolist() == [0]
