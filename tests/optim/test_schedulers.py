"""Schedules; their values stand in tests/oracle/test_schedulers.py."""

import warnings
from typing import Any

import numpy as np
import pytest

from chainrule import optim
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, NotYetError, StateDictError, TracedValueError
from chainrule.ir.trace import Trace
from chainrule.optim import lr_scheduler
from chainrule.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from chainrule.tensor import Parameter, from_array


def optimizer(groups: int = 1, kind: Any = optim.SGD, **settings: Any) -> optim.Optimizer:
    parameters = [Parameter(from_array(np.ones(2))) for _ in range(groups)]
    made: optim.Optimizer = kind([{"params": [p]} for p in parameters], **({"lr": 1.0} | settings))
    return made


def rates(schedule: Any, steps: int) -> list[float]:
    """The learning rate in each of some epochs."""
    found = []
    for _ in range(steps):
        found.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    return found


def test_step_lr_divides_now_and_then() -> None:
    assert rates(StepLR(optimizer(), 2, gamma=0.5), 5) == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_a_cosine_falls_to_its_minimum() -> None:
    assert rates(CosineAnnealingLR(optimizer(), 4, eta_min=0.5), 5) == pytest.approx(
        [1, 0.9267767, 0.75, 0.5732233, 0.5]
    )


def test_warm_up_then_decay() -> None:
    opt = optimizer()
    schedule = SequentialLR(opt, [LinearLR(opt, 0.5, total_iters=2), ExponentialLR(opt, 0.1)], milestones=[3])
    assert rates(schedule, 5) == pytest.approx([0.5, 0.75, 1.0, 1.0, 0.1])
    assert schedule.get_last_lr() == [pytest.approx(0.01)]


def test_turns_within_turns_begin_at_their_beginning() -> None:
    opt = optimizer()
    inner = SequentialLR(opt, [ConstantLR(opt, 0.5, 9), StepLR(opt, 1)], milestones=[2])
    outer = SequentialLR(opt, [ExponentialLR(opt, 0.9), inner], milestones=[1])
    assert rates(outer, 5) == pytest.approx([1.0, 0.5, 0.5, 1.0, 0.1])
    opt = optimizer()
    inner = SequentialLR(opt, [ConstantLR(opt, 0.5, 9), StepLR(opt, 1)], milestones=[2])
    outer = SequentialLR(opt, [inner, ExponentialLR(opt, 0.9)], milestones=[4])
    assert rates(outer, 6) == pytest.approx([0.5, 0.5, 1.0, 0.1, 1.0, 0.9])


def test_constant_factor_zero_comes_back() -> None:
    assert rates(ConstantLR(optimizer(), 0.0, total_iters=2), 3) == [0.0, 0.0, 1.0]


def test_schedules_multiply() -> None:
    opt = optimizer()
    first, second = ExponentialLR(opt, 0.5), StepLR(opt, 2, gamma=0.1)
    opt.step()
    first.step()
    second.step()
    assert opt.param_groups[0]["lr"] == 0.5
    first.step()
    second.step()
    assert opt.param_groups[0]["lr"] == pytest.approx(0.025)


def test_one_cycle_rises_and_falls_and_momentum_goes_the_other_way() -> None:
    opt = optimizer(momentum=0.5)
    schedule = OneCycleLR(opt, 1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear", div_factor=2)
    seen = []
    for _ in range(5):
        seen.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        opt.step()
        schedule.step()
    lr, momentum = zip(*seen, strict=True)
    assert lr == pytest.approx([0.5, 0.75, 1.0, 0.500025, 0.00005])
    assert momentum == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95])
    with pytest.raises(ArgumentError, match="step 6 of a schedule of 5"):
        schedule.step()


def test_one_cycle_cycles_the_first_beta() -> None:
    opt = optimizer(kind=optim.Adam)
    OneCycleLR(opt, 1.0, total_steps=5)
    assert opt.param_groups[0]["betas"] == (0.95, 0.999)


def test_one_cycle_with_a_phase_without_length_begins_at_the_top() -> None:
    opt = optimizer(momentum=0.5)
    OneCycleLR(opt, 1.0, total_steps=10, pct_start=0.1)
    assert opt.param_groups[0]["lr"] == 1.0


