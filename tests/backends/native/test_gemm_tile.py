"""What tiles ask memory for while they multiply: all of the panel that will be packed next."""

from __future__ import annotations

import re

import pytest

from chainrule.backends.native.contraction import emit_product
from chainrule.backends.native.gemm_blocking import blocking
from chainrule.backends.native.gemm_tile import LINE, UNROLL, Ahead
from chainrule.backends.native.level import host_levels
from chainrule.backends.native.text import module_text
from tests.backends.native.products import product_of

LEVEL = host_levels()[0]
FLOATS = LINE // 4


@pytest.mark.parametrize(("stride", "stride_k"), [(1, 512), (1, 80), (784, 1), (96, 1)])
@pytest.mark.parametrize("columns", [8, 16, 24, 64])
@pytest.mark.parametrize("tiles", [1, 2, 3, 16, 22, 90])
def test_tiles_ask_for_each_line_of_the_next_panel(stride: int, stride_k: int, columns: int, tiles: int) -> None:
    ahead, k = Ahead.of(columns, stride, stride_k, tiles, 4), 64
    assert ahead
    apart, step = (stride, 1) if ahead.along else (stride_k, stride_k)
    asked = {
        (k_now * step + (min(tile * ahead.rows, ahead.last) + row) * apart + column) // FLOATS
        for tile in range(tiles)
        for k_now in range(0, k, UNROLL)
        for row in range(ahead.rows)
        for column in ahead.columns
    }
    panel = {(i * stride + j * stride_k) // FLOATS for i in range(columns) for j in range(k)}
    assert asked <= panel
    if stride == 1 or tiles * UNROLL >= columns:  # else each of the few tiles would ask for too much
        assert asked == panel


def test_a_panel_with_gaps_everywhere_is_not_asked_for() -> None:
    assert Ahead.of(16, 3, 100, 8, 4) is None


@pytest.mark.parametrize(
    ("m", "n", "k", "layout", "asks"),
    [(128, 512, 784, "NT", True), (128, 512, 256, "NN", True), (512, 784, 128, "TN", True), (64, 32, 64, "NN", False)],
)
def test_products_that_pack_ask(m: int, n: int, k: int, layout: str, asks: bool) -> None:
    functions, _ = emit_product("product", product_of(m, n, k, layout), LEVEL)
    assert ("i32 0, i32 2, i32 1)" in module_text(functions, LEVEL)) == asks


def test_the_last_panels_ask_for_the_next_bands_and_later_bands_for_packed_panels() -> None:
    m, n, k = 384, 1536, 1000
    product = product_of(m, n, k, "TN")
    cut = blocking("float", LEVEL, m, n, k, 1, product.a, product.b)
    assert cut.pack_a
    assert cut.keeps_panels
    functions, _ = emit_product("product", product, LEVEL)
    chosen = re.findall(r"select i1 %\S+, i64 (\d+), i64", module_text(functions, LEVEL))
    assert {product.a.column, product.b.row, cut.width} <= set(map(int, chosen))
