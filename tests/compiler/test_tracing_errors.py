"""Each thing that cannot be traced is an error that names the line and shows the repair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import (
    GradientNotKeptError,
    InPlaceError,
    LeakedTensorError,
    OutOfRangeError,
    TracedValueError,
)

X = np.array([1, 2], np.float32)


@pytest.mark.parametrize(
    ("name", "function", "repair"),
    [
        ("item", lambda x: x.sum().item(), "return"),
        ("float", lambda x: float(x.sum()), "return"),
        ("int", lambda x: int(x.sum()), "return"),
        ("bool", lambda x: x if x.sum() > 0 else -x, "where"),
        ("numpy", lambda x: x.numpy(), "return"),
        ("tolist", lambda x: x.tolist(), "return"),
        ("print", lambda x: print(x), "return"),
        ("format", lambda x: f"{x}", "return"),
        ("np.asarray", lambda x: np.asarray(x), "return"),
        ("nonzero", lambda x: x.nonzero(), "where"),
        ("boolean index", lambda x: x[x > 0], "where"),
    ],
)
def test_asking_for_a_traced_value_is_an_error(name: str, function: Callable[..., Any], repair: str) -> None:
    with pytest.raises(TracedValueError) as caught:
        cr.compile(function)(X)
    assert repair in str(caught.value).lower()
    assert "test_tracing_errors.py:" in str(caught.value)


def test_a_traced_tensor_in_a_list_outside_is_an_error() -> None:
    kept: list[Any] = []
    with pytest.raises(LeakedTensorError, match="register_buffer") as caught:
        cr.compile(lambda x: kept.append(x * 2))(X)
    assert "test_tracing_errors.py:" in str(caught.value)
    with pytest.raises(LeakedTensorError):
        kept[0] + 1


def test_a_traced_tensor_in_a_plain_attribute_is_an_error() -> None:
    class Keeper(nn.Module):
        def forward(self, x: Any) -> Any:
            self.last = x * 2
            return x

    with pytest.raises(LeakedTensorError, match=r"register_buffer\('last'"):
        cr.compile(Keeper())(X)


def test_a_traced_tensor_in_a_registered_buffer_is_written() -> None:
    class Keeper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("last", cr.zeros(2))

        def forward(self, x: Any) -> Any:
            self.last = x * 2
            return x

    model = Keeper()
    compiled = cr.compile(model)
    compiled(X)
    assert model.last.tolist() == [2, 4]
    compiled(X * 2)
    assert model.last.tolist() == [4, 8]
    assert compiled.traces == 1


def test_an_array_argument_written_in_place_is_an_error() -> None:
    def double(x: Any) -> Any:
        x[1:] *= 2
        return x.sum()

    array = np.array([1, 2], np.float32)
    with pytest.raises(InPlaceError, match="argument 0 is a NumPy array") as caught:
        cr.compile(double)(array)
    assert "test_tracing_errors.py:" in str(caught.value)


def test_gradients_are_not_kept_by_a_step_with_an_optimiser() -> None:
    model: Any = nn.Linear(2, 1)
    optimizer = cr.optim.SGD(model.parameters(), 0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    cr.compile(step)(X)
    with pytest.raises(GradientNotKeptError, match="keep_grads=True"):
        model.weight.grad  # noqa: B018 (reading it is the point)
    cr.compile(step, keep_grads=True)(X)
    assert model.weight.grad.tolist() == [[1, 2]]
    cr.compile(step)(X)
    optimizer.zero_grad()
    assert model.weight.grad is None


@pytest.mark.parametrize("decorate", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_what_is_added_to_a_gradient_that_was_not_kept_is_not_kept_either(decorate: Callable[..., Any]) -> None:
    """A critic's step and then a generator's, which leaves gradients in the critic that nobody will read."""
    critic: Any = nn.Linear(2, 1)
    generator: Any = nn.Linear(2, 2)
    of_critic, of_generator = cr.optim.SGD(critic.parameters(), 0.1), cr.optim.SGD(generator.parameters(), 0.1)

    def generate(x: Any) -> Any:
        of_generator.zero_grad()
        critic(generator(x)).sum().backward()
        of_generator.step()

    @cr.compile
    def criticise(x: Any) -> Any:
        of_critic.zero_grad()
        critic(x).sum().backward()
        of_critic.step()

    generate = decorate(generate)
    before = generator.weight.tolist()
    for _ in range(3):
        criticise(X)
        generate(X)
    assert generator.weight.tolist() != before
    assert criticise.traces == getattr(generate, "traces", 1) == 1
    with pytest.raises(GradientNotKeptError, match="keep_grads=True"):
        of_critic.step()
    of_critic.zero_grad()
    generate(X)
    assert critic.weight.grad is not None


def test_a_failed_trace_leaves_everything_as_it_was() -> None:
    w = cr.ones(2)

    def step(x: Any) -> Any:
        w.mul_(2)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        cr.compile(step)(X)
    assert w.tolist() == [1, 1]
    assert cr.compile(lambda x: x + w)(X).tolist() == [2, 3]


@pytest.mark.parametrize("decorate", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_an_index_out_of_range_names_the_line_and_the_layer(decorate: Callable[..., Any]) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(3, 2)

        def forward(self, x: Any) -> Any:
            return self.table(x)

    with pytest.raises(OutOfRangeError) as caught:
        decorate(Words())(np.array([5]))
    assert "layer table" in str(caught.value)
    assert "test_tracing_errors.py:" in str(caught.value)
