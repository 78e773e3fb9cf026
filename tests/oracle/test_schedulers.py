"""Schedules against PyTorch's: learning rates, momenta and betas of two groups over 70 steps; states handed over."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from chainrule import optim
from chainrule.tensor import Parameter, from_array

STEPS = 70
Make = Callable[[Any, Any], Any]  # (the module lr_scheduler, an optimiser) -> a schedule


def half_of(epoch: int) -> float:
    return 0.5 ** (epoch // 10)


def warm_up_then(second: Make, at: int = 10, **settings: Any) -> Make:
    def make(kind: Any, optimizer: Any) -> Any:
        first = kind.LinearLR(optimizer, start_factor=0.1, total_iters=at)
        return kind.SequentialLR(optimizer, [first, second(kind, optimizer)], milestones=[at], **settings)

    return make


SCHEDULES: dict[str, Make] = {
    "step": lambda kind, opt: kind.StepLR(opt, 7),
    "step, other gamma": lambda kind, opt: kind.StepLR(opt, step_size=1, gamma=0.97),
    "milestones": lambda kind, opt: kind.MultiStepLR(opt, [5, 20, 20, 60]),
    "milestones, other gamma": lambda kind, opt: kind.MultiStepLR(opt, [1, 2], gamma=0.3),
    "exponential": lambda kind, opt: kind.ExponentialLR(opt, 0.95),
    "constant": lambda kind, opt: kind.ConstantLR(opt),
    "constant, other factor": lambda kind, opt: kind.ConstantLR(opt, factor=0.5, total_iters=30),
    "linear": lambda kind, opt: kind.LinearLR(opt),
    "linear down": lambda kind, opt: kind.LinearLR(opt, start_factor=1.0, end_factor=0.1, total_iters=50),
    "linear from little": lambda kind, opt: kind.LinearLR(opt, start_factor=1e-4, total_iters=60),
    "cosine": lambda kind, opt: kind.CosineAnnealingLR(opt, 50),
    "cosine, to a minimum, up again": lambda kind, opt: kind.CosineAnnealingLR(opt, T_max=10, eta_min=0.01),
    "warm restarts": lambda kind, opt: kind.CosineAnnealingWarmRestarts(opt, 7),
    "longer and longer": lambda kind, opt: kind.CosineAnnealingWarmRestarts(opt, T_0=3, T_mult=2, eta_min=0.01),
    "warm-up, restarts": warm_up_then(lambda kind, opt: kind.CosineAnnealingWarmRestarts(opt, 9)),
    "lambda": lambda kind, opt: kind.LambdaLR(opt, half_of),
    "lambdas": lambda kind, opt: kind.LambdaLR(opt, [half_of, lambda epoch: 1 / (1 + epoch)]),
    "multiplicative": lambda kind, opt: kind.MultiplicativeLR(opt, lambda epoch: 0.9 if epoch % 3 else 1.1),
    "multiplicatives": lambda kind, opt: kind.MultiplicativeLR(opt, [half_of, lambda epoch: 0.99]),
    "one cycle": lambda kind, opt: kind.OneCycleLR(opt, 0.5, total_steps=STEPS),
    "one cycle, by epochs": lambda kind, opt: kind.OneCycleLR(opt, 0.5, epochs=10, steps_per_epoch=8),
    "one cycle, linear": lambda kind, opt: kind.OneCycleLR(opt, 0.5, total_steps=90, anneal_strategy="linear"),
    "one cycle, three phases": lambda kind, opt: kind.OneCycleLR(opt, 0.5, total_steps=STEPS, three_phase=True),
    "one cycle, per group": lambda kind, opt: kind.OneCycleLR(
        opt, [0.5, 0.1], total_steps=71, base_momentum=[0.8, 0.7], max_momentum=[0.9, 0.95], div_factor=10
    ),
    "one cycle, three linear phases": lambda kind, opt: kind.OneCycleLR(
        opt, 0.5, total_steps=99, pct_start=0.4, three_phase=True, anneal_strategy="linear", final_div_factor=100
    ),
    "one cycle, momentum left alone": lambda kind, opt: kind.OneCycleLR(
        opt, 0.5, total_steps=STEPS, cycle_momentum=False, pct_start=0.0
    ),
    "warm-up, cosine": warm_up_then(lambda kind, opt: kind.CosineAnnealingLR(opt, 60)),
    "warm-up, steps": warm_up_then(lambda kind, opt: kind.StepLR(opt, 15), at=1),
    "warm-up, exponential": warm_up_then(lambda kind, opt: kind.ExponentialLR(opt, 0.9)),
    "warm-up, lambda": warm_up_then(lambda kind, opt: kind.LambdaLR(opt, half_of)),
    "three in turn": lambda kind, opt: kind.SequentialLR(
        opt,
        [kind.ConstantLR(opt, 0.1, 4), kind.ExponentialLR(opt, 0.9), kind.MultiStepLR(opt, [5, 6])],
        milestones=[5, 30],
    ),
}
schedules = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES.keys())
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [("SGD", {"momentum": 0.9}), ("AdamW", {})]
optimizers = pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=["SGD", "AdamW"])


def pair(name: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    """The same optimiser of two groups, ours and PyTorch's."""
    mine = [Parameter(from_array(np.ones(2))) for _ in range(2)]
    others = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    made = [
        getattr(kind, name)([{"params": [a]}, {"params": [b], "lr": 0.2}], lr=0.1, **settings)
        for kind, (a, b) in ((optim, mine), (torch.optim, others))
    ]
    return made[0], made[1]


