"""Elementwise references whose long operands take another way than those of the registry's samples."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.ir.primitive import REGISTRY
from chainrule.ops.elementwise import MANY

SPECIAL = [0.0, -0.0, 1.5, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "int16", "bool"])
@pytest.mark.parametrize("count", [6, MANY + 6])
def test_where_takes_the_bits_of_one_or_the_other(dtype: str, count: int) -> None:
    rng = np.random.default_rng(0)
    condition = rng.random(count) < 0.5
    with np.errstate(invalid="ignore"):
        a, b = (rng.choice(np.array(SPECIAL), count).astype(dtype) for _ in range(2))
    chosen = REGISTRY["where"].reference(condition, a, b)
    assert chosen.dtype == a.dtype
    assert chosen.tobytes() == np.where(condition, a, b).tobytes()


def test_where_reads_long_operands_that_do_not_lie_in_a_row() -> None:
    condition = np.arange(2 * MANY).reshape(MANY, 2).T % 3 == 0
    a, b = np.broadcast_to(np.float32(2), (2, MANY)), np.arange(2 * MANY, dtype=np.float32).reshape(2, MANY)
    assert (REGISTRY["where"].reference(condition, a, b) == np.where(condition, a, b)).all()


@pytest.mark.parametrize("name", ["times", "over"])
def test_zero_stays_zero_whatever_it_meets(name: str) -> None:
    g, d = (part.reshape(-1) for part in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        result = REGISTRY[name].reference(g, d)
        usual = g * d if name == "times" else g / d
        alone = REGISTRY[name].reference(np.asarray(0.0), np.asarray(np.inf if name == "times" else 0.0))
    assert np.array_equal(result, np.where(g == 0, 0.0, usual), equal_nan=True)
    assert not np.signbit(result[g == 0]).any()
    assert alone == 0