def test_plateau_reduces_after_patience_epochs_without_improvement() -> None:
    opt = optimizer()
    schedule = ReduceLROnPlateau(opt, patience=1, factor=0.5, min_lr=0.3)
    seen = []
    for metric in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0):
        schedule.step(from_array(np.asarray(metric)))
        seen.append(opt.param_groups[0]["lr"])
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.3, 0.3, 0.3]


def test_plateau_needs_bounds_for_groups_that_come_later() -> None:
    opt = optimizer()
    schedule = ReduceLROnPlateau(opt, patience=0, min_lr=[0.5])
    opt.add_param_group({"params": [Parameter(from_array(np.ones(1)))]})
    schedule.step(1.0)
    with pytest.raises(ArgumentError, match="the optimiser has 2 groups by now"):
        schedule.step(1.0)


class Callable:
    """A factor with a state, which is saved."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, epoch: int) -> float:
        return self.base**epoch


def test_callable_objects_are_saved_and_functions_are_not() -> None:
    schedule = LambdaLR(optimizer(2), [Callable(0.5), lambda epoch: 1.0])
    saved = schedule.state_dict()
    assert saved["lr_lambdas"] == [{"base": 0.5}, None]
    other = LambdaLR(optimizer(2), [Callable(0.25), lambda epoch: 1.0])
    other.load_state_dict(saved)
    assert other.lr_lambdas[0](1) == 0.5


@pytest.mark.parametrize(
    "made", [lambda opt: StepLR(opt, 2), lambda opt: OneCycleLR(opt, 1.0, total_steps=9)], ids=["StepLR", "OneCycleLR"]
)
def test_a_loaded_schedule_continues(made: Any) -> None:
    first, second = made(optimizer(momentum=0.9)), made(optimizer(momentum=0.9))
    rates(first, 3)
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert rates(second, 4) == rates(first, 4)


def test_the_state_of_another_schedule_is_refused() -> None:
    schedule = StepLR(optimizer(), 2)
    before = schedule.state_dict().copy()
    with pytest.raises(
        StateDictError, match=r"missing are \['gamma', 'step_size'\], unknown are \['T_max', 'eta_min'\]"
    ):
        schedule.load_state_dict(CosineAnnealingLR(optimizer(), 4).state_dict())
    assert schedule.state_dict() == before
    with pytest.raises(StateDictError, match="it has 2 functions, this schedule 1"):
        LambdaLR(optimizer(), float).load_state_dict(LambdaLR(optimizer(2), float).state_dict())


def sequential(opt: Any) -> Any:
    return SequentialLR(opt, [StepLR(opt, 2), ExponentialLR(opt, 0.5)], milestones=[2])


def test_nothing_is_loaded_if_an_inner_state_does_not_fit() -> None:
    schedule, saved = sequential(optimizer()), sequential(optimizer()).state_dict()
    saved["_schedulers"][0]["gamma"] = 99
    del saved["_schedulers"][1]["gamma"]
    with pytest.raises(StateDictError, match="missing are"):
        schedule.load_state_dict(saved)
    assert schedule._schedulers[0].gamma == 0.1


# Warnings


def test_the_wrong_order_of_steps_warns_once() -> None:
    schedule = StepLR(optimizer(), 2)
    with pytest.warns(UserWarning, match=r"Call optimizer.step\(\) first"):
        schedule.step()
    schedule.step()


def test_the_right_order_does_not_warn_and_a_schedule_counts_as_no_step() -> None:
    opt = optimizer()
    assert not opt._opt_called
    rates(StepLR(opt, 2), 3)
    assert opt._opt_called


def test_jumping_warns() -> None:
    opt = optimizer()
    schedule = StepLR(opt, 2, gamma=0.5)
    opt.step()
    with pytest.warns(UserWarning, match="deprecated"):
        schedule.step(5)
    assert opt.param_groups[0]["lr"] == 0.25


# Errors


REFUSED: list[tuple[Any, str]] = [
    (lambda: StepLR(object(), 2), "StepLR: an Optimizer is needed, not object"),  # type: ignore[arg-type]
    (lambda: StepLR(optimizer(), 2, last_epoch=3), "has no 'initial_lr'"),
    (lambda: ConstantLR(optimizer(), 1.5), "factor must be between 0 and 1"),
    (lambda: LinearLR(optimizer(), 0.0), "start_factor must be above 0"),
    (lambda: LinearLR(optimizer(), 0.5, 1.5), "end_factor must be between 0 and 1"),
    (lambda: LambdaLR(optimizer(2), [float]), "lr_lambda has 1 values, but the optimiser has 2 groups"),
    (lambda: MultiplicativeLR(optimizer(), 3), "must be a function of the epoch, not int"),  # type: ignore[arg-type]
    (lambda: OneCycleLR(optimizer(), 1.0), "give total_steps, or both epochs and steps_per_epoch"),
    (lambda: OneCycleLR(optimizer(), 1.0, epochs=3), "give total_steps, or both"),
    (lambda: OneCycleLR(optimizer(), 1.0, total_steps=0), "total_steps must be an int above 0, not 0"),
    (lambda: OneCycleLR(optimizer(), 1.0, total_steps=2.5), "total_steps must be an int"),  # type: ignore[arg-type]
    (lambda: OneCycleLR(optimizer(), 1.0, epochs=-1, steps_per_epoch=2), "epochs must be an int above 0"),
    (lambda: OneCycleLR(optimizer(), 1.0, epochs=1, steps_per_epoch=0), "steps_per_epoch must be an int above 0"),
    (lambda: OneCycleLR(optimizer(), 1.0, 9, pct_start=1.5), "pct_start must be a float between 0 and 1, not 1.5"),
    (lambda: OneCycleLR(optimizer(), 1.0, 9, pct_start=1), "pct_start must be a float between 0 and 1, not 1."),
    (lambda: OneCycleLR(optimizer(), 1.0, 9, anneal_strategy="exp"), "anneal_strategy must be 'cos' or 'linear'"),
    (lambda: OneCycleLR(optimizer(), [1.0, 2.0], 9), "max_lr has 2 values, but the optimiser has 1 groups"),
    (lambda: OneCycleLR(optimizer(), 1.0, 9, max_momentum=[0.9, 0.9]), "max_momentum has 2 values"),
    (lambda: OneCycleLR(optimizer(kind=optim.Adagrad), 1.0, 9), "neither momentum nor betas"),
    (lambda: ReduceLROnPlateau(optimizer(), factor=1.0), "factor must be below 1"),
    (lambda: ReduceLROnPlateau(optimizer(), mode="least"), "mode must be 'min' or 'max', not 'least'"),
    (lambda: ReduceLROnPlateau(optimizer(), threshold_mode="x"), "threshold_mode must be 'rel' or 'abs'"),
    (lambda: ReduceLROnPlateau(optimizer(), min_lr=[1, 2]), "min_lr has 2 values"),
    (lambda: CosineAnnealingWarmRestarts(optimizer(), 0), "T_0 must be an integer from 1 on, not 0"),
    (lambda: CosineAnnealingWarmRestarts(optimizer(), 2.5), "T_0 must be an integer"),  # type: ignore[arg-type]
    (lambda: CosineAnnealingWarmRestarts(optimizer(), 2, 0), "T_mult must be an integer from 1 on"),
    (lambda: CosineAnnealingWarmRestarts(optimizer(), 2).step(-1), "the epoch must be at least 0"),
    (lambda: SequentialLR(optimizer(), [], []), "at least one schedule"),
    (lambda: SequentialLR(optimizer(), [StepLR(optimizer(), 1)], []), "the StepLR at 0 is of another optimiser"),
    (lambda: SequentialLR(optimizer(), [object()], []), "entry 0 is a object, not a schedule"),  # type: ignore[list-item]
    (lambda: SequentialLR(opt := optimizer(), [StepLR(opt, 1)], [3]), "1 schedules need one milestone less, not 1"),
    (lambda: SequentialLR(opt := optimizer(), [ReduceLROnPlateau(opt)], []), "needs a metric"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_arguments_that_do_not_fit_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_schedule_is_refused_inside_a_compiled_function() -> None:
    schedule = StepLR(optimizer(), 2)
    with state.using(state.trace, Trace()):
        for use in (lambda: schedule.step(), lambda: schedule.last_epoch):
            with pytest.raises(TracedValueError, match="a schedule cannot be used inside a compiled function"):
                use()


def test_other_schedules_are_named_as_missing() -> None:
    with pytest.raises(NotYetError, match="CyclicLR is part of"):
        _ = lr_scheduler.CyclicLR
    assert not hasattr(lr_scheduler, "StepLRR")


class Halving(LRScheduler):
    """A user's schedule."""

    def get_lr(self) -> list[float]:
        return [base * 0.5**self.last_epoch for base in self.base_lrs]


def test_a_schedule_of_ones_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rates(Halving(optimizer()), 3) == [1.0, 0.5, 0.25]
