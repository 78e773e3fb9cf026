"""What a compiled function is given and what it returns: the same tensors as eagerly, not copies, not others'."""

from __future__ import annotations

import collections
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, LeakedTensorError, RegistrationError
from tests.compiler.twins import Decorate, same_both_ways

X = cr.tensor([[1.0, 2.0], [3.0, 4.0]])


def fresh(function: Callable[..., Any]) -> None:
    """function(decorate, x) on a fresh x, eagerly and compiled; x counts as a result."""

    def run(decorate: Decorate) -> Any:
        x = X.clone()
        return [function(decorate, x), x]

    same_both_ways(run)


# Keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [lambda k: slice(0, k + 1), lambda k: np.int64(k), lambda k: np.bool_(k % 2), lambda k: complex(k), range],
    ids=["slice", "int64", "bool_", "complex", "range"],
)
def test_plain_values_count_by_value(make: Callable[[int], Any]) -> None:
    step = cr.compile(lambda x, thing: repr(thing))
    assert [step(X, make(k)) for k in (0, 1, 0, 1, 2)] == [repr(make(k)) for k in (0, 1, 0, 1, 2)]


def test_true_and_one_are_different() -> None:
    step = cr.compile(lambda x, flag: x * (3 if flag is True else 2))
    assert [step(X, flag)[0, 0].item() for flag in (1, True, 1.0, 1)] == [2, 3, 2, 2]


def test_a_memory_map_keeps_its_element_type(tmp_path: Path) -> None:
    np.arange(9).tofile(tmp_path / "tokens")
    tokens = np.memmap(tmp_path / "tokens", np.int64)
    step = cr.compile(lambda x: cr.as_tensor(x) * 2)
    found = [step(part) for part in (tokens[:3], tokens[2:5], tokens[4:9])]
    assert [part.tolist() for part in found] == [[0, 2, 4], [4, 6, 8], [8, 10, 12, 14, 16]]
    assert found[0].dtype is cr.int64
    assert step.traces == 2


def test_a_dict_that_makes_its_own_entries() -> None:
    batch: Any = collections.defaultdict(list, x=X)
    assert cr.compile(lambda b: {"y": b["x"] * 2})(batch)["y"].tolist() == [[2, 4], [6, 8]]


def test_an_object_that_took_the_place_of_another() -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = factor

    step = cr.compile(lambda x, scale: x * scale.factor)
    with pytest.warns(UserWarning, match=r"argument 1 \(another Scale object, then another Scale object\)"):
        assert [step(X, Scale(k))[0, 0].item() for k in range(20)] == list(range(20))


class Held:
    """A model with a compiled method."""

    def __init__(self, factor: int) -> None:
        self.layer = nn.Linear(2, 2)
        self.factor = factor

    @cr.compile
    def run(self, x: Any) -> Any:
        return self.layer(x) * self.factor