def numbers(optimizer: Any) -> list[list[float]]:
    """What a schedule may have changed, per group."""
    return [
        [group["lr"], group.get("momentum", 0), *group.get("betas", ()), group["initial_lr"]]
        for group in optimizer.param_groups
    ]


def assert_same_run(mine: Any, schedule: Any, other: Any, other_schedule: Any, steps: int) -> None:
    for _ in range(steps):
        np.testing.assert_allclose(numbers(mine), numbers(other), rtol=1e-10)
        np.testing.assert_allclose(schedule.get_last_lr(), other_schedule.get_last_lr(), rtol=1e-10)
        assert schedule.last_epoch == other_schedule.last_epoch
        mine.step()
        other.step()
        schedule.step()
        other_schedule.step()


@schedules
@optimizers
def test_seventy_steps_are_pytorchs(name: str, settings: dict[str, Any], make: Make) -> None:
    mine, other = pair(name, settings)
    assert_same_run(mine, make(optim.lr_scheduler, mine), other, make(torch.optim.lr_scheduler, other), STEPS)
    np.testing.assert_allclose(numbers(mine), numbers(other), rtol=1e-10)


@schedules
def test_states_have_the_same_names_and_are_handed_over(make: Make) -> None:
    mine, other = pair("SGD", {"momentum": 0.9})
    a, b = make(optim.lr_scheduler, mine), make(torch.optim.lr_scheduler, other)
    assert_same_run(mine, a, other, b, 25)
    assert a.state_dict().keys() == b.state_dict().keys()
    mine2, other2 = pair("SGD", {"momentum": 0.9})
    a2, b2 = make(optim.lr_scheduler, mine2), make(torch.optim.lr_scheduler, other2)
    a2.load_state_dict(b.state_dict())
    mine2.load_state_dict(other.state_dict())
    b2.load_state_dict(a.state_dict())
    other2.load_state_dict(mine.state_dict())
    np.testing.assert_allclose(numbers(mine2), numbers(other), rtol=1e-10)
    assert_same_run(mine2, a2, other2, b2, STEPS - 25)


CHAINS: list[list[str]] = [["step", "exponential"], ["linear", "cosine"], ["constant", "milestones", "multiplicative"]]


@pytest.mark.parametrize("names", CHAINS)
def test_chained_schedules_are_pytorchs(names: list[str]) -> None:
    mine, other = pair("SGD", {})
    ours = [SCHEDULES[name](optim.lr_scheduler, mine) for name in names]
    theirs = [SCHEDULES[name](torch.optim.lr_scheduler, other) for name in names]
    for _ in range(STEPS):
        np.testing.assert_allclose(numbers(mine), numbers(other), rtol=1e-10)
        for optimizer, chain in ((mine, ours), (other, theirs)):
            optimizer.step()
            for schedule in chain:
                schedule.step()


@pytest.mark.parametrize("name", ["warm restarts", "longer and longer"])
def test_restarts_at_fractions_of_epochs_are_pytorchs(name: str) -> None:
    mine, other = pair("SGD", {})
    a, b = SCHEDULES[name](optim.lr_scheduler, mine), SCHEDULES[name](torch.optim.lr_scheduler, other)
    for epoch in (0.25, 2.5, 3, 6.75, 7, 30.1, 21, 2.9, 0):
        for _ in range(2):
            np.testing.assert_allclose(numbers(mine), numbers(other), rtol=1e-10)
            assert (a.T_cur, a.T_i, a.last_epoch) == (b.T_cur, b.T_i, b.last_epoch)
            a.step(epoch)
            b.step(epoch)
        a.step()
        b.step()


