"""Optimisers against PyTorch's on prescribed gradients: 60 steps, and state dicts handed over in the middle."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from chainrule import optim
from chainrule.tensor import Parameter, Tensor, from_array

STEPS = 60
SHAPES = ((3, 2), (5,), (), (0, 2))

CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.99), "amsgrad": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.2, 0.9), "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.0, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "centered": True, "alpha": 0.4}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.9, "weight_decay": 0.01, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "maximize": True, "initial_accumulator_value": 2}),
]
configurations = pytest.mark.parametrize(("name", "settings"), CONFIGURATIONS)
Arrays = list[npt.NDArray[Any]]


def start(dtype: Any) -> Arrays:
    rng = np.random.default_rng(0)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]


def gradients(step: int, dtype: Any) -> list[npt.NDArray[Any] | None]:
    """The gradients of a step; now and then a parameter has none, and the scale changes by orders of magnitude."""
    rng = np.random.default_rng(step + 1)
    found: list[npt.NDArray[Any] | None] = [
        np.asarray(rng.standard_normal(shape) * 10.0 ** rng.integers(-2, 2), dtype) for shape in SHAPES
    ]
    if step % 5 == 3:
        found[step % 3] = None
    return found


def ours(name: str, arrays: Arrays, **settings: Any) -> tuple[Any, list[Parameter]]:
    parameters = [Parameter(from_array(array)) for array in arrays]
    return getattr(optim, name)(parameters, **settings), parameters


def theirs(name: str, arrays: Arrays, **settings: Any) -> tuple[Any, list[Any]]:
    parameters = [torch.nn.Parameter(torch.tensor(array)) for array in arrays]
    return getattr(torch.optim, name)(parameters, foreach=False, **settings), parameters


def run_ours(optimizer: Any, parameters: list[Parameter], steps: range, dtype: Any = np.float64) -> None:
    for step in steps:
        for p, gradient in zip(parameters, gradients(step, dtype), strict=True):
            p.grad = None if gradient is None else from_array(gradient)
        optimizer.step()


def run_theirs(optimizer: Any, parameters: list[Any], steps: range, dtype: Any = np.float64) -> None:
    for step in steps:
        for p, gradient in zip(parameters, gradients(step, dtype), strict=True):
            p.grad = None if gradient is None else torch.tensor(gradient)
        optimizer.step()


def assert_same(mine: list[Parameter], others: list[Any], tolerance: float = 1e-10) -> None:
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a.read().array, b.detach().numpy(), rtol=tolerance, atol=tolerance)


@configurations
def test_sixty_steps_are_pytorchs_in_float64(name: str, settings: dict[str, Any]) -> None:
    mine, parameters = ours(name, start(np.float64), **settings)
    other, others = theirs(name, start(np.float64), **settings)
    for step in range(STEPS):
        run_ours(mine, parameters, range(step, step + 1))
        run_theirs(other, others, range(step, step + 1))
        assert_same(parameters, others)


@configurations
def test_sixty_steps_are_pytorchs_in_float32(name: str, settings: dict[str, Any]) -> None:
    mine, parameters = ours(name, start(np.float32), **settings)
    other, others = theirs(name, start(np.float32), **settings)
    run_ours(mine, parameters, range(STEPS), np.float32)
    run_theirs(other, others, range(STEPS), np.float32)
    assert {p.dtype.name for p in parameters} == {"float32"}
    assert_same(parameters, others, 1e-4)


@configurations
def test_pytorchs_state_is_taken_over_in_the_middle(name: str, settings: dict[str, Any]) -> None:
    other, others = theirs(name, start(np.float64), **settings)
    run_theirs(other, others, range(23))
    mine, parameters = ours(name, [p.detach().numpy() for p in others])
    mine.load_state_dict(other.state_dict())
    run_theirs(other, others, range(23, STEPS))
    run_ours(mine, parameters, range(23, STEPS))
    assert_same(parameters, others)


@configurations
def test_our_state_is_taken_over_by_pytorch_in_the_middle(name: str, settings: dict[str, Any]) -> None:
    mine, parameters = ours(name, start(np.float64), **settings)
    run_ours(mine, parameters, range(23))
    other, others = theirs(name, [np.array(p.read().array) for p in parameters])
    other.load_state_dict(as_torch(mine.state_dict()))
    run_ours(mine, parameters, range(23, STEPS))
    run_theirs(other, others, range(23, STEPS))
    assert_same(parameters, others)


@configurations
def test_state_dicts_have_the_same_layout(name: str, settings: dict[str, Any]) -> None:
    mine, parameters = ours(name, start(np.float64), **settings)
    other, others = theirs(name, start(np.float64), **settings)
    for steps in (range(0), range(3)):
        run_ours(mine, parameters, steps)
        run_theirs(other, others, steps)
        a, b = mine.state_dict(), other.state_dict()
        assert list(a) == list(b)
        assert list(a["state"]) == list(b["state"])
        for slots_a, slots_b in zip(a["state"].values(), b["state"].values(), strict=True):
            assert list(slots_a) == list(slots_b)
            for x, y in zip(slots_a.values(), slots_b.values(), strict=True):
                assert (x.dtype.name, tuple(x.shape)) == (str(y.dtype).removeprefix("torch."), tuple(y.shape))
                np.testing.assert_allclose(x.read().array, y.numpy(), rtol=1e-10)
        for group_a, group_b in zip(a["param_groups"], b["param_groups"], strict=True):
            group_b["foreach"] = None  # the oracle is told not to use it
            assert group_a == group_b
            assert list(group_a) == list(group_b)
            assert [type(value) for value in group_a.values()] == [type(value) for value in group_b.values()]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_representation_and_defaults_are_pytorchs(name: str) -> None:
    mine, _ = ours(name, start(np.float64))
    other = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(1))])
    assert repr(mine) == repr(other)
    assert mine.defaults == other.defaults


def test_settings_changed_on_the_way_are_followed() -> None:
    mine, parameters = ours("SGD", start(np.float64), lr=0.1, momentum=0.9)
    other, others = theirs("SGD", start(np.float64), lr=0.1, momentum=0.9)
    changes = [("lr", 0.01), ("weight_decay", 0.1), ("momentum", 0), ("momentum", 0.5), ("dampening", 0.2), ("lr", 1)]
    for number, (name, value) in enumerate(changes):
        run_ours(mine, parameters, range(4 * number, 4 * number + 4))
        run_theirs(other, others, range(4 * number, 4 * number + 4))
        mine.param_groups[0][name] = other.param_groups[0][name] = value
        assert_same(parameters, others)


def test_groups_are_pytorchs() -> None:
    settings: list[dict[str, Any]] = [{"lr": 0.5}, {"betas": (0.5, 0.6)}, {"weight_decay": 0.3}, {}]
    mine = [Parameter(from_array(array)) for array in start(np.float64)]
    others = [torch.nn.Parameter(torch.tensor(array)) for array in start(np.float64)]
    a = optim.Adam([{"params": [p]} | group for p, group in zip(mine, settings, strict=True)])
    b = torch.optim.Adam([{"params": [p]} | group for p, group in zip(others, settings, strict=True)], foreach=False)
    run_ours(a, mine, range(20))
    run_theirs(b, others, range(20))
    assert_same(mine, others)
    assert [group["params"] for group in a.state_dict()["param_groups"]] == [
        group["params"] for group in b.state_dict()["param_groups"]
    ]


def as_torch(thing: Any) -> Any:
    """A state dict of ours with PyTorch's tensors."""
    if isinstance(thing, Tensor):
        return torch.tensor(np.array(thing.read().array))
    if isinstance(thing, dict):
        return {name: as_torch(value) for name, value in thing.items()}
    return [as_torch(part) for part in thing] if isinstance(thing, list) else thing
