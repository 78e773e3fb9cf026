"""Compiled steps: the bits of eager ones, and no new trace when a number changes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import TracedValueError
from chainrule.ir import state
from chainrule.optim.lr_scheduler import LinearLR, OneCycleLR
from chainrule.optim.optimizer import Optimizer


@pytest.fixture(autouse=True)
def on_the_reference_executor() -> Iterator[None]:
    """It has the bits of eager code; the native one is held to it in tests/backends/native."""
    with state.using(state.executor, "reference"):
        yield


CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "betas": (0.3, 0.9)}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "weight_decay": 0.01}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5, "alpha": 0.3}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.01, "initial_accumulator_value": 1}),
]
configurations = pytest.mark.parametrize(("name", "settings"), CONFIGURATIONS)


def training(name: str, settings: dict[str, Any], dtype: Any = np.float32) -> tuple[Any, list[Any], Any]:
    """An optimiser of a vector, a scalar and one parameter that no loss reads; and a step that trains them."""
    parameters = [cr.Parameter(cr.tensor(np.asarray(value, dtype))) for value in ([1.0, -2.0, 3.0], 0.5, [7.0])]
    optimizer = getattr(optim, name)(parameters, **settings)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (x * parameters[0] + parameters[1] - 1).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return optimizer, parameters, step


def inputs(count: int, dtype: Any = np.float32) -> list[Any]:
    rng = np.random.default_rng(0)
    return [cr.tensor(rng.standard_normal(3).astype(dtype)) for _ in range(count)]


def everything(optimizer: Any, parameters: list[Any]) -> list[Any]:
    slots = [slot for kept in optimizer.state_dict()["state"].values() for slot in kept.values()]
    return [tensor.read().array.tobytes() for tensor in [*parameters, *slots]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@configurations
def test_compiled_steps_have_the_bits_of_eager_ones(name: str, settings: dict[str, Any], dtype: Any) -> None:
    eager, traced = training(name, settings, dtype), training(name, settings, dtype)
    compiled = cr.compile(traced[2])
    for number, x in enumerate(inputs(12, dtype)):
        if number == 6:
            for optimizer in (eager[0], traced[0]):
                optimizer.param_groups[0]["lr"] = 0.05
        assert compiled(x).item() == eager[2](x).item()
        assert everything(*traced[:2]) == everything(*eager[:2])
    assert compiled.traces == 1
    assert traced[1][2].tolist() == [7.0]


def test_a_schedule_does_not_retrace() -> None:
    for name, settings in (("SGD", {"momentum": 0.9}), ("Adam", {})):
        eager, traced = training(name, settings), training(name, settings)
        compiled = cr.compile(traced[2])
        schedules = [OneCycleLR(made[0], 0.5, total_steps=10) for made in (eager, traced)]
        for x in inputs(10):
            compiled(x)
            eager[2](x)
            for schedule in schedules:
                schedule.step()
            assert everything(*traced[:2]) == everything(*eager[:2])
        assert compiled.traces == 1


class Trainer:
    """Holds a schedule where its compiled step can see it."""

    def __init__(self) -> None:
        self.optimizer, _, self.inner = training("SGD", {"lr": 0.1})
        self.schedule = LinearLR(self.optimizer, total_iters=5)
        self.step = cr.compile(self.inner_step)

    def inner_step(self, x: Any) -> Any:
        return self.inner(x)


def test_a_schedule_beside_a_compiled_step_does_not_retrace() -> None:
    trainer = Trainer()
    for x in inputs(6):
        trainer.step(x)
        trainer.schedule.step()
    assert trainer.step.traces == 1


def test_a_schedule_inside_a_compiled_step_is_refused() -> None:
    optimizer, _, step = training("SGD", {"lr": 0.1})
    schedule = LinearLR(optimizer)

    @cr.compile
    def both(x: Any) -> Any:
        loss = step(x)
        schedule.step()
        return loss

    with pytest.raises(TracedValueError, match="a schedule cannot be used inside"):
        both(inputs(1)[0])


CHANGES: list[tuple[str, dict[str, Any], str, Any]] = [
    ("SGD", {"lr": 0.1}, "momentum", 0.9),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, "nesterov", True),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, "weight_decay", 0.1),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, "dampening", 0.5),
    ("Adam", {"lr": 0.1}, "amsgrad", True),
    ("Adam", {"lr": 0.1}, "betas", (0.2, 0.999)),
    ("RMSprop", {"lr": 0.1}, "centered", True),
    ("Adagrad", {"lr": 0.1}, "lr_decay", 0.5),
]


@pytest.mark.parametrize(("name", "settings", "setting", "value"), CHANGES)
def test_a_change_of_the_formula_is_traced_again(name: str, settings: dict[str, Any], setting: str, value: Any) -> None:
    eager, traced = training(name, settings), training(name, settings)
    compiled = cr.compile(traced[2])
    for number, x in enumerate(inputs(8)):
        if number == 4:
            for optimizer in (eager[0], traced[0]):
                optimizer.param_groups[0][setting] = value
        compiled(x)
        eager[2](x)
        assert everything(*traced[:2]) == everything(*eager[:2])
    assert compiled.traces == 2


def test_loaded_state_is_what_the_compiled_step_continues_with() -> None:
    first, second = training("Adam", {"lr": 0.1}), training("Adam", {"lr": 0.3})
    compiled = cr.compile(second[2])
    for x in inputs(3):
        first[2](x)
        compiled(x)
    second[0].load_state_dict(first[0].state_dict())
    with cr.no_grad():
        for mine, other in zip(second[1], first[1], strict=True):
            mine.copy_(other)
    for x in inputs(3):
        first[2](x)
        compiled(x)
    assert everything(*second[:2]) == everything(*first[:2])
    assert compiled.traces == 1


def test_slots_that_were_thrown_away_are_made_anew() -> None:
    eager, traced = training("Adam", {"lr": 0.1}), training("Adam", {"lr": 0.1})
    compiled = cr.compile(traced[2])
    for number, x in enumerate(inputs(4)):
        if number == 2:
            eager[0].state.clear()
            traced[0].state.clear()
        compiled(x)
        eager[2](x)
    assert everything(*traced[:2]) == everything(*eager[:2])


def test_a_parameter_added_later_is_trained() -> None:
    optimizer, _, step = training("SGD", {"lr": 0.1})
    late = cr.Parameter(cr.tensor([1.0]))
    with_late = cr.compile(lambda x: step(x * late))
    with_late(inputs(1)[0])
    assert late.tolist() == [1.0]
    optimizer.add_param_group({"params": [late]})
    with_late(inputs(1)[0])
    assert late.tolist() != [1.0]


def test_the_learning_rate_may_be_written_and_read_inside_the_step() -> None:
    optimizer, _, step = training("SGD", {"lr": 1.0})

    @cr.compile
    def halving(x: Any) -> Any:
        group = optimizer.param_groups[0]
        group["lr"] = group["lr"] * 0.5
        step(x)
        return group["lr"] * 2

    assert [halving(x) for x in inputs(3)] == [1.0, 0.5, 0.25]
    assert optimizer.param_groups[0]["lr"] == 0.125
    assert halving.traces == 1


def test_a_learning_rate_tensor_is_read_at_every_call() -> None:
    rate = cr.tensor(0.5)
    eager, traced = training("Adam", {"lr": rate}), training("Adam", {"lr": rate})
    compiled = cr.compile(traced[2])
    for x in inputs(3):
        eager[2](x)
        compiled(x)
        rate.mul_(0.5)
    assert everything(*traced[:2]) == everything(*eager[:2])
    assert compiled.traces == 1


class Counting(Optimizer):
    """A custom optimiser as written for PyTorch: a counter and a slot of its own, made at the first step."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        with cr.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["sum"] = cr.zeros_like(p)
                    state["step"] += 1
                    state["sum"].add_(p.grad)
                    p.sub_(state["sum"] * (group["lr"] / state["step"]))


def test_a_custom_optimiser_compiles() -> None:
    made = []
    for _ in range(2):
        _, parameters, _ = training("SGD", {})
        optimizer = Counting(parameters, lr=0.1)

        def step(x: Any, optimizer: Any = optimizer, parameters: Any = parameters) -> Any:
            optimizer.zero_grad()
            loss = (x * parameters[0] + parameters[1]).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        made.append((optimizer, parameters, step))
    compiled = cr.compile(made[1][2])
    for x in inputs(4):
        made[0][2](x)
        compiled(x)
    assert [p.tolist() for p in made[0][1]] == [p.tolist() for p in made[1][1]]
    assert made[1][0].state[made[1][1][0]]["step"] == 4
    assert compiled.traces == 1
