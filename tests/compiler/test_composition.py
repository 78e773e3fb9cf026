"""Compiled functions and the rest of autograd: whatever is combined, compiled equals eager."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn import functional as F
from tests.compiler.twins import assert_alike

X = np.random.default_rng(0).standard_normal((6, 4), dtype=np.float32)
Y = np.random.default_rng(1).standard_normal((6, 1), dtype=np.float32)


def same_both_ways(run: Callable[[Callable[..., Any]], list[Any]]) -> None:
    """run(decorator) returns tensors or floats; with `compile` they are what they are without."""
    cr.manual_seed(0)
    eager = run(lambda f: f)
    cr.manual_seed(0)
    compiled = run(cr.compile)
    assert len(eager) > 0
    for a, b in zip(eager, compiled, strict=True):
        assert_alike(a, b)


def net() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def values(model: Any) -> list[Any]:
    return [p.detach().numpy() for p in model.parameters()]


def gradients(model: Any) -> list[Any]:
    return [p.grad.numpy() for p in model.parameters()]


def test_two_modules_that_share_a_parameter() -> None:
    def run(decorate: Callable[..., Any]) -> list[Any]:
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.weight = first.weight
        head = nn.Linear(4, 1)
        model = nn.ModuleList([first, second, head])
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

        @decorate
        def step(x: Any, y: Any) -> Any:
            loss = F.mse_loss(head(second(first(x).tanh())), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(X, Y).item() for _ in range(4)]
        assert second.weight is first.weight
        return [*losses, *values(model)]

    same_both_ways(run)


def test_accumulation_over_micro_batches() -> None:
    def run(decorate: Callable[..., Any]) -> list[Any]:
        model = net()
        optimizer = optim.Adam(model.parameters(), 0.01)

        @decorate
        def accumulate(x: Any, y: Any) -> Any:
            loss = F.mse_loss(model(x), y) / 3
            loss.backward()
            return loss

        @decorate
        def update() -> None:
            optimizer.step()

        out = []
        for _ in range(3):
            optimizer.zero_grad()
            out += [accumulate(X[k : k + 2], Y[k : k + 2]).item() for k in (0, 2, 4)]
            out += gradients(model)
            update()
        return out + values(model)

    same_both_ways(run)


def test_accumulation_inside_one_step() -> None:
    def run(decorate: Callable[..., Any]) -> list[Any]:
        model = net()
        optimizer = optim.SGD(model.parameters(), 0.1)

        @decorate
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            total = 0.0
            for k in (0, 2, 4):
                loss = F.mse_loss(model(x[k : k + 2]), y[k : k + 2])
                loss.backward()
                total = total + loss.detach()
            optimizer.step()
            return total

        return [step(X, Y).item() for _ in range(3)] + values(model)

    same_both_ways(run)


def test_a_custom_vjp() -> None:
    @cr.custom_vjp
    def clipped(x: Any) -> Any:
        return x * 1.0

    clipped.defvjp(lambda x: (x * 1.0, x), lambda x, g: ((g * x).clamp(-0.1, 0.1),))

    def run(decorate: Callable[..., Any]) -> list[Any]:
        model = net()

        @decorate
        def step(x: Any) -> Any:
            model.zero_grad()
            loss = clipped(model(x)).sum()
            loss.backward()
            return loss

        return [step(X).item(), *gradients(model)]

    same_both_ways(run)


def test_checkpointing_changes_no_bits() -> None:
    def run(decorate: Callable[..., Any], keep: bool = False) -> list[Any]:
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 1))

        @decorate
        def step(x: Any) -> Any:
            model.zero_grad()
            out = cr.checkpoint(model, x) if not keep else model(x)
            loss = (out * out).sum()
            loss.backward()
            return loss

        out = [step(X).item() for _ in range(2)]
        return [*out, *gradients(model), *[b.numpy() for b in model.buffers()]]

    same_both_ways(run)
    cr.manual_seed(1)
    plain = run(lambda f: f, keep=True)
    cr.manual_seed(1)
    for a, b in zip(plain, run(lambda f: f), strict=True):
        assert_alike(a, b)


def test_a_gradient_penalty() -> None:
    def run(decorate: Callable[..., Any]) -> list[Any]:
        model = net()
        optimizer = optim.Adam(model.parameters(), 0.01)

        @decorate
        def step(x: Any) -> Any:
            x = (
                x.detach().clone().requires_grad_(True)
                if isinstance(x, cr.Tensor)
                else cr.tensor(x, requires_grad=True)
            )
            (slope,) = cr.autograd.grad(model(x).sum(), x, create_graph=True)
            penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
            optimizer.zero_grad()
            penalty.backward()
            optimizer.step()
            return penalty

        return [step(cr.tensor(X)).item() for _ in range(3)] + values(model)

    same_both_ways(run)


def test_a_compiled_function_called_inside_another() -> None:
    def run(decorate: Callable[..., Any]) -> list[Any]:
        model = net()
        inner = decorate(lambda x: model(x) * 2)

        @decorate
        def outer(x: Any) -> Any:
            model.zero_grad()
            loss = inner(x).sum()
            loss.backward()
            return loss

        return [outer(X).item(), *gradients(model)]

    same_both_ways(run)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_compiled_module_with_an_eager_backward(steps: int) -> None:
    def run(decorate: Callable[..., Any]) -> list[Any]:
        model = net()
        optimizer = optim.SGD(model.parameters(), 0.1)
        fast = decorate(model)
        out = []
        for _ in range(steps):
            loss = F.mse_loss(fast(X), cr.tensor(Y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            out.append(loss.item())
        return out + values(model)

    same_both_ways(run)


def test_a_gradient_by_an_argument_of_a_compiled_function() -> None:
    x = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = cr.compile(lambda x: (x * x).sum())(x)
    y.backward()
    assert x.grad.tolist() == [2, 4, 6]


def test_second_derivatives_through_a_compiled_function() -> None:
    x = cr.tensor([1.0, 2.0], dtype=cr.float64, requires_grad=True)
    y = cr.compile(lambda x: (x * x * x).sum())(x)
    (g,) = cr.autograd.grad(y, x, create_graph=True)
    (h,) = cr.autograd.grad(g.sum(), x)
    assert h.tolist() == [6, 12]


def test_value_and_grad_inside_a_compiled_function() -> None:
    f = cr.value_and_grad(lambda w: (w * w).sum())
    value, slope = cr.compile(lambda w: f(w))(cr.tensor([1.0, 3.0]))
    assert value.item() == 10
    assert slope.tolist() == [2, 6]


def test_transforms_compose() -> None:
    x = cr.tensor(2.0, dtype=cr.float64)
    inner = cr.value_and_grad(lambda y: y**3)
    outer = cr.value_and_grad(lambda y: inner(y)[1])
    assert outer(x)[1].item() == 12
    perturbed = cr.value_and_grad(lambda a: cr.value_and_grad(lambda b: a * b)(cr.tensor(3.0))[1])
    assert perturbed(cr.tensor(2.0))[1].item() == 1


def test_hessian_vector_products() -> None:
    def f(x: Any) -> Any:
        return (x**3).sum() + x[0] * x[1]

    x = cr.tensor([1.0, 2.0], dtype=cr.float64)
    v = cr.tensor([1.0, -1.0], dtype=cr.float64)
    assert cr.hvp(f, x, v)[1].tolist() == [5, -11]
    assert cr.hessian(f, x).tolist() == [[6, 1], [1, 12]]
    assert cr.jvp(f, x, v)[1].item() == (3 + 2) - (12 + 1)
    assert cr.jacobian(lambda x: x * x, x).tolist() == [[2, 0], [0, 4]]
    assert cr.vjp(lambda x: x * x, x, v)[1].tolist() == [2, -4]


def test_a_compiled_step_in_a_thread_of_its_own() -> None:
    step = cr.compile(lambda x: x * 2)
    results: list[float] = []
    threads = [
        threading.Thread(target=lambda k=k: results.append(step(np.array([k], np.float32)).item())) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [2.0 * k for k in range(8)]
    assert step.traces == 1


def test_a_module_may_be_made_inside() -> None:
    step = cr.compile(lambda x, y: nn.SmoothL1Loss()(x, y))
    x, y = cr.tensor([1.0, 2.0]), cr.tensor([1.5, 5.0])
    assert step(x, y).item() == step(x, y).item() == nn.functional.smooth_l1_loss(x, y).item()
    assert step.traces == 1
