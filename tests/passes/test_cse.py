"""Common subexpressions: what is one value, and what only looks like it."""

import numpy as np
import pytest

from chainrule.ir.parse import parse
from chainrule.passes.rewrite import Rules, rewrite
from tests.passes.programs import assert_same_bits

NOTHING = Rules()


def shared(text: str) -> str:
    graph = parse(text)
    after = rewrite(graph, NOTHING)
    assert_same_bits(graph, after, np.random.default_rng(0))
    return str(after)


def test_equal_nodes_become_one() -> None:
    assert (
        shared("""
            graph(%0 x: f32[3], %1 beta: f64[]) {
              %2 = full(; dtype=f64, shape=(), value=1) : f64[]
              %3 = sub(%2, %1) : f64[]
              %4 = cast(%3; dtype=f32) : f32[]
              %5 = broadcast_to(%4; shape=(3,)) : f32[3]
              %6 = mul(%0, %5) : f32[3]
              %7 = full(; dtype=f64, shape=(), value=1.0) : f64[]
              %8 = sub(%7, %1) : f64[]
              %9 = cast(%8; dtype=f32) : f32[]
              %10 = broadcast_to(%9; shape=(3,)) : f32[3]
              %11 = mul(%10, %0) : f32[3]
              %12 = sub(%6, %11) : f32[3]
              return %6, %11, %12
            }""")
        == """\
graph(%0 x: f32[3], %1 beta: f64[]) {
  %2 = full(; dtype=f64, shape=(), value=1) : f64[]
  %3 = sub(%2, %1) : f64[]
  %4 = cast(%3; dtype=f32) : f32[]
  %5 = broadcast_to(%4; shape=(3,)) : f32[3]
  %6 = mul(%0, %5) : f32[3]
  %7 = sub(%6, %6) : f32[3]
  return %6, %6, %7
}"""
    )


@pytest.mark.parametrize(
    "pair",
    [
        "%3 = full(; dtype=f32, shape=(), value=0.0) : f32[]\n%4 = full(; dtype=f32, shape=(), value=-0.0) : f32[]",
        "%3 = full(; dtype=f32, shape=(2,), value=0) : f32[2]\n%4 = full(; dtype=f64, shape=(2,), value=0) : f64[2]",
        "%3 = sub(%0, %1) : f32[2]\n%4 = sub(%1, %0) : f32[2]",
        "%3 = maximum(%0, %1) : f32[2]\n%4 = maximum(%1, %0) : f32[2]",
        '%3 = gelu(%0; approximate="none") : f32[2]\n%4 = gelu(%0; approximate="tanh") : f32[2]',
        "%3 = uniform(%2; dtype=f32, shape=(2,)) : f32[2]\n%4 = normal(%2; dtype=f32, shape=(2,)) : f32[2]",
        "%3 = uniform(%2; dtype=f32, shape=(2,)) : f32[2]\n%4 = uniform(%2; dtype=f32, shape=(3,)) : f32[3]",
    ],
)
def test_different_nodes_stay_two(pair: str) -> None:
    text = shared(f"graph(%0: f32[2], %1: f32[2], %2: i64[2]) {{ {pair} return %3, %4 }}")
    assert "return %3, %4" in text


def test_draws_from_one_state_are_one_draw() -> None:
    """From two states they are two, though both are computed alike."""
    text = shared("""
        graph(%0 state: i64[2]) {
          %1 = normal(%0; dtype=f32, shape=(3,)) : f32[3]
          %2 = normal(%0; dtype=f32, shape=(3,)) : f32[3]
          %3 = iota(; dtype=i64, length=2) : i64[2]
          %4 = add(%0, %3) : i64[2]
          %5 = normal(%4; dtype=f32, shape=(3,)) : f32[3]
          return %1, %2, %5
        }""")
    assert text.count("normal") == 2


def test_nan_is_a_number_like_others() -> None:
    text = shared("""
        graph() {
          %0 = full(; dtype=f32, shape=(3,), value=nan) : f32[3]
          %1 = full(; dtype=f32, shape=(3,), value=nan) : f32[3]
          return %0, %1
        }""")
    assert "return %0, %0" in text
