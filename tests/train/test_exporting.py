"""A model's forward pass as a graph: what is taken, what is refused, and that it computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.ir.errors import ArgumentError, TracedValueError
from chainrule.ir.parse import parse
from chainrule.ir.text import text_of
from chainrule.ir.verify import verify
from chainrule.train import exporting
from chainrule.train.exporting import ROWS, export, peak_bytes
from chainrule.train.forward import Forward
from tests.train.small import net


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def forward_of(model: nn.Module, *example: Any, rows: int = ROWS) -> Forward:
    exported = export(model, example, rows)
    verify(exported.graph)
    assert text_of(parse(text_of(exported.graph))) == text_of(exported.graph)
    return Forward(exported, model.state_dict(keep_vars=True))


def eagerly(model: nn.Module, *arguments: Any) -> Any:
    """What the model computes of whole chunks, op by op."""
    model.eval()
    with cr.no_grad():
        return model(*[cr.tensor(argument) for argument in arguments]).numpy()


def test_it_computes_what_the_model_does_in_evaluation_mode() -> None:
    model = net()
    model(cr.tensor(numbers(50, 4)))  # statistics
    forward = forward_of(model, numbers(1, 4))
    assert all(module.training for module in model.modules())
    assert [given.name for given in forward.exported.inputs if given.kind == "tensor"] == [
        "0.weight", "0.bias", "1.running_mean", "1.running_var", "1.weight", "1.bias", "4.weight", "4.bias",
    ]  # fmt: skip
    x = numbers(600, 4)
    np.testing.assert_allclose(forward(x), eagerly(model, x), rtol=1e-5, atol=1e-6)


def test_bits_of_a_row_do_not_depend_on_the_others() -> None:
    forward = forward_of(net(), numbers(1, 4), rows=8)
    x = numbers(30, 4)
    whole = forward(x)
    for row in range(30):
        assert np.array_equal(forward(x[row : row + 1]), whole[row : row + 1])
    assert forward(x[:0]).shape == (0, 3)


def test_a_model_in_memory_is_read_anew() -> None:
    model: Any = nn.Linear(2, 1)
    forward = forward_of(model, numbers(1, 2))
    first = forward(numbers(3, 2))
    with cr.no_grad():
        model.bias += 1
    np.testing.assert_allclose(forward(numbers(3, 2)), first + 1, rtol=1e-5)


def test_modes_are_put_back_one_by_one() -> None:
    model: Any = net()
    model[1].eval()
    export(model, [numbers(1, 4)])
    assert [module.training for module in model] == [True, False, True, True, True]


def test_gradients_and_compiled_code_are_left_alone() -> None:
    model: Any = nn.Linear(2, 1)
    model(cr.tensor(numbers(4, 2))).sum().backward()
    before = model.weight.grad.numpy().copy()
    export(model, [numbers(1, 2)])
    assert np.array_equal(model.weight.grad.numpy(), before)


class Two(nn.Module):
    """Words and numbers in, tied weights, a constant and a buffer that no state dict holds."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.words.weight
        self.register_buffer("scale", cr.tensor([1.0, 2.0, 3.0]), persistent=False)
        self.shift = np.array([0.5, 0.0, -0.5], np.float32)

    def forward(self, words: cr.Tensor, x: cr.Tensor) -> Any:
        return self.out((self.words(words).mean(1) + x) * self.scale + cr.from_numpy(self.shift))


def test_several_inputs_tied_weights_and_constants() -> None:
    model = Two()
    words = np.random.default_rng(0).integers(0, 5, (40, 7))
    forward = forward_of(model, words[:2], numbers(2, 3), rows=16)
    assert sorted(forward.exported.constants) == ["constant0", "constant1"]
    x = numbers(40, 3)
    np.testing.assert_allclose(forward(words, x), eagerly(model, words, x), rtol=1e-5, atol=1e-6)


@cr.custom_vjp
def twice(x: Any) -> Any:
    return x * 2


