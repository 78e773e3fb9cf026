"""What a trace records: single numbers that need no gradient once, all else as often as it is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim


def primitives(compiled: Any) -> Counter[str]:
    return Counter(node.primitive.name for node in compiled.graph.nodes)


def test_what_is_asked_of_a_number_again_and_again_is_one_node() -> None:
    rate = cr.tensor(0.25)
    compiled = cr.compile(lambda x, y: (x * (1 - rate), y * (1 - rate)))
    x = np.ones(3, np.float32)
    compiled(x, x)
    assert primitives(compiled) == {"full": 1, "sub": 1, "broadcast_to": 1, "mul": 2}


def test_zeros_of_either_sign_are_two_numbers() -> None:
    compiled = cr.compile(lambda x: (x * 0.0, x * -0.0, x * 0.0))
    found = compiled(np.ones((), np.float32))
    assert [np.signbit(each.numpy()).item() for each in found] == [False, True, False]
    assert primitives(compiled) == {"full": 2, "mul": 2}


def test_a_number_that_needs_a_gradient_has_a_node_for_each_use() -> None:
    w = cr.tensor(3.0, requires_grad=True)

    @cr.compile
    def step() -> Any:
        a, b = w * 2, w * 2
        a.retain_grad()
        (a + 5 * b).backward()
        return a.grad, b.grad

    first, second = step()
    assert first.item() == 1
    assert second is None


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_another_parameter_adds_the_nodes_that_are_its_own(kind: Any) -> None:
    counts = []
    for number in (2, 4, 16):
        parameters = [nn.Parameter(cr.ones(3)) for _ in range(number)]
        optimizer = kind(parameters, weight_decay=0.1)

        @cr.compile
        def step(parameters: Any = parameters, optimizer: Any = optimizer) -> None:
            for p in parameters:
                p.grad = p.detach() * 2
            optimizer.step()

        step()
        counts.append(len(step.graph.nodes))
    each = (counts[1] - counts[0]) / 2
    assert counts[2] - counts[1] == 12 * each
    assert each <= 32  # of Adam; what depends on the settings alone would be 20 more
