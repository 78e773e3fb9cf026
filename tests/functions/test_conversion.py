from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, GradientError, NotYetError, ShapeError, TracedValueError


def test_numbers() -> None:
    assert cr.tensor([[2.5]]).item() == 2.5
    assert (float(cr.tensor([2.5])), int(cr.tensor(2.9)), complex(cr.tensor(1.0))) == (2.5, 2, 1 + 0j)
    assert [10, 20][cr.tensor(1)] == 20
    assert bool(cr.tensor([0.0])) is False
    assert cr.tensor([[1, 2]]).tolist() == [[1, 2]]
    assert type(cr.tensor(1).item()) is int
    assert type(cr.tensor(True).item()) is bool


@pytest.mark.parametrize(
    ("ask", "kind", "message"),
    [
        (lambda x: x.item(), ArgumentError, r"one element is needed, not f32\[2\]"),
        (lambda x: float(x), ArgumentError, "one element"),
        (lambda x: bool(x), ArgumentError, r"x\.any\(\)"),
        (lambda x: [1][x[0]], DTypeError, "int"),
        (lambda x: len(x[0]), ShapeError, "no dimension"),
        (lambda x: list(x[0]), ShapeError, "without dimensions"),
        (lambda x: "a" in x, ArgumentError, "holds numbers"),
        (lambda x: f"{x:.2f}", TypeError, "format"),
        (lambda x: x.requires_grad_().numpy(), GradientError, r"x\.detach\(\)\.numpy\(\)"),
        (lambda x: np.asarray(x.requires_grad_()), GradientError, "detach"),
        (lambda x: x.size(1), ShapeError, "does not exist"),
        (lambda x: x.to("cuda"), NotYetError, "cuda"),
        (lambda x: x.to(copies=True), ArgumentError, "copies"),
        (lambda x: setattr(x.requires_grad_(), "data", cr.tensor([1])), DTypeError, "floating"),
    ],
)
def test_errors(ask: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        ask(cr.ones(2))


def test_numpys_view_is_read_only_and_a_snapshot() -> None:
    x = cr.ones(2)
    a = x.numpy()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    x.add_(1)
    assert a.tolist() == [1, 1]
    assert x.detach().numpy().tolist() == [2, 2]
    b = np.array(x)
    b[0] = 9
    assert x.tolist() == [2, 2]
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    with pytest.raises(ArgumentError, match="without a copy"):
        np.array(x, dtype=np.float64, copy=False)
    assert x.requires_grad_().numpy(force=True).tolist() == [2, 2]


def test_numpys_functions_return_tensors() -> None:
    x = cr.zeros(2)
    assert isinstance(np.exp(x), cr.Tensor)
    assert np.exp(x).tolist() == [1, 1]
    assert isinstance(np.asarray(x), np.ndarray)
    with pytest.raises(GradientError, match="detach"):
        np.exp(cr.ones(2, requires_grad=True))


def test_as_a_sequence() -> None:
    x = cr.arange(6).reshape(2, 3)
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[0, 1, 2], [3, 4, 5]]
    assert 5 in x
    assert 7 not in x


def test_to_returns_the_tensor_itself_if_nothing_changes() -> None:
    x = cr.ones(2)
    assert x.to(cr.float32) is x.to("cpu") is x.float() is x.cpu() is x.to("cpu", cr.float32) is x
    assert x.to(cr.float32, copy=True) is not x
    assert x.to(cr.tensor([1])).dtype is x.long().dtype is x.type(cr.int64).dtype is cr.int64
    assert x.to(dtype="float64").dtype is cr.float64


def test_device() -> None:
    place = cr.ones(1).device
    assert place == "cpu"
    assert place == cr.device("cpu")
    assert (place.type, str(place), repr(place)) == ("cpu", "cpu", "device(type='cpu')")
    assert {place: 1}[cr.device("cpu")] == 1


def test_detach_shares_and_clone_does_not() -> None:
    x = cr.ones(2)
    x.detach().add_(1)
    x.data.mul_(2)
    x.clone().zero_()
    assert x.tolist() == [4, 4]
    y = x.requires_grad_() * 2
    assert y.detach().requires_grad is False
    assert y.detach_() is y
    assert y.requires_grad is False


def test_assigned_data_keeps_the_leaf_and_its_gradient() -> None:
    x = cr.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    x.data = cr.zeros(2)
    assert (x.tolist(), x.is_leaf, x.requires_grad, x.grad.tolist()) == ([0, 0], True, True, [3, 3])
    x.data = cr.zeros(3)
    assert x.shape == (3,)