twice.defvjp(lambda x: (x * 2, None), lambda kept, g: (g * 2,))


class Custom(nn.Module):
    def forward(self, x: cr.Tensor) -> Any:
        return twice(x)


@pytest.mark.parametrize("model", [nn.Identity(), nn.Flatten(), Custom(), nn.Softmax(1)])
def test_models_without_state(model: nn.Module) -> None:
    x = numbers(9, 4)
    forward = forward_of(model, x[:1], rows=4)
    np.testing.assert_allclose(forward(x), eagerly(model, x), rtol=1e-6)


def test_fewer_rows_where_they_would_take_much_memory() -> None:
    model = nn.Sequential(nn.Linear(4, 1 << 19), nn.ReLU(), nn.Linear(1 << 19, 1))
    exported = export(model, [numbers(1, 4)])
    assert exported.rows == 64
    assert peak_bytes(exported.graph) <= 256 << 20


def test_fewer_rows_where_the_inputs_would_take_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_BYTES", 1 << 10)
    assert export(nn.Flatten(), [numbers(1, 8, 8)]).rows == 4


# What is refused


class Branching(nn.Module):
    def forward(self, x: cr.Tensor) -> Any:
        return x * 2 if float(x.sum()) > 0 else x


class Several(nn.Module):
    def forward(self, x: cr.Tensor) -> Any:
        return x, x


class Whole(nn.Module):
    def forward(self, x: cr.Tensor) -> Any:
        return x.sum(0)


class Ordered(nn.Module):
    def forward(self, x: cr.Tensor) -> Any:
        return x - x.mean(0, keepdim=True)


class Noisy(nn.Module):
    def forward(self, x: cr.Tensor) -> Any:
        return x + cr.randn(4)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", cr.zeros(()))

    def forward(self, x: cr.Tensor) -> Any:
        self.calls += 1
        return x


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (Branching(), TracedValueError, "float"),
        (Several(), ArgumentError, "must return one tensor, not tuple"),
        (Whole(), ArgumentError, r"must return a row for each row: of 256 rows it made f32\[4\]"),
        (Noisy(), ArgumentError, "it draws random numbers"),
        (Counting(), ArgumentError, "it writes to calls"),
        (nn.BatchNorm1d(4, track_running_stats=False), ArgumentError, "depends on the rows beside it"),
        (Ordered(), ArgumentError, "depends on the rows beside it"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_cannot_be_exported(model: nn.Module, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        export(model, [numbers(1, 4)])
    assert model.training


def test_rows_that_depend_on_one_another_are_found_from_zeros_too() -> None:
    with pytest.raises(ArgumentError, match="depends on the rows beside it"):
        export(Ordered(), [np.zeros((1, 4), np.float32)])


@pytest.mark.parametrize("example", [np.float32(1), np.zeros((0, 4), np.float32)])
def test_examples_without_rows(example: Any) -> None:
    with pytest.raises(ArgumentError, match="must hold rows"):
        export(nn.Linear(4, 1), [example])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((numbers(3, 5),), r"takes rows of shape \[n, 4\], not \[3, 5\]"),
        ((numbers(4),), "takes rows of shape"),
        ((numbers(3, 4), numbers(3, 4)), "takes 1 inputs, not 2"),
        ((np.array([["a"] * 4]),), "takes float32, not <U1"),
        ((np.array([["a"] * 4], object),), "takes numbers"),
    ],
    ids=range(5),
)
def test_arguments_that_do_not_fit(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        forward_of(nn.Linear(4, 1), numbers(1, 4))(*given)


def test_other_numbers_are_converted() -> None:
    forward = forward_of(nn.Linear(4, 1), numbers(1, 4))
    x = np.arange(8).reshape(2, 4)
    expected = forward(x.astype(np.float32))
    for given in (x, x.astype(np.float64), x.tolist(), cr.tensor(x), x.astype(object)):
        assert np.array_equal(forward(given), expected)