CONTINUED = ["step", "milestones", "exponential", "constant", "linear", "cosine", "lambda", "multiplicative"]


@pytest.mark.parametrize("name", CONTINUED)
def test_a_schedule_constructed_at_a_later_epoch_is_pytorchs(name: str) -> None:
    kinds = {
        "step": ("StepLR", (7,)),
        "milestones": ("MultiStepLR", ([5, 20],)),
        "exponential": ("ExponentialLR", (0.9,)),
        "constant": ("ConstantLR", (0.5, 20)),
        "linear": ("LinearLR", (0.1, 1.0, 20)),
        "cosine": ("CosineAnnealingLR", (15,)),
        "lambda": ("LambdaLR", (half_of,)),
        "multiplicative": ("MultiplicativeLR", (half_of,)),
    }
    kind, arguments = kinds[name]
    mine, other = pair("SGD", {})
    for optimizer in (mine, other):
        for group in optimizer.param_groups:
            group["initial_lr"] = 0.7
    a = getattr(optim.lr_scheduler, kind)(mine, *arguments, last_epoch=12)
    b = getattr(torch.optim.lr_scheduler, kind)(other, *arguments, last_epoch=12)
    assert_same_run(mine, a, other, b, 20)


@pytest.mark.parametrize("name", CONTINUED)
def test_jumping_to_an_epoch_is_pytorchs(name: str) -> None:
    mine, other = pair("SGD", {})
    a, b = SCHEDULES[name](optim.lr_scheduler, mine), SCHEDULES[name](torch.optim.lr_scheduler, other)
    mine.step()
    other.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for epoch in (3, 25, 24, 0, 60):
            a.step(epoch)
            b.step(epoch)
            np.testing.assert_allclose(numbers(mine), numbers(other), rtol=1e-10)


PLATEAUS: list[dict[str, Any]] = [
    {},
    {"patience": 2, "factor": 0.5},
    {"patience": 2, "mode": "max"},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "mode": "max", "cooldown": 3},
    {"patience": 0, "cooldown": 2, "factor": 0.7, "threshold": 0.3},
    {"patience": 0, "factor": 0.3, "min_lr": 0.004},
    {"patience": 0, "factor": 0.3, "min_lr": [0.004, 0.05]},
    {"patience": 0, "factor": 0.9, "eps": 0.01},
]


@pytest.mark.parametrize("settings", PLATEAUS)
def test_plateaus_are_pytorchs(settings: dict[str, Any]) -> None:
    mine, other = pair("SGD", {})
    a = optim.lr_scheduler.ReduceLROnPlateau(mine, **settings)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **settings)
    metric = np.random.default_rng(0).standard_normal(STEPS) * 0.3 + 1 / (1 + np.arange(STEPS) % 30)
    metric[40] = np.nan
    for value in metric:
        a.step(value)
        b.step(value)
        lrs = [[group["lr"] for group in optimizer.param_groups] for optimizer in (mine, other)]
        np.testing.assert_allclose(lrs[0], lrs[1], rtol=1e-10)
        assert {name: repr(x) for name, x in a.state_dict().items()} == {
            name: repr(x) for name, x in b.state_dict().items() if name != "optimizer"
        }
    c = optim.lr_scheduler.ReduceLROnPlateau(mine)
    c.load_state_dict(b.state_dict())
    assert c.state_dict().keys() == b.state_dict().keys()
    assert c.num_bad_epochs == b.num_bad_epochs


def test_a_learning_rate_tensor_is_written_in_place() -> None:
    rates = from_array(np.array(0.1)), torch.tensor(0.1, dtype=torch.float64)
    mine = optim.SGD([Parameter(from_array(np.ones(2)))], lr=rates[0])
    other = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=rates[1])
    a, b = optim.lr_scheduler.ExponentialLR(mine, 0.9), torch.optim.lr_scheduler.ExponentialLR(other, 0.9)
    for _ in range(5):
        mine.step()
        other.step()
        a.step()
        b.step()
    assert rates[0].item() == pytest.approx(rates[1].item(), rel=1e-10)
    assert a.get_last_lr()[0].item() == pytest.approx(b.get_last_lr()[0].item(), rel=1e-10)
