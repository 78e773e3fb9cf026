"""Transposes of products become products of transposes."""

import numpy as np

from chainrule.ir.parse import parse
from chainrule.ir.verify import verify
from chainrule.passes.orient import orient
from tests.passes.programs import assert_same_bits, run

GRADIENT = """
graph(%0 x: {t}[5, 3], %1 g: {t}[5, 2]) {{
  %2 = permute(%0; axes=(1, 0)) : {t}[3, 5]
  %3 = matmul(%2, %1) : {t}[3, 2]
  %4 = permute(%3; axes=(1, 0)) : {t}[2, 3]
  return %4{more}
}}"""


def test_a_transposed_product_is_turned() -> None:
    before = parse(GRADIENT.format(t="f32", more=""))
    after = orient(before)
    assert (
        str(after)
        == """\
graph(%0 x: f32[5, 3], %1 g: f32[5, 2]) {
  %2 = permute(%1; axes=(1, 0)) : f32[2, 5]
  %3 = matmul(%2, %0) : f32[2, 3]
  return %3
}"""
    )
    verify(after)
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((5, 3)).astype(np.float32), rng.standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_allclose(run(after, [x, g])[0], run(before, [x, g])[0], rtol=1e-6)


def test_of_integers_it_is_exact() -> None:
    before = parse(GRADIENT.format(t="i64", more=""))
    assert_same_bits(before, orient(before), np.random.default_rng(0))


def test_a_product_that_others_read_stays() -> None:
    for more in (", %3", ", %3, %4"):
        graph = parse(GRADIENT.format(t="f32", more=more))
        assert orient(graph) is graph


def test_matrices_of_a_batch() -> None:
    before = parse("""
        graph(%0: i64[4, 2, 3], %1: i64[4, 3, 5]) {
          %2 = matmul(%0, %1) : i64[4, 2, 5]
          %3 = permute(%2; axes=(0, 2, 1)) : i64[4, 5, 2]
          return %3
        }""")
    after = orient(before)
    assert [node.primitive.name for node in after.nodes] == ["permute", "permute", "matmul"]
    assert_same_bits(before, after, np.random.default_rng(0))


def test_another_order_of_axes_is_no_transpose() -> None:
    graph = parse("""
        graph(%0: i64[4, 2, 3], %1: i64[4, 3, 5]) {
          %2 = matmul(%0, %1) : i64[4, 2, 5]
          %3 = permute(%2; axes=(1, 0, 2)) : i64[2, 4, 5]
          return %3
        }""")
    assert orient(graph) is graph
