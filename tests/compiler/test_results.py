"""What a compiled function may return besides tensors: dataclasses; and what it may not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import chainrule as cr
from chainrule.errors import LeakedTensorError


@dataclass(frozen=True)
class Output:
    loss: Any
    parts: list[Any]
    name: str = "first"


@dataclass(slots=True)
class Slotted:
    tensor: Any
    inner: Any = None


@dataclass
class Counted:
    x: Any
    made: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.made.append(1)
        self.double = self.x * 2


class Plain:
    def __init__(self, held: Any) -> None:
        self.held = held


def x() -> Any:
    return cr.tensor([[1.0, 2.0]], requires_grad=True)


def test_a_dataclass_is_made_anew_at_each_call() -> None:
    step = cr.compile(lambda a, k: Output((a * k).sum(), [a * k, a]))
    a = x()
    first, second = step(a, 2.0), step(a, 3.0)
    assert step.traces == 1
    assert (first.loss.item(), second.loss.item()) == (6, 9)
    assert second.parts[0].tolist() == [[3, 6]]
    assert second.parts[1] is a
    assert second.name == "first"
    second.loss.backward()
    assert a.grad.tolist() == [[3, 3]]


def test_a_dataclass_inside_a_dataclass_with_slots() -> None:
    found = cr.compile(lambda a: [Slotted(a + 1, {"inner": Slotted(a + 2)})])(x())[0]
    assert found.tensor.tolist() == [[2, 3]]
    assert found.inner["inner"].tensor.tolist() == [[3, 4]]
    assert found.inner["inner"].inner is None


def test_the_constructor_runs_while_tracing_only() -> None:
    step = cr.compile(lambda a: Counted(a + 1))
    for _ in range(3):
        found = step(x())
        assert found.made == [1]
        assert found.double.tolist() == [[4, 6]]


def test_a_view_in_a_dataclass_stays_a_view() -> None:
    def function(a: Any) -> Slotted:
        made = a.detach() * 2
        return Slotted(made, made.view(-1))

    found = cr.compile(function)(x())
    found.inner[0] = 7.0
    assert found.tensor.tolist() == [[7, 4]]


def test_one_tensor_in_two_places_stays_one() -> None:
    def function(a: Any) -> Any:
        y = a * 2
        return y, Slotted(y, y)

    y, found = cr.compile(function)(x())
    assert found.tensor is y
    assert found.inner is y


def test_a_dataclass_of_the_callers_is_returned_as_it_is() -> None:
    given = Slotted(x())
    step = cr.compile(lambda a, slotted: (a + slotted.tensor, slotted))
    assert step(x(), given)[1] is given
    assert step(x(), given)[1] is given


def test_an_object_of_no_tensors_is_returned_as_it_is() -> None:
    given = Plain(["a"])
    given.held.append(given)
    assert cr.compile(lambda a: (a + 1, given))(x())[1] is given


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda a: Plain(a * 2), r"returns a Plain that holds a tensor in \.held\..*or make Plain a dataclass"),
        (lambda a: [Plain([a * 2])], r"returns a Plain that holds a tensor in \.held"),
        (lambda a: Slotted(Plain({"b": a * 2}), a + 1), r"returns a Plain that holds a tensor in \.held"),
        (lambda a: {a * 2}, "returns a set that holds a tensor.*Return a list, and make the set of it outside"),
        (lambda a: deque([a * 2]), "returns a deque that holds a tensor"),
    ],
    ids=["itself", "in a list", "in a dataclass", "set", "deque"],
)
def test_an_object_that_holds_tensors_is_refused(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(LeakedTensorError, match=message) as caught:
        cr.compile(function)(x())
    assert "test_results.py:" in str(caught.value)
