"""Numbers far from the others, as features."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import Encoding, as_table
from chainrule.data.encoding import TAIL, tempered


def test_what_is_near_stays_as_it_is() -> None:
    near = np.linspace(-TAIL, TAIL, 13)
    assert np.array_equal(tempered(near), near)


def test_outliers_keep_their_order_and_sign_and_hardly_grow() -> None:
    z = np.array([-1e300, -1e6, -10.0, -3.5, 3.5, 10.0, 1e6, 1e300])
    found = tempered(z)
    assert np.array_equal(np.argsort(found, kind="stable"), np.arange(len(z)))
    assert np.array_equal(np.sign(found), np.sign(z))
    assert found[5] == pytest.approx(3 + np.log(8))
    assert found[-1] < 700


def test_the_slope_goes_on_where_outliers_begin() -> None:
    step = 1e-4
    rise = (tempered(np.array([TAIL + step])) - tempered(np.array([TAIL - step])))[0]
    assert rise / (2 * step) == pytest.approx(1, abs=1e-3)


def test_one_wild_cell_moves_no_feature_beyond_reach() -> None:
    table = as_table({"ground": [1.0, 2.0, 3.0] * 100 + [1e9], "rooms": [1.0, 2.0] * 150 + [3.0]})
    features = Encoding.fit(table).apply(table)
    assert features[:, 0].max() == pytest.approx(3 + np.log1p(np.sqrt(300) - 3), rel=1e-3)
