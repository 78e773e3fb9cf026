from typing import Any

import numpy as np
import pytest

from chainrule import optim
from chainrule.ir.errors import StateDictError
from chainrule.tensor import Parameter, from_array

KINDS: list[tuple[Any, dict[str, Any]]] = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    (optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
    (optim.AdamW, {"betas": (0.3, 0.5)}),
    (optim.RMSprop, {"momentum": 0.5, "centered": True}),
    (optim.Adagrad, {"lr_decay": 0.1}),
]


def parameters() -> list[Parameter]:
    return [Parameter(from_array(np.arange(n, dtype=np.float64))) for n in (2, 3)]


def steps(optimizer: optim.Optimizer, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = from_array(rng.standard_normal(p.shape))
        optimizer.step()


def values(optimizer: optim.Optimizer) -> list[Any]:
    return [p.tolist() for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_a_loaded_optimiser_continues_with_the_same_bits(kind: Any, settings: dict[str, Any]) -> None:
    first = kind(parameters(), **settings)
    steps(first, 3, seed=0)
    copies = [Parameter(from_array(p.detach().numpy())) for p in first.param_groups[0]["params"]]
    second = kind(copies, lr=7)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"]
    steps(first, 3, seed=1)
    steps(second, 3, seed=1)
    assert values(second) == values(first)
    assert second.state_dict().keys() == first.state_dict().keys() == {"state", "param_groups"}


def test_layout_is_pytorchs() -> None:
    a, b = parameters()
    groups: list[dict[str, Any]] = [{"params": [a]}, {"params": [b], "lr": 0.5}]
    optimizer = optim.Adam(groups)
    steps(optimizer, 2, seed=0)
    saved = optimizer.state_dict()
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]
    assert list(saved["param_groups"][1]) == [
        *("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "capturable", "differentiable"),
        *("fused", "decoupled_weight_decay", "params"),
    ]
    assert list(saved["state"][1]) == ["step", "exp_avg", "exp_avg_sq"]
    assert saved["state"][1]["step"].item() == 2.0
    assert saved["state"][1]["step"].shape == ()


def test_sgd_shows_no_slot_that_pytorch_does_not_have() -> None:
    optimizer = optim.SGD(parameters(), momentum=0.9, dampening=0.5)
    steps(optimizer, 1, seed=0)
    assert [list(slots) for slots in optimizer.state_dict()["state"].values()] == [["momentum_buffer"]] * 2


def test_loading_writes_into_the_slots_and_cells_that_are_there() -> None:
    optimizer, other = optim.Adam(parameters()), optim.Adam(parameters(), lr=0.5)
    steps(optimizer, 1, seed=0)
    steps(other, 2, seed=1)
    p = optimizer.param_groups[0]["params"][0]
    slot, cell = optimizer.state[p]["exp_avg"], dict.__getitem__(optimizer.param_groups[0], "lr")
    optimizer.load_state_dict(other.state_dict())
    assert optimizer.state[p]["exp_avg"] is slot
    assert dict.__getitem__(optimizer.param_groups[0], "lr") is cell
    assert slot.tolist() == other.state_dict()["state"][0]["exp_avg"].tolist()
    assert optimizer.param_groups[0]["lr"] == 0.5
    held = slot.tolist()
    steps(other, 1, seed=2)
    assert slot.tolist() == held  # a copy


def test_numpy_arrays_and_numbers_are_taken_and_cast() -> None:
    p = Parameter(from_array(np.zeros(2, np.float32)))
    optimizer = optim.Adam([p])
    saved = optimizer.state_dict()
    saved["state"] = {0: {"step": 3, "exp_avg": np.ones(2), "exp_avg_sq": [4.0, 9.0]}}
    optimizer.load_state_dict(saved)
    assert optimizer.state[p]["step"].item() == 3
    assert optimizer.state[p]["step"].dtype.name == "float32"
    assert optimizer.state[p]["exp_avg_sq"].tolist() == [4.0, 9.0]
    assert optimizer.state[p]["exp_avg"].dtype.name == "float32"


def test_state_of_parameters_that_are_not_in_it_is_forgotten() -> None:
    optimizer = optim.Adam(parameters())
    saved = optimizer.state_dict()
    steps(optimizer, 1, seed=0)
    optimizer.load_state_dict(saved)
    assert optimizer.state_dict()["state"] == {}


def test_a_setting_turned_on_just_before_saving_round_trips() -> None:
    optimizer = optim.RMSprop(parameters())
    steps(optimizer, 1, seed=0)
    optimizer.param_groups[0]["momentum"] = 0.9
    other = optim.RMSprop(parameters())
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["momentum"] == 0.9


def test_adamw_stays_adamw_when_it_takes_over_adams_state() -> None:
    optimizer = optim.AdamW(parameters())
    optimizer.load_state_dict(optim.Adam(parameters(), weight_decay=0.5).state_dict())
    assert optimizer.param_groups[0]["weight_decay"] == 0.5
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_a_learning_rate_tensor_is_copied() -> None:
    rate = from_array(np.array(0.5))
    optimizer = optim.SGD(parameters())
    optimizer.load_state_dict(optim.SGD(parameters(), lr=rate).state_dict())
    assert optimizer.param_groups[0]["lr"].item() == 0.5
    assert optimizer.param_groups[0]["lr"] is not rate


def test_names_come_with_the_state_dict() -> None:
    a, b = parameters()
    optimizer = optim.SGD([("a", a), ("b", b)])
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["param_names"] == ["a", "b"]
    plain = optim.SGD(parameters())
    plain.load_state_dict(saved)
    assert plain.param_groups[0]["param_names"] == ["a", "b"]


def adam_state(**changes: Any) -> dict[str, Any]:
    optimizer = optim.Adam(parameters())
    steps(optimizer, 1, seed=0)
    saved = optimizer.state_dict()
    for name, value in changes.items():
        saved["state"][0][name] = value
    return saved


def without(saved: dict[str, Any], *path: Any) -> dict[str, Any]:
    place: Any = saved
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return saved


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({}, "a dict with 'state' and 'param_groups'"),
        (
            optim.Adam([{"params": [p]} for p in parameters()]).state_dict(),
            "has 2 parameter groups, this optimiser has 1",
        ),
        (optim.Adam(parameters()[:1]).state_dict(), "group 0 has 1 parameters there and 2 here"),
        (optim.SGD(parameters()).state_dict(), "no setting 'betas'"),
        (without(adam_state(), "state", 0, "exp_avg"), r"state\[0\] lacks 'exp_avg'; it has 'exp_avg_sq', 'step'"),
        (adam_state(exp_avg=np.zeros(5)), r"state\[0\]\['exp_avg'\] is f64\[5\], but this parameter needs f64\[2\]"),
        (adam_state(exp_avg="none"), r"state\[0\]\['exp_avg'\] is no array of numbers"),
        (adam_state() | {"state": {7: {}}}, r"state\[7\] belongs to no parameter"),
        (adam_state() | {"state": {0: 1.0}}, r"state\[0\] must be a dict"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(saved: dict[str, Any], message: str) -> None:
    optimizer = optim.Adam(parameters(), lr=0.125)
    steps(optimizer, 2, seed=3)
    before = repr(optimizer.state_dict()["param_groups"])
    slots = [slot.tolist() for entry in optimizer.state_dict()["state"].values() for slot in entry.values()]
    if saved.get("param_groups"):
        saved["param_groups"][0]["lr"] = 99.0
    with pytest.raises(StateDictError, match=message):
        optimizer.load_state_dict(saved)
    assert repr(optimizer.state_dict()["param_groups"]) == before
    assert slots == [slot.tolist() for entry in optimizer.state_dict()["state"].values() for slot in entry.values()]
