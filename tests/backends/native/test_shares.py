"""How products are shared out to threads: every result is one thread's, and small products leave none waiting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.backends.native.gemm_blocking import blocking, ceil_div
from chainrule.backends.native.level import Level, host_levels
from tests.backends.native.machine_code import OTHER_LEVELS
from tests.backends.native.products import aligned, compiled, product_of

FLOAT = np.dtype(np.float32)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize(("m", "n", "k"), [(13, 37, 5), (70, 3, 5), (1, 1, 5)])
def test_each_result_is_stored_by_one_share(batch: tuple[int, ...], m: int, n: int, k: int) -> None:
    """Two would store the same bits, so that nothing but time would tell."""
    count = math.prod(batch)
    a, b, c = (aligned((count * size,), FLOAT) for size in (m * k, k * n, m * n))
    kernel = compiled(product_of(m, n, k, batch=batch), host_levels()[0])
    for parts in (2, 3, 4, 7):
        stored = np.zeros(c.shape, np.int64)
        for part in range(parts):
            c[...] = np.nan
            kernel.bind([a, b, c], part, parts)()
            stored += ~np.isnan(c)
        assert (stored == 1).all()


@pytest.mark.parametrize("level", [*host_levels(), *OTHER_LEVELS], ids=lambda level: level.name)
@pytest.mark.parametrize(("m", "n"), [(64, 64), (64, 32), (64, 48), (90, 90), (96, 96), (64, 128)])
def test_two_threads_have_as_much_to_do_in_small_products(m: int, n: int, level: Level) -> None:
    product = product_of(m, n, 64)
    cut = blocking("float", level, m, n, 64, 1, product.a, product.b)
    units = cut.bands.count if cut.by_rows else cut.panels
    assert 2 * ceil_div(units, 2) <= 1.05 * units
