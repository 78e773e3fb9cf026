"""The table as a whole: what every function and method has in common."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DTypeError, NotYetError
from chainrule.functions import FUNCTIONS, METHODS


def test_every_method_is_attached() -> None:
    for name in METHODS:
        assert hasattr(cr.Tensor, name), name


@pytest.mark.parametrize("table", [FUNCTIONS, METHODS], ids=["functions", "methods"])
def test_everything_public_is_documented(table: dict[str, object]) -> None:
    assert [name for name, entry in table.items() if not name.startswith("__") and not inspect.getdoc(entry)] == []


def test_functions_bear_their_names() -> None:
    for name in ("exp", "add", "sum", "reshape", "zeros", "rand", "einsum"):
        assert FUNCTIONS[name].__name__.rstrip("_") == name


def test_arguments_have_pytorchs_names_and_numpys() -> None:
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert cr.sum(input=x, dim=0).tolist() == x.sum(axis=0).tolist() == [4, 6]
    assert x.sum(dim=1, keepdim=True).tolist() == x.sum(axis=1, keepdims=True).tolist() == [[3], [7]]
    assert cr.add(input=x, other=1).tolist() == [[2, 3], [4, 5]]


def test_numpy_arrays_are_taken_for_tensors() -> None:
    a = np.array([1, 4], np.float32)
    result = cr.sqrt(a)
    assert isinstance(result, cr.Tensor)
    assert result.tolist() == [1, 2]
    assert (cr.ones(2) + a).tolist() == [2, 5]
    assert (a + cr.ones(2)).tolist() == [2, 5]
    assert isinstance(a + cr.ones(2), cr.Tensor)
    assert cr.reshape(a, (2, 1)).shape == (2, 1)


def test_a_later_write_to_an_array_does_not_change_a_gradient() -> None:
    a = np.array([1, 4], np.float32)
    x = cr.tensor([1.0, 1.0], requires_grad=True)
    y = (x * a).sum()
    a[:] = 0
    y.backward()
    assert x.grad.tolist() == [1, 4]


def test_out_is_written() -> None:
    out = cr.zeros(2)
    assert cr.add(cr.ones(2), 1, out=out) is out
    assert cr.exp(cr.zeros(2), out=out) is out
    assert cr.sum(cr.ones(2, 2), 0, out=out) is out
    assert out.tolist() == [2, 2]
    with pytest.raises(NotYetError, match="one result"):
        cr.max(cr.ones(2, 2), 0, out=(out, out))


@pytest.mark.parametrize("thing", [2.0, [1.0], None, "x"])
def test_what_is_no_tensor_is_refused_with_the_repair(thing: object) -> None:
    for name in ("exp", "sum", "softmax", "reshape", "relu"):
        with pytest.raises(DTypeError, match=r"must be a Tensor, not .*chainrule\.tensor"):
            FUNCTIONS[name](thing, *((0,) if name in ("softmax", "reshape") else ()))


def test_in_place_methods_return_their_tensor() -> None:
    x = cr.tensor([1.0, -2.0])
    for name, arguments in (("add_", (1,)), ("relu_", ()), ("clamp_", (0, 5)), ("mul_", (x,)), ("pow_", (2,))):
        assert getattr(x, name)(*arguments) is x
    assert x.tolist() == [16, 0]


def test_names_that_pytorch_has_are_told_from_others() -> None:
    x = cr.ones(2)
    for name in ("cholesky", "data_ptr", "to_sparse", "unsqueeze_"):
        assert not hasattr(x, name)
        with pytest.raises(NotYetError, match=name):
            getattr(x, name)
    with pytest.raises(AttributeError, match="no_such_thing") as caught:
        x.no_such_thing  # noqa: B018
    assert not isinstance(caught.value, NotYetError)
    with pytest.raises(NotYetError, match="conv3d"):
        cr.conv3d  # noqa: B018
    with pytest.raises(AttributeError, match="no_such_thing"):
        cr.no_such_thing  # noqa: B018
    with pytest.raises(NotYetError, match="svd"):
        cr.linalg.svd  # noqa: B018


@pytest.mark.parametrize("name", ["half", "bfloat16", "cuda"])
def test_methods_that_are_not_there_yet_say_what_to_write(name: str) -> None:
    with pytest.raises(NotYetError, match=name):
        getattr(cr.ones(1), name)()
