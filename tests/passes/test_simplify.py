"""Simplification as text: what the programs of training steps have in them, before and after."""

import numpy as np

from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ops import contraction, normalise  # noqa: F401 - enter the primitives named below
from chainrule.passes.fold import FOLDING
from chainrule.passes.rewrite import rewrite
from chainrule.passes.simplify import simplify
from tests.passes.programs import assert_same_bits

OPTIMISER = """
graph(%0 w: f32[4, 3], %1 g: f32[3, 4], %2 beta: f64[], %3 step: f32[], %4 rate: f64[]) {
  %5 = permute(%1; axes=(1, 0)) : f32[4, 3]
  %6 = full(; dtype=f64, shape=(), value=1) : f64[]
  %7 = sub(%6, %2) : f64[]
  %8 = cast(%7; dtype=f32) : f32[]
  %9 = broadcast_to(%8; shape=(4, 3)) : f32[4, 3]
  %10 = mul(%5, %9) : f32[4, 3]
  %11 = full(; dtype=f64, shape=(), value=1) : f64[]
  %12 = sub(%11, %2) : f64[]
  %13 = broadcast_to(%12; shape=(4, 3)) : f64[4, 3]
  %14 = cast(%13; dtype=f32) : f32[4, 3]
  %15 = add(%10, %14) : f32[4, 3]
  %16 = cast(%4; dtype=f32) : f32[]
  %17 = broadcast_to(%16; shape=(4, 3)) : f32[4, 3]
  %18 = full(; dtype=f32, shape=(4, 3), value=0.5) : f32[4, 3]
  %19 = mul(%17, %18) : f32[4, 3]
  %20 = mul(%15, %19) : f32[4, 3]
  %21 = sub(%0, %20) : f32[4, 3]
  %22 = detach(%21) : f32[4, 3]
  return %22; aliases 0->0
}"""


def simplified(text: str) -> str:
    graph = parse(text)
    after = simplify(graph)
    assert_same_bits(graph, after, np.random.default_rng(0))
    return str(after)


def test_an_optimisers_scalars_are_computed_once_and_repeated_last() -> None:
    assert (
        simplified(OPTIMISER)
        == """\
graph(%0 w: f32[4, 3], %1 g: f32[3, 4], %2 beta: f64[], %3 step: f32[], %4 rate: f64[]) {
  %5 = permute(%1; axes=(1, 0)) : f32[4, 3]
  %6 = full(; dtype=f64, shape=(), value=1) : f64[]
  %7 = sub(%6, %2) : f64[]
  %8 = cast(%7; dtype=f32) : f32[]
  %9 = broadcast_to(%8; shape=(4, 3)) : f32[4, 3]
  %10 = mul(%5, %9) : f32[4, 3]
  %11 = add(%10, %9) : f32[4, 3]
  %12 = cast(%4; dtype=f32) : f32[]
  %13 = full(; dtype=f32, shape=(), value=0.5) : f32[]
  %14 = mul(%12, %13) : f32[]
  %15 = broadcast_to(%14; shape=(4, 3)) : f32[4, 3]
  %16 = mul(%11, %15) : f32[4, 3]
  %17 = sub(%0, %16) : f32[4, 3]
  return %17; aliases 0->0
}"""
    )


def test_a_mean_and_its_gradient() -> None:
    """1 / 4 is worked out, a division by a power of two multiplies, a sum over an axis of one is no sum."""
    assert (
        simplified("""
            graph(%0 x: f32[4, 1]) {
              %1 = sum(%0; axes=(0, 1), keepdims=False) : f32[]
              %2 = full(; dtype=f32, shape=(), value=4) : f32[]
              %3 = div(%1, %2) : f32[]
              %4 = full(; dtype=f32, shape=(), value=1) : f32[]
              %5 = over(%4, %2) : f32[]
              %6 = reshape(%5; shape=(1, 1)) : f32[1, 1]
              %7 = broadcast_to(%6; shape=(4, 1)) : f32[4, 1]
              %8 = mul(%7, %0) : f32[4, 1]
              %9 = max(%8; axes=(1,), keepdims=False) : f32[4]
              return %3, %9
            }""")
        == """\
graph(%0 x: f32[4, 1]) {
  %1 = sum(%0; axes=(0, 1), keepdims=False) : f32[]
  %2 = full(; dtype=f32, shape=(), value=0.25) : f32[]
  %3 = mul(%1, %2) : f32[]
  %4 = full(; dtype=f32, shape=(4, 1), value=0.25) : f32[4, 1]
  %5 = mul(%4, %0) : f32[4, 1]
  %6 = reshape(%5; shape=(4,)) : f32[4]
  return %3, %6
}"""
    )


def test_movement_around_attention() -> None:
    assert (
        simplified("""
            graph(%0 x: f32[6, 12]) {
              %1 = reshape(%0; shape=(2, 3, 12)) : f32[2, 3, 12]
              %2 = slice(%1; starts=(0, 0, 4), steps=(1, 1, 1), stops=(2, 3, 12)) : f32[2, 3, 8]
              %3 = slice(%2; starts=(0, 0, 4), steps=(1, 1, 1), stops=(2, 3, 8)) : f32[2, 3, 4]
              %4 = reshape(%3; shape=(2, 3, 2, 2)) : f32[2, 3, 2, 2]
              %5 = permute(%4; axes=(0, 2, 1, 3)) : f32[2, 2, 3, 2]
              %6 = permute(%5; axes=(0, 1, 3, 2)) : f32[2, 2, 2, 3]
              %7 = permute(%6; axes=(0, 1, 3, 2)) : f32[2, 2, 3, 2]
              %8 = permute(%7; axes=(0, 2, 1, 3)) : f32[2, 3, 2, 2]
              %9 = reshape(%8; shape=(2, 3, 4)) : f32[2, 3, 4]
              %10 = reshape(%9; shape=(6, 4)) : f32[6, 4]
              return %6, %10
            }""")
        == """\
graph(%0 x: f32[6, 12]) {
  %1 = reshape(%0; shape=(2, 3, 12)) : f32[2, 3, 12]
  %2 = slice(%1; starts=(0, 0, 8), steps=(1, 1, 1), stops=(2, 3, 12)) : f32[2, 3, 4]
  %3 = reshape(%2; shape=(2, 3, 2, 2)) : f32[2, 3, 2, 2]
  %4 = permute(%3; axes=(0, 2, 3, 1)) : f32[2, 2, 2, 3]
  %5 = reshape(%2; shape=(6, 4)) : f32[6, 4]
  return %4, %5
}"""
    )


def test_folding_alone() -> None:
    graph = parse("""
        graph(%0 x: f32[2]) {
          %1 = full(; dtype=f32, shape=(), value=0.1) : f32[]
          %2 = full(; dtype=f32, shape=(), value=3) : f32[]
          %3 = mul(%1, %2) : f32[]
          %4 = broadcast_to(%3; shape=(2,)) : f32[2]
          %5 = cast(%4; dtype=f64) : f64[2]
          %6 = sum(%5; axes=(0,), keepdims=False) : f64[]
          %7 = add(%4, %0) : f32[2]
          return %6, %7
        }""")
    after: Graph = rewrite(graph, FOLDING)
    assert (
        str(after)
        == """\
graph(%0 x: f32[2]) {
  %1 = full(; dtype=f32, shape=(2,), value=0.30000001192092896) : f32[2]
  %2 = full(; dtype=f64, shape=(), value=0.6000000238418579) : f64[]
  %3 = add(%1, %0) : f32[2]
  return %2, %3
}"""
    )
    assert_same_bits(graph, after, np.random.default_rng(0))
