"""Modules inside a compiled function do what they do outside: the same values, gradients and writes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import InPlaceError, LeakedTensorError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6)).astype(np.float32)

MODELS = {
    "linear": lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)),
    "norms": lambda: nn.Sequential(nn.LayerNorm(6), nn.BatchNorm1d(6), nn.GELU(), nn.Linear(6, 3)),
    "cumulative": lambda: nn.Sequential(nn.BatchNorm1d(6, momentum=None), nn.Linear(6, 3)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Tanh(), nn.Linear(6, 3)),
    "shapes": lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.PReLU(2), nn.Flatten(), nn.Linear(6, 3)),
}


def step_of(model: Any, loss: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        model.zero_grad()
        value = loss(model(x), y)
        value.backward()
        return value, [parameter.grad for parameter in model.parameters()]

    return step


def assert_same_steps(model: nn.Module, loss: nn.Module, x: Any, y: Any) -> None:
    """Two steps compiled and eagerly: losses, gradients, buffers."""
    other = copy.deepcopy(model)
    compiled, eager = cr.compile(step_of(model, loss)), step_of(other, loss)
    for _ in range(2):
        state = cr.get_rng_state()
        found = compiled(x, y)
        cr.set_rng_state(state)
        expected = eager(x, y)
        assert_close(found[0], expected[0])
        for mine, theirs in zip(found[1], expected[1], strict=True):
            assert_close(mine, theirs)
    for mine, theirs in zip(model.buffers(), other.buffers(), strict=True):
        assert_close(mine, theirs)
    assert compiled.traces == 1


def assert_close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    cr.manual_seed(1)
    assert_same_steps(MODELS[name](), nn.CrossEntropyLoss(), X, np.array([0, 2, 1, 0], np.int64))


def test_embedding_with_padding() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=0), nn.Flatten(), nn.Linear(6, 2))
    assert_same_steps(model, nn.CrossEntropyLoss(), np.array([[0, 1], [4, 0]], np.int64), np.array([1, 0], np.int64))


WEIGHT = cr.tensor([0.5, 1.0, 2.0])


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSELoss(),
        nn.L1Loss(reduction="sum"),
        nn.SmoothL1Loss(beta=0.5),
        nn.HuberLoss(delta=0.5),
        nn.BCEWithLogitsLoss(pos_weight=WEIGHT),
        nn.KLDivLoss(reduction="batchmean"),
    ],
    ids=repr,
)
def test_losses_of_numbers(loss: nn.Module) -> None:
    assert_same_steps(nn.Linear(6, 3), loss, X, RNG.uniform(0, 1, (4, 3)).astype(np.float32))


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(WEIGHT, ignore_index=1, label_smoothing=0.1),
        nn.NLLLoss(WEIGHT, ignore_index=1),
    ],
    ids=repr,
)
def test_losses_of_classes(loss: nn.Module) -> None:
    assert_same_steps(nn.Linear(6, 3), loss, X, np.array([0, 2, 1, 0], np.int32))


def test_binary_cross_entropy() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.Sigmoid())
    assert_same_steps(model, nn.BCELoss(), X, RNG.integers(0, 2, (4, 3)).astype(np.float32))


def test_switching_the_mode_traces_again() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5))
    compiled = cr.compile(model)
    assert 0 in compiled(X).detach().numpy()
    model.eval()
    assert_close(compiled(X), model(cr.tensor(X)))
    model.train()
    assert 0 in compiled(X).detach().numpy()
    assert compiled.traces == 2


def test_assigning_to_a_buffer_writes_the_cell_at_every_call() -> None:
    class Average(nn.Module):
        mean: Any
        calls: Any

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", cr.zeros(2))
            self.register_buffer("calls", cr.zeros((), dtype=cr.int64))

        def forward(self, x: Any) -> Any:
            self.mean = self.mean * 0.5 + x * 0.5
            self.calls += 1
            return x - self.mean

    model = Average()
    cell = model.mean
    compiled = cr.compile(model)
    for _ in range(3):
        compiled(np.array([8, 16], np.float32))
    assert model.mean is cell
    assert cell.tolist() == [7, 14]
    assert model.calls.item() == 3
    assert compiled.traces == 1


@pytest.mark.parametrize("value", ["x * 2", "[x * 2]", "(1, x * 2)", "{'k': x * 2}"])
def test_a_traced_tensor_cannot_be_kept_in_an_attribute(value: str) -> None:
    class Keeper(nn.Module):
        def forward(self, x: Any) -> Any:
            self.last = eval(value, {"x": x})
            return x

    model = Keeper()
    with pytest.raises(LeakedTensorError, match=r"self\.register_buffer\('last', chainrule\.zeros\(\[2\]") as caught:
        cr.compile(model)(np.array([1, 2], np.float32))
    assert "test_traced.py:" in str(caught.value)
    assert not hasattr(model, "last")
    model(cr.ones(2))
    assert hasattr(model, "last")


def test_an_empty_buffer_cannot_take_a_traced_tensor() -> None:
    class Keeper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("last", None)

        def forward(self, x: Any) -> Any:
            self.last = x * 2
            return x

    with pytest.raises(LeakedTensorError, match="register_buffer"):
        cr.compile(Keeper())(np.array([1, 2], np.float32))


def test_a_buffer_registered_while_tracing_begins_with_its_value() -> None:
    class Late(nn.Module):
        first: Any

        def forward(self, x: Any) -> Any:
            if not hasattr(self, "first"):
                self.register_buffer("first", x * 2)
            self.first = self.first + 1
            return self.first

    model = Late()
    compiled = cr.compile(model)
    assert compiled(np.array([1, 2], np.float32)).tolist() == [3, 5]
    assert compiled(np.array([9, 9], np.float32)).tolist() == [4, 6]


def test_errors_while_tracing_name_the_layer() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(ShapeError, match=r"layer 1\.1"):
        cr.compile(model)(X)


def test_an_input_written_in_place_is_written() -> None:
    x = cr.tensor([-1.0, 1.0])
    cr.compile(lambda: nn.functional.relu(x, inplace=True))()
    assert x.tolist() == [0, 1]
    w = nn.Parameter(cr.ones(2))
    with pytest.raises(InPlaceError):
        cr.compile(lambda: nn.functional.relu(w, inplace=True))()


def test_loading_and_clearing_inside_a_step() -> None:
    online, target = nn.Linear(2, 2), nn.Linear(2, 2)

    @cr.compile
    def sync() -> None:
        target.load_state_dict(online.state_dict())

    sync()
    assert target.weight.tolist() == online.weight.tolist()
    with cr.no_grad():
        online.weight.zero_()
    sync()
    assert target.weight.tolist() == [[0, 0], [0, 0]]