class HeldModule(nn.Module):
    """A module with a compiled forward, which sets an attribute."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.layer, self.factor = nn.Linear(2, 2), factor

    @cr.compile
    def forward(self, x: Any) -> Any:
        self.rows = x.shape[0]
        return self.layer(x) * self.factor


@pytest.mark.filterwarnings("ignore:.*was traced 9 times")
@pytest.mark.parametrize(("make", "method"), [(Held, "run"), (HeldModule, "forward")])
def test_programs_keep_no_model_alive(make: Any, method: str) -> None:
    gc.disable()  # reference counts alone must do
    try:
        for factor in range(10):
            model = make(factor)
            expected = (model.layer(X) * factor).tolist()
            assert getattr(model, method)(X).tolist() == expected
            gone, weight = weakref.ref(model), weakref.ref(model.layer.weight)
            del model
            assert gone() is None
            assert weight() is None
    finally:
        gc.enable()
    assert getattr(make, method)._programs == {}


def test_a_compiled_method_shows_its_traces() -> None:
    model = Held(2)
    model.run(X)
    assert model.run.traces == Held.run.traces
    assert "linear" in str(model.run.graph)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "threshold", "softplus", "hardshrink"])
def test_a_float_argument_as_the_setting_of_an_activation(name: str) -> None:
    def use(decorate: Decorate, x: Any) -> Any:
        activation = getattr(nn.functional, name)
        function = decorate(lambda x, a: activation(x - 2, *[a] * (1 + (name == "threshold"))))
        return [function(x, 0.5), function(x, 0.25)]

    fresh(use)


# Results --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [lambda x: x, lambda x: x.view(-1), lambda x: x.t()[1], lambda x: x.detach()],
    ids=["itself", "view", "view of a view", "detached"],
)
def test_an_argument_that_is_returned_is_the_same_tensor(function: Callable[..., Any]) -> None:
    def use(decorate: Decorate, x: Any) -> Any:
        y = decorate(function)(x)
        y.add_(1)
        x[0, 0] = 7
        return [y, y is x]

    fresh(use)


@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[:1], lambda x: x.data], ids=["itself", "slice", "data"])
def test_a_captured_tensor_that_is_returned_is_the_same_tensor(part: Callable[..., Any]) -> None:
    def use(decorate: Decorate, x: Any) -> Any:
        decorate(lambda: (x * 2, part(x)))()[1].add_(1)
        return None

    fresh(use)


def test_results_share_what_they_share_eagerly() -> None:
    def use(decorate: Decorate, x: Any) -> Any:
        def doubled(x: Any) -> Any:
            y = x * 2
            return y, y[:1], y

        a, b, c = decorate(doubled)(x)
        a.add_(1)
        return [a, b, c, a is c]

    fresh(use)


def test_a_view_of_a_parameter_that_is_returned_carries_gradients() -> None:
    layer: Any = nn.Linear(2, 2)
    row = cr.compile(lambda: layer.weight[0])()
    (row * 3).sum().backward()
    assert layer.weight.grad.tolist() == [[3, 3], [0, 0]]


def test_a_gradient_that_is_returned_is_the_gradient() -> None:
    def run(decorate: Decorate) -> Any:
        w = cr.ones(2, requires_grad=True)

        def slope() -> Any:
            w.grad = None
            (w * w).sum().backward()
            return w.grad

        function = decorate(slope)
        first, second = function(), function()
        second.mul_(5)
        return [first, second, w.grad, w.grad is second]

    same_both_ways(run)


def test_a_leaf_that_the_function_makes_is_a_leaf() -> None:
    def run(decorate: Decorate) -> Any:
        def leaf(x: Any) -> Any:
            y = x.detach().clone().requires_grad_()
            (y * y).sum().backward()
            return y

        y = decorate(leaf)(X)
        (y * 1).sum().backward()
        return [y, y.requires_grad, y.is_leaf, y.grad]

    same_both_ways(run)


def test_numbers_are_returned_as_numbers() -> None:
    step = cr.compile(lambda x, a: (x * a, a * 2 + 1, 3, None, "text", True))
    assert step(X, 2.5)[1:] == step(X, 2.5)[1:] == (6.0, 3, None, "text", True)
    assert type(step(X, 0.5)[1]) is float


# Arguments that share elements ----------------------------------------------------------------------------------------


def write_first(a: Any, b: Any) -> Any:
    a.zero_()
    return b.sum()


def write_both(a: Any, b: Any) -> Any:
    b.mul_(10)
    a.add_(1)
    return b.sum()


@pytest.mark.parametrize("function", [write_first, write_both])
@pytest.mark.parametrize(
    "parts",
    [lambda x: (x, x.view(-1)), lambda x: (x[0], x), lambda x: (x[:1], x[1:])],
    ids=["whole", "row", "halves"],
)
def test_a_write_to_one_argument_is_seen_through_another(function: Callable[..., Any], parts: Any) -> None:
    fresh(lambda decorate, x: [decorate(function)(*parts(x)), decorate(function)(*parts(x))])


def test_slices_of_one_batch_that_are_only_read_make_one_trace() -> None:
    step = cr.compile(lambda a, b: a + b)
    for _ in range(4):
        tokens = X.clone()
        step(tokens[:, :-1], tokens[:, 1:])
    assert step.traces == 1


@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[0]], ids=["itself", "row"])
def test_a_captured_tensor_is_passed_too(part: Callable[..., Any]) -> None:
    def use(decorate: Decorate, x: Any) -> Any:
        def step(a: Any) -> Any:
            x.add_(1)
            return a.sum()

        function = decorate(step)
        return [function(part(x)), function(part(x)), function(cr.ones(2)), function(part(x))]

    fresh(use)


# The compiled function itself -----------------------------------------------------------------------------------------


def test_attributes_set_on_a_compiled_module_are_the_modules() -> None:
    model = nn.Dropout(0.5)
    compiled = cr.compile(model)
    compiled.p = 0.25
    assert model.p == 0.25
    compiled.eval()
    assert not model.training


def test_a_compiled_module_can_be_copied_and_pickled() -> None:
    compiled = cr.compile(nn.Linear(2, 2))
    compiled(X)
    for twin in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert twin(X).tolist() == compiled(X).tolist()
        with cr.no_grad():
            twin.weight.zero_()
        assert twin(X).tolist() != compiled(X).tolist()


def test_a_compiled_module_as_a_child_is_refused() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = cr.compile(nn.Linear(2, 2))

    with pytest.raises(RegistrationError, match="compile the outer one"):
        Outer()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.Parameter(x) * 2,
        lambda x: nn.Linear(2, 2)(x),
        lambda x: nn.Buffer(cr.zeros(2, 2)).add_(x),
        lambda x: nn.Buffer(x * 2).mul_(2) * 1,
    ],
    ids=["parameter", "layer", "returned", "used"],
)
def test_cells_that_a_call_makes_and_drops_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(LeakedTensorError, match="Make it outside"):
        cr.compile(function)(X)


def test_a_mode_that_is_left_changed_is_refused() -> None:
    with pytest.raises(ArgumentError, match="gradients_enabled and left it so"):
        cr.compile(lambda x: (cr.set_grad_enabled(False), x * 2))(X)
    assert cr.is_grad_enabled()
