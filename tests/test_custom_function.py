"""autograd.Function: PyTorch's way to give an operation its own derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as cr
from chainrule.autograd import Function
from chainrule.errors import ArgumentError, NotYetError, ShapeError


class Scaled(Function):
    """x * factor, with twice the true derivative, so that it shows whose derivative is used."""

    @staticmethod
    def forward(ctx: Any, x: Any, factor: float, w: Any) -> Any:
        ctx.factor = factor
        ctx.save_for_backward(x, None, w)
        return x * factor * w

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        (g,) = cotangents
        x, nothing, w = ctx.saved_tensors
        assert nothing is None
        return g * ctx.factor * w * 2, None, (g * x * ctx.factor).sum() if ctx.needs_input_grad[2] else None


@pytest.mark.parametrize("decorate", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_the_given_derivative_is_used(decorate: Callable[..., Any]) -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    w = cr.tensor(3.0, requires_grad=True)

    def step() -> Any:
        y = Scaled.apply(x, 5.0, w)
        y.sum().backward()
        return y

    assert decorate(step)().tolist() == [15, 30]
    assert x.grad.tolist() == [30, 30]
    assert w.grad.tolist() == 15


def test_second_derivatives() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x, x * 2

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cotangents[0] * 3 * x * x + cotangents[1] * 2

    x = cr.tensor(2.0, requires_grad=True)
    y, z = Cube.apply(x)
    first: Any = cr.autograd.grad(y + z, x, create_graph=True)[0]
    second: Any = cr.autograd.grad(first, x)[0]
    assert first.item() == 14
    assert second.item() == 12


def test_a_wrong_number_or_shape_of_cotangents_is_an_error() -> None:
    class Wrong(Function):
        count = 2

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            return (cotangents[0].sum(),) * Wrong.count

    x = cr.ones(3, requires_grad=True)
    with pytest.raises(ArgumentError, match="returned 2 cotangents for the 1 arguments"):
        Wrong.apply(x).sum().backward()
    Wrong.count = 1
    with pytest.raises(ShapeError, match=r"f32\[\] for argument 0, which is f32\[3\]"):
        Wrong.apply(x).sum().backward()


def test_backward_of_several_tensors() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    cr.autograd.backward([y.sum(), (y * 2).sum()])
    assert x.grad is not None
    assert x.grad.tolist() == [6, 12]


@pytest.mark.parametrize("path", ["autograd.gradcheck", "autograd.functional.vhp", "utils.tensorboard", "optim.LBFGS"])
def test_what_is_not_there_yet_says_so_by_name(path: str) -> None:
    thing: Any = cr
    *modules, name = path.split(".")
    for module in modules:
        thing = getattr(thing, module)
    with pytest.raises(NotYetError, match=name):
        getattr(thing, name)
