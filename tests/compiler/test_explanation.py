"""`explain` of a compiled function, on both executors."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.errors import ArgumentError


def test_it_names_its_executor(executor: str) -> None:
    twice = cr.compile(lambda x: (x + x).exp())
    twice(cr.ones(3))
    text = str(twice.explain())
    assert f"executor {executor}" in text
    assert "add" in text
    assert "exp" in text


def test_before_the_first_call_there_is_nothing_to_explain() -> None:
    with pytest.raises(ArgumentError, match="was not called yet"):
        cr.compile(lambda x: x).explain()


def test_a_step_of_the_tape_has_a_forward_and_a_backward() -> None:
    square = cr.compile(lambda x: (x * x).sum())
    square(cr.ones(3, requires_grad=True))
    explanation = square.explain(times=True)
    assert [name for name, _ in explanation.parts] == ["forward", "backward"]
    assert str(explanation).startswith("forward\n")


def test_nothing_varies_by_being_explained() -> None:
    total = cr.zeros(3)
    add = cr.compile(lambda x: total.add_(x).sum())
    add(cr.ones(3))
    add.explain(times=True)
    add(cr.ones(3))
    assert total.tolist() == [2.0, 2.0, 2.0]
    assert add.traces == 1
