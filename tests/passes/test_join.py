"""Sums of pads that tile a whole become concatenations."""

import numpy as np
import pytest

from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.verify import verify
from chainrule.ops.movement import pad
from chainrule.passes.join import join
from tests.passes.programs import f32, run, traced, values

SPLIT = """
graph(%0: f32[2, 3], %1: f32[2, 4], %2: f32[2, 1]) {
  %3 = pad(%0; high=(0, 0), interior=(0, 0), low=(0, 5), value=0) : f32[2, 8]
  %4 = pad(%1; high=(0, 3), interior=(0, 0), low=(0, 1), value=0) : f32[2, 8]
  %5 = add(%3, %4) : f32[2, 8]
  %6 = pad(%2; high=(0, 7), interior=(0, 0), low=(0, 0), value=0.0) : f32[2, 8]
  %7 = add(%5, %6) : f32[2, 8]
  %8 = exp(%7) : f32[2, 8]
  return %8
}"""


def assert_same_but_for_the_sign_of_zeros(before: Graph, after: Graph) -> None:
    verify(after)
    rng, signs = np.random.default_rng(0), False
    for _ in range(4):
        arrays = values(rng, [node.type for node in before.inputs])
        for a, b in zip(run(before, arrays), run(after, arrays), strict=True):
            np.testing.assert_array_equal(a, b)  # 0.0 == -0.0, nan is nan
            signs |= not np.array_equal(np.signbit(a), np.signbit(b))
    assert not signs or any(node.primitive.name == "concatenate" for node in after.nodes)


def test_pieces_become_a_concatenation() -> None:
    before = parse(SPLIT)
    after = join(before)
    assert (
        str(after)
        == """\
graph(%0: f32[2, 3], %1: f32[2, 4], %2: f32[2, 1]) {
  %3 = concatenate(%2, %1, %0; axis=1) : f32[2, 8]
  %4 = exp(%3) : f32[2, 8]
  return %4
}"""
    )
    assert_same_but_for_the_sign_of_zeros(before, after)


def test_sums_of_two_groups() -> None:
    """In any order of addition; an empty piece is none."""

    def program(a: object, b: object, c: object, d: object) -> object:
        w, x, y, z = pad(a, (2,), (4,)), pad(b, (0,), (6,)), pad(c, (6,), (0,)), pad(d, (4,), (2,))
        return (w + x) + (y + z)

    before = traced(program, f32(2), f32(2), f32(2), f32(2))
    after = join(before)
    assert [node.primitive.name for node in after.nodes] == ["concatenate"]
    assert [part.params["name"] for part in after.nodes[0].inputs] == ["x1", "x0", "x3", "x2"]
    assert_same_but_for_the_sign_of_zeros(before, after)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value=0.0", "value=1.0"),  # something is added everywhere
        ("low=(0, 5)", "low=(0, 4)"),  # overlap (the type says so too)
        ("%5, %6", "%5, %5"),  # a piece twice, one missing
        ("high=(0, 7), interior=(0, 0), low=(0, 0)", "high=(0, 0), interior=(0, 0), low=(0, 7)"),
    ],
)
def test_what_does_not_tile_stays(old: str, new: str) -> None:
    text = SPLIT.replace(old, new)
    if "low=(0, 4)" in text:
        text = text.replace("high=(0, 0), interior=(0, 0), low=(0, 4)", "high=(0, 1), interior=(0, 0), low=(0, 4)")
    graph = parse(text)
    verify(graph)
    assert join(graph) is graph


def test_pads_of_several_axes_or_between_elements_stay() -> None:
    for program in (
        lambda a, b: pad(a, (0, 0), (2, 2)) + pad(b, (2, 2), (0, 0)),
        lambda a, b: pad(a, (0, 0), (0, 1), (0, 1)) + pad(b, (0, 1), (0, 0), (0, 1)),
    ):
        graph = traced(program, f32(2, 2), f32(2, 2))
        assert join(graph) is graph