# Inside a compiled function -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "question", "repair"),
    [
        ("item", "x.sum().item()", "return it from the compiled function"),
        ("float", "float(x.sum())", "return it from the compiled function"),
        ("int", "int(x.sum())", "return it from the compiled function"),
        ("bool", "x.sum() > 0 and x", "chainrule.where"),
        ("index", "[1, 2][x.sum().long()]", "int of Python"),
        ("index", "cr.zeros(x.sum().long())", "int of Python"),
        ("tolist", "x.tolist()", "return it from the compiled function"),
        ("numpy", "x.numpy()", "chainrule's functions, not NumPy's"),
        ("numpy", "np.exp(x)", "chainrule's functions, not NumPy's"),
        ("print", "str(x)", "repr"),
        ("format", 'f"{x}"', "repr"),
        ("contains", "1.0 in x", "chainrule.where"),
        ("nonzero", "x.nonzero()", "mask and `where`"),
        ("masked_select", "x.masked_select(x > 0)", "mask and `where`"),
        ("unique", "x.unique()", "mask and `where`"),
        ("bincount", "x.long().bincount()", "scatter_add"),
        ("one_hot", "cr.one_hot(x.long())", "num_classes"),
        ("allclose", "cr.allclose(x, x)", "chainrule.where"),
        ("equal", "cr.equal(x, x)", "chainrule.where"),
        ("item", "cr.arange(x.sum())", "return it from the compiled function"),
        ("pickle", "pickle.dumps(x)", "return it from the compiled function"),
    ],
)
def test_python_cannot_be_told_a_traced_value(what: str, question: str, repair: str) -> None:
    code = compile(question, "script.py", "eval")
    with pytest.raises(TracedValueError, match=f"^{what}: ") as caught:
        cr.compile(lambda x: eval(code, {"x": x, "cr": cr, "np": np, "pickle": pickle}))(np.array([1, 2], np.float32))
    message = str(caught.value)
    assert repair in message
    assert "[" in message  # the type is shown
    assert "script.py:1" in message  # and the line


def test_what_a_compiled_function_may_ask() -> None:
    seen: list[Any] = []

    def step(x: Any) -> Any:
        seen.append((repr(x), len(x), x.shape, x.ndim, x.numel(), x.dtype, x.size(0)))
        return sum(row * 2 for row in x)

    assert cr.compile(step)(np.array([1, 2], np.float32)).item() == 6
    assert seen == [("<traced tensor f32[2]>", 2, (2,), 1, 2, cr.float32, 2)]


# Text and copies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: cr.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: cr.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: cr.tensor(3), "tensor(3)"),
        (lambda: cr.tensor([[True]]), "tensor([[True]])"),
        (lambda: cr.tensor([1.0], dtype=cr.float64), "tensor([1.], dtype=chainrule.float64)"),
        (lambda: cr.zeros(0, 3), "tensor([], size=(0, 3))"),
        (lambda: cr.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: cr.ones(1, requires_grad=True) * 2, "tensor([2.], grad_fn=<mul>)"),
        (lambda: cr.Parameter(cr.ones(1)), "Parameter containing:\ntensor([1.], requires_grad=True)"),
    ],
)
def test_text(make: Any, text: str) -> None:
    assert repr(make()) == str(make()) == f"{make()!r}" == text


def test_formats() -> None:
    assert f"{cr.tensor(1.23456):.2f}" == "1.23"
    assert f"{cr.tensor(7)}" == "7"
    assert f"{cr.ones(1)}" == "tensor([1.])"


def test_copies_and_pickles() -> None:
    x = cr.Parameter(cr.ones(2))
    (x * 2).sum().backward()
    twin = copy.deepcopy(x)
    assert isinstance(twin, cr.Parameter)
    assert twin.grad is not None
    assert (twin.tolist(), twin.grad.tolist(), twin.requires_grad, twin.is_leaf) == ([1, 1], [2, 2], True, True)
    with cr.no_grad():
        twin.zero_()
    assert x.tolist() == [1, 1]
    for buffer in (cr.Buffer(cr.ones(2), persistent=False), cr.Buffer(cr.zeros(()), persistent=True)):
        loaded = pickle.loads(pickle.dumps(buffer))
        assert isinstance(loaded, cr.Buffer)
        assert (loaded.persistent, loaded.tolist()) == (buffer.persistent, buffer.tolist())
    pair = [x, x]
    first, second = copy.deepcopy(pair)
    assert first is second
    with pytest.raises(GradientError, match=r"x\.detach\(\)"):
        copy.deepcopy(x * 2)
