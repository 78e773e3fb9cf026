"""Expansion: until a backend has a row for everything, or says for what it has none."""

import numpy as np
import pytest

from chainrule.ir.parse import parse
from chainrule.ir.verify import verify
from chainrule.ops import masking, normalise, ordering  # noqa: F401 - enter the primitives named below
from chainrule.passes.expand import MissingRowError, expand
from tests.passes.programs import assert_same_bits, run

LINEAR = """
graph(%0 x: f32[2, 3], %1 w: f32[4, 3], %2 b: f32[4]) {
  %3 = linear(%0, %1, %2) : f32[2, 4]
  %4 = detach(%3) : f32[2, 4]
  return %4; aliases
}"""


def test_what_has_no_row_is_expanded() -> None:
    graph = parse(LINEAR)
    after = expand(graph, lambda name: name not in ("linear", "detach"))
    assert (
        str(after)
        == """\
graph(%0 x: f32[2, 3], %1 w: f32[4, 3], %2 b: f32[4]) {
  %3 = permute(%1; axes=(1, 0)) : f32[3, 4]
  %4 = matmul(%0, %3) : f32[2, 4]
  %5 = broadcast_to(%2; shape=(2, 4)) : f32[2, 4]
  %6 = add(%4, %5) : f32[2, 4]
  return %6
}"""
    )
    assert_same_bits(graph, after, np.random.default_rng(0))


def test_what_has_rows_is_left_alone() -> None:
    graph = parse(LINEAR)
    assert expand(graph, lambda name: True) is graph


def test_expansions_are_expanded() -> None:
    graph = parse("""
        graph(%0 x: f64[4, 3]) {
          %1 = log_softmax(%0; axis=1) : f64[4, 3]
          return %1
        }""")
    plain = {"sub", "exp", "log", "sum", "max", "broadcast_to", "reshape", "where", "eq", "times", "full", "add"}
    after = expand(graph, plain.__contains__)
    assert {node.primitive.name for node in after.nodes} <= plain
    verify(after)
    x = np.random.default_rng(0).standard_normal((4, 3))
    np.testing.assert_allclose(run(after, [x])[0], run(graph, [x])[0], rtol=1e-14)


def test_what_can_neither_be_run_nor_expanded_is_named() -> None:
    graph = parse("""
        graph(%0 x: f32[4, 3]) {
          %1 = linear(%0, %0) : f32[4, 4]
          %2 = exp(%1) : f32[4, 4]
          return %2
        }""")
    with pytest.raises(MissingRowError, match="no row and no expansion: exp, matmul") as caught:
        expand(graph, {"permute"}.__contains__)
    assert caught.value.names == ("exp", "matmul")
