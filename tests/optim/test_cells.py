"""Numbers in `param_groups`: cells behind a dict that reads as floats."""

import copy
from typing import Any

import numpy as np
import pytest

from chainrule import optim
from chainrule.ir import state
from chainrule.ir.trace import Trace
from chainrule.optim.groups import ParamGroup
from chainrule.tensor import Buffer, Parameter, ScalarCell, from_array


def held(group: ParamGroup, name: str) -> Any:
    return dict.__getitem__(group, name)


def group(**settings: Any) -> ParamGroup:
    return ParamGroup({"params": [], **settings})


def test_numbers_read_as_they_were_given() -> None:
    settings = group(lr=0.1, weight_decay=0, betas=(0.9, 0.999), nesterov=True, foreach=None, decay=np.float32(0.5))
    assert settings["lr"] == 0.1
    assert type(settings["lr"]) is float
    assert settings["weight_decay"] == 0
    assert type(settings["weight_decay"]) is int
    assert settings["betas"] == (0.9, 0.999)
    assert settings["nesterov"] is True
    assert settings["foreach"] is None
    assert type(settings["decay"]) is float
    assert isinstance(held(settings, "lr"), ScalarCell)
    assert isinstance(held(settings, "betas")[1], ScalarCell)


def test_every_way_to_read_a_dict_shows_numbers() -> None:
    settings = group(lr=0.1)
    plain = {"params": [], "lr": 0.1}
    assert dict(settings) == {**settings} == settings.copy() == dict(settings.items()) == plain
    assert list(settings.values()) == [[], 0.1]
    assert settings == plain
    assert repr(settings) == repr(plain)
    assert settings.get("lr") == 0.1
    assert settings.get("momentum", 3) == 3
    assert settings.setdefault("lr", 5) == 0.1
    assert settings.setdefault("new", 5) == 5
    assert settings.pop("new") == 5
    assert "new" not in settings
    assert copy.deepcopy(settings) == plain
    assert isinstance(copy.deepcopy(settings), ParamGroup)
    settings.update(lr=0.2)
    assert settings["lr"] == 0.2


def test_writing_a_number_writes_its_cell_and_counts_as_no_change_of_the_program() -> None:
    settings = group(lr=0.1, betas=(0.9, 0.99))
    cells = held(settings, "lr"), held(settings, "betas")
    version, changes = state.version(), settings.changes
    settings["lr"] = 0.0
    settings["betas"] = (0.5, *settings["betas"][1:])
    assert (held(settings, "lr"), held(settings, "betas")) == cells
    assert settings["lr"] == 0.0
    assert settings["betas"] == (0.5, 0.99)
    assert (state.version(), settings.changes) == (version, changes)


@pytest.mark.parametrize(("name", "value"), [("nesterov", True), ("momentum", None), ("new", 0.5), ("params", [])])
def test_writing_anything_else_counts(name: str, value: Any) -> None:
    settings = group(momentum=0.9, nesterov=False)
    version, changes = state.version(), settings.changes
    settings[name] = value
    assert state.version() > version
    assert settings.changes > changes


def test_a_number_that_a_program_counted_on_being_zero_gets_a_new_cell() -> None:
    settings = group(momentum=0, lr=0)
    assert settings.is_zero("momentum")
    cells, version = (held(settings, "momentum"), held(settings, "lr")), state.version()
    settings["lr"] = 0.1  # nobody asked
    assert state.version() == version
    assert held(settings, "lr") is cells[1]
    settings["momentum"] = 0.9
    assert state.version() > version
    assert held(settings, "momentum") is not cells[0]
    assert not settings.is_zero("momentum")
    assert settings["momentum"] == 0.9


def test_facts_of_a_tuple_and_of_what_is_no_cell() -> None:
    settings = group(betas=(0.0, 0.9), lr=from_array(np.zeros(())), foreach=None)
    assert [settings.is_zero("betas", 0), settings.is_zero("betas", 1)] == [True, False]
    assert [settings.is_above_half("betas", 0), settings.is_above_half("betas", 1)] == [False, True]
    assert not settings.is_zero("lr")
    assert not settings.is_zero("foreach")


def test_in_a_trace_numbers_are_weak_float64_scalars() -> None:
    settings = group(lr=0.1, betas=(0.9, 0.999))
    x = from_array(np.zeros(3, np.float32))
    with state.using(state.trace, Trace()):
        rate, (beta1, _) = settings["lr"], settings["betas"]
        assert rate is held(settings, "lr")
        assert (x * rate).dtype.name == "float32"
        alone = 1 - beta1 * rate
        assert alone.dtype.name == "float64"
        assert alone.read().weak
        assert (x * alone).dtype.name == "float32"


def test_a_write_in_a_trace_is_one_to_the_cell() -> None:
    settings = group(lr=0.5, momentum=0.0)
    with state.using(state.trace, trace := Trace()):
        cell = settings["lr"]
        settings["lr"] = settings["lr"] * 0.5
        assert settings["lr"] is cell
        assert cell.read().weak
        assert trace.evaluate(cell.read()) == 0.25
        settings["lr"] = 2
        assert trace.evaluate(cell.read()) == 2.0
        settings["momentum"] = settings["lr"]  # a value, not the same cell
        assert settings["momentum"] is not cell
        assert not settings.is_zero("momentum")  # what it will be in other calls is not known
        settings["betas"] = (settings["lr"] * 0.1, 0.9)
        settings["fresh"] = settings["lr"] * 3
        assert trace.evaluate(settings["fresh"].read()) == 6.0
    assert settings["lr"] == 0.5  # the program has not run


def test_a_zero_that_a_program_counted_on_is_given_up_in_a_trace() -> None:
    settings = group(momentum=0)
    assert settings.is_zero("momentum")
    with state.using(state.trace, Trace()):
        before = settings["momentum"]
        settings["momentum"] = 0.5
        assert settings["momentum"] is not before
        assert not settings.is_zero("momentum")


def test_slots_become_buffers_that_stay() -> None:
    p = Parameter(from_array(np.zeros(2)))
    optimizer = optim.SGD([p])
    slots = optimizer.state[p]
    slots["memory"] = from_array(np.ones(2))
    memory = slots["memory"]
    assert isinstance(memory, Buffer)
    slots["memory"] = memory * 3
    assert slots["memory"] is memory
    assert memory.tolist() == [3.0, 3.0]
    slots["memory"] = from_array(np.ones(4))
    assert slots["memory"] is not memory
    slots["count"] = 0
    slots["count"] += 1
    assert slots["count"] == 1


def test_forgetting_slots_counts_as_a_write() -> None:
    p = Parameter(from_array(np.zeros(2)))
    optimizer = optim.Adagrad([p])
    for forget in (lambda: optimizer.state.pop(p), lambda: optimizer.state.clear(), lambda: setattr(optimizer, "x", 1)):
        version = state.version()
        forget()
        assert state.version() > version
