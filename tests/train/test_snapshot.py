"""States as arrays and JSON values."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import DivergedError, StateDictError
from chainrule.optim import lr_scheduler as schedules
from chainrule.train.fit import fit
from chainrule.train.snapshot import bits, load_optimizer, optimizer_state, plain, put_back, restored
from tests.train.small import line

MAKERS: dict[str, Any] = {
    "step": lambda o: schedules.StepLR(o, 2, 0.5),
    "multi step": lambda o: schedules.MultiStepLR(o, [2, 3, 3]),
    "exponential": lambda o: schedules.ExponentialLR(o, 0.9),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, 7),
    "restarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 3, 2),
    "lambda": lambda o: schedules.LambdaLR(o, lambda epoch: 0.95**epoch),
    "linear": lambda o: schedules.LinearLR(o),
    "one cycle": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=20),
    "sequential": lambda o: schedules.SequentialLR(
        o, [schedules.ConstantLR(o, 0.1, 2), schedules.ExponentialLR(o, 0.9)], [2]
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_schedule_goes_on_from_its_json(name: str) -> None:
    def made() -> tuple[Any, Any]:
        optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1, momentum=0.9)
        optimizer._opt_called = True
        return optimizer, MAKERS[name](optimizer)

    optimizer, schedule = made()
    for _ in range(5):
        schedule.step()
    kept = json.loads(json.dumps([plain(schedule.state_dict()), *optimizer_state(optimizer)[1:]]))
    other_optimizer, other = made()
    other.load_state_dict(restored(kept[0]))
    load_optimizer(other_optimizer, {}, kept[1])
    for _ in range(5):
        assert other_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        schedule.step()
        other.step()


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 0.1, "text", [1, [2.5]], (1, ("a", None)), {"a": (1,)}, {3: "three", None: []},
        Counter([2, 3, 3]), math.inf, {"__tuple__": 1}, np.float64(0.25),
    ],
)  # fmt: skip
def test_values_come_back_from_json_as_they_were(value: Any) -> None:
    found = restored(json.loads(json.dumps(plain(value), allow_nan=False)))
    assert found == value
    assert isinstance(value, np.generic) or type(found) is type(value)


def test_what_json_cannot_hold_is_named() -> None:
    with pytest.raises(StateDictError, match="cannot hold a object"):
        plain({"a": object()})


def test_bits_are_a_copy_that_no_program_sees() -> None:
    cell = cr.Buffer(cr.ones(3))
    copy = bits(cell)
    cell.zero_()
    assert copy.tolist() == [1, 1, 1]
    assert bits(cell[1:]).tolist() == [0, 0]


def test_a_state_of_other_shapes_is_refused() -> None:
    with pytest.raises(StateDictError, match=r"a is float32\[2\] in this state and f32\[3\] here"):
        put_back({"a": cr.Buffer(cr.ones(3))}, {"a": np.zeros(2, np.float32)})


def test_a_schedule_that_no_state_can_hold_trains_and_diverges_all_the_same() -> None:
    class Odd(schedules.LambdaLR):
        def __init__(self, optimizer: Any) -> None:
            super().__init__(optimizer, lambda epoch: 1.0)
            self.thing = object()

    x, y = line()
    settings: dict[str, Any] = {"schedule": lambda o, n: Odd(o), "compile": False, "epochs": 60}
    assert fit(nn.Linear(3, 1), (x, y), **settings).stopped == "all epochs"
    with pytest.raises(DivergedError):
        fit(nn.Linear(3, 1), (100 * x, y), optimizer=lambda p: optim.SGD(p, 0.1), **settings)
