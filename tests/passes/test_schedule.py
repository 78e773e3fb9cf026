"""When calls run, and which thread runs what is small."""

from __future__ import annotations

import pytest

from chainrule.ir.types import float32
from chainrule.passes.kernels import Access, Apply, Call, Constant, Level, Load, Matrix, Product, Rows, Store
from chainrule.passes.schedule import MOVED, SHARED, cost_of, schedule


def kernel(size: int, primitive: str = "exp", operands: int = 2) -> Rows:
    """A function of one operand, stored in the last one."""
    load = Load(Access(0, (1,)), float32, Level.ELEMENT)
    apply = Apply(primitive, (0,), float32, Level.ELEMENT)
    return Rows(
        (size,), (load, apply), (Store(Access(operands - 1, (1,)), 1, float32, Level.ELEMENT),), (float32,) * operands
    )


def call(reads: list[int], write: int, size: int = 10, label: str = "") -> Call:
    return Call(kernel(size, operands=len(reads) + 1), (*reads, write), frozenset([write]), label)


def phases(calls: list[Call]) -> list[list[str]]:
    return [[turn.call.label for turn in phase] for phase in schedule(calls)]


def test_a_call_is_as_early_as_what_it_reads_allows() -> None:
    calls = [
        call([0], 1, label="a"),
        call([1], 2, label="b"),
        call([0], 3, label="c"),
        call([1, 3], 4, label="d"),
        call([2, 4], 5, label="e"),
    ]
    assert phases(calls) == [["a", "c"], ["b", "d"], ["e"]]


def test_nothing_reads_what_is_written_in_its_phase() -> None:
    calls = [call([0], 1), call([1], 2), call([2, 0], 3), call([1], 4)]
    for phase in schedule(calls):
        written = {buffer for turn in phase for buffer in turn.call.writes}
        assert not any(turn.call.reads & written for turn in phase)


@pytest.mark.parametrize("turned", [False, True])
def test_a_buffer_that_several_calls_write_is_read_after_the_last(turned: bool) -> None:
    """The last to run, wherever it stands."""
    writers = [call([0], 9, label="first"), call([1], 9, label="late")]
    if turned:
        writers.reverse()
    assert phases([call([0], 1, label="x"), *writers, call([9], 3, label="reader")]) == [
        ["x", "first"],
        ["late"],
        ["reader"],
    ]


def test_a_read_of_what_nothing_has_written_yet_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="late reads what nothing has written"):
        schedule([call([5], 1, label="late"), call([0], 5)])


def test_large_calls_are_everyones_and_first() -> None:
    (phase,) = schedule([call([0], 1, 10, "small"), call([0], 2, SHARED, "large")])
    assert [(turn.call.label, turn.owner) for turn in phase] == [("large", -1), ("small", 0)]


def test_small_calls_are_dealt_out_the_largest_first() -> None:
    """Back and forth, so that two threads (owner modulo 2) get about as much."""
    (phase,) = schedule([call([0], k, size) for k, size in enumerate((10, 50, 40, 20, 30, 60), 1)])
    owners = {turn.call.kernel.domain[0]: turn.owner for turn in phase}  # type: ignore[union-attr]
    assert owners == {60: 0, 50: 1, 40: 3, 30: 2, 20: 4, 10: 5}
    work = [sum(size for size, owner in owners.items() if owner % 2 == thread) for thread in range(2)]
    assert work == [110, 100]


def test_costs() -> None:
    assert cost_of(Call(kernel(100, "add"), (0, 1), frozenset([1]))) == 300
    assert cost_of(Call(kernel(100, "exp"), (0, 1), frozenset([1]))) == 1400
    matrix = Matrix(0, (1,), 1, 1)
    start = Constant(0, float32, Level.ELEMENT)
    product = Product((2,), 3, 4, 5, matrix, matrix, float32, (start,), (), (float32,))
    assert cost_of(Call(product, (0,), frozenset())) == 2 * (2 * 3 * 4 * 5 + MOVED * (3 * 5 + 5 * 4 + 3 * 4))


def test_no_calls_are_no_phases() -> None:
    assert schedule([]) == []
