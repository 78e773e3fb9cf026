from typing import Any

import numpy as np
import pytest

from chainrule import optim
from chainrule.ir.errors import ArgumentError, NotYetError
from chainrule.optim.optimizer import Optimizer, required
from chainrule.tensor import Parameter, Tensor, from_array


def parameter(*values: float) -> Parameter:
    return Parameter(from_array(np.array(values, np.float64)))


def with_gradient(p: Tensor, *values: float) -> None:
    p.grad = from_array(np.array(values, np.float64))


# Parameters and groups


def test_a_generator_of_parameters_is_one_group() -> None:
    a, b = parameter(1.0), parameter(2.0)
    optimizer = optim.SGD(p for p in (a, b))
    (group,) = optimizer.param_groups
    assert group["params"][0] is a
    assert group["params"][1] is b
    assert "param_names" not in group


def test_pairs_give_names() -> None:
    a, b = parameter(1.0), parameter(2.0)
    (group,) = optim.SGD([("a", a), ("b", b)]).param_groups
    assert group["param_names"] == ["a", "b"]
    assert group["params"][1] is b


def test_groups_have_settings_of_their_own_and_defaults_for_the_rest() -> None:
    a, b = parameter(1.0), parameter(2.0)
    given = {"params": a, "lr": 0.5}
    optimizer = optim.SGD([given, {"params": [b], "momentum": 0.9}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    assert [group["momentum"] for group in optimizer.param_groups] == [0, 0.9]
    assert given == {"params": a, "lr": 0.5}  # the user's dict stays the user's
    with_gradient(a, 1.0)
    with_gradient(b, 1.0)
    optimizer.step()
    assert a.tolist() == [0.5]
    assert b.tolist() == [1.9]


def test_a_group_can_be_added_later() -> None:
    a, b = parameter(1.0), parameter(2.0)
    optimizer = optim.Adam([a])
    optimizer.add_param_group({"params": [b], "lr": 0.5})
    assert optimizer.param_groups[1]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([], "there are no parameters"),
        (parameter(1.0), r"not a Parameter. Write \[tensor\]"),
        (object(), r"not a object. Did you mean model.parameters\(\)"),
        ([1.0], "parameter 0 is a float, not a Tensor"),
        ([{"lr": 0.1}], "a dict with 'params'"),
        ([("a", parameter(1.0)), parameter(2.0)], "some parameters come with a name"),
        ([{"params": {parameter(1.0)}}], "not a set"),
    ],
)
def test_what_is_no_list_of_parameters_is_refused(params: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        optim.SGD(params)


def test_a_parameter_of_two_groups_is_refused() -> None:
    p = parameter(1.0)
    with pytest.raises(ArgumentError, match=r"a parameter f64\[1\] is in group 0 already"):
        optim.SGD([{"params": [p]}, {"params": [p]}])


def test_a_parameter_twice_in_a_group_warns() -> None:
    p = parameter(1.0)
    with pytest.warns(UserWarning, match="twice"):
        optim.SGD([p, p])


def test_a_computed_tensor_is_refused() -> None:
    with pytest.raises(ArgumentError, match="computed from others"):
        optim.SGD([parameter(1.0) * 2])


def test_names_in_some_groups_only_are_refused() -> None:
    optimizer = optim.SGD([("a", parameter(1.0))])
    with pytest.raises(ArgumentError, match="must give names, or none"):
        optimizer.add_param_group({"params": [parameter(1.0)]})


# Steps


def test_parameters_without_a_gradient_are_left_alone() -> None:
    a, b = parameter(1.0), parameter(2.0)
    optimizer = optim.Adam([a, b], weight_decay=0.1)
    with_gradient(a, 1.0)
    optimizer.step()
    assert b.tolist() == [2.0]
    assert a in optimizer.state
    assert b not in optimizer.state


def test_step_returns_what_its_closure_does_and_gradients_are_on_there() -> None:
    p = parameter(3.0)
    optimizer = optim.SGD([p], lr=0.5)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = (p * p).sum()
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert p.tolist() == [0.0]
    assert p.requires_grad
    assert p.is_leaf


def test_updates_are_not_recorded() -> None:
    p = parameter(1.0)
    optimizer = optim.Adam([p])
    with_gradient(p, 1.0)
    optimizer.step()
    assert not any(slot.requires_grad for slot in optimizer.state[p].values())


def test_zero_grad_lets_gradients_go_or_makes_them_zeros() -> None:
    a, b = parameter(1.0), parameter(2.0)
    optimizer = optim.SGD([a, b])
    with_gradient(a, 3.0)
    held = a.grad
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is held
    assert held is not None
    assert held.tolist() == [0.0]
    assert b.grad is None
    optimizer.zero_grad()
    assert a.grad is None


def test_step_converges_on_a_parabola() -> None:
    p = parameter(5.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        ((p - 2) * (p - 2)).sum().backward()
        optimizer.step()
    assert p.tolist() == pytest.approx([2.0])


def test_repr_is_pytorchs() -> None:
    assert repr(optim.SGD([parameter(1.0)], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_hooks_are_named_as_missing() -> None:
    optimizer = optim.SGD([parameter(1.0)])
    with pytest.raises(NotYetError, match="register_step_pre_hook is not there yet"):
        optimizer.register_step_pre_hook(print)
    assert not hasattr(optimizer, "stepp")


# Settings that change


def test_momentum_turned_on_later_begins_with_the_next_gradient() -> None:
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1)
    with_gradient(p, 1.0)
    optimizer.step()
    assert p not in optimizer.state
    optimizer.param_groups[0]["momentum"] = 0.9
    optimizer.step()
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.0]


def test_dampening_turned_on_later_keeps_the_buffer() -> None:
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5)
    with_gradient(p, 1.0)
    optimizer.step()
    optimizer.param_groups[0]["dampening"] = 0.5
    optimizer.step()
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1.0]  # 0.5 * 1 + 0.5 * 1


def test_a_learning_rate_tensor_is_followed() -> None:
    p = parameter(1.0)
    rate = from_array(np.array([0.5]))
    optimizer = optim.SGD([p], lr=rate)
    with_gradient(p, 1.0)
    optimizer.step()
    rate.fill_(0.25)
    optimizer.step()
    assert p.tolist() == [0.25]


# PyTorch's custom optimisers


class Signs(Optimizer):
    """Written as for PyTorch, with a step and a counter of its own."""

    def __init__(self, params: Any, lr: Any = required) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["sum"] = p.grad * 0
                state["step"] += 1
                state["sum"] += p.grad
                p.data.sub_(state["sum"].sign() * group["lr"] / state["step"])


def test_a_custom_step_works() -> None:
    p = parameter(1.0, 1.0)
    optimizer = Signs([p], lr=0.5)
    with_gradient(p, 3.0, -3.0)
    optimizer.step()
    optimizer.step()
    assert p.tolist() == [0.25, 1.75]
    assert optimizer.state[p]["step"] == 2
    saved = optimizer.state_dict()
    assert saved["state"][0]["step"] == 2
    assert saved["state"][0]["sum"].tolist() == [6.0, -6.0]
    other = Signs([parameter(1.0, 1.0)], lr=0.5)
    other.load_state_dict(saved)
    assert other.state_dict()["state"][0]["sum"].tolist() == [6.0, -6.0]


def test_a_required_setting_must_be_given() -> None:
    with pytest.raises(ArgumentError, match="every parameter group must give 'lr'"):
        Signs([parameter(1.0)])
    assert Signs([{"params": [parameter(1.0)], "lr": 1}]).param_groups[0]["lr"] == 1
