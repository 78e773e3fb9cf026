"""Gradients through and inside compiled functions: none is lost, counted twice, or left in the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, GradientError
from tests.compiler.twins import Decorate, same_both_ways

X = cr.tensor([1.0, 2.0])


def triple(g: Any) -> Any:
    return g * 3


def leaf() -> Any:
    return cr.tensor([1.0, 2.0], requires_grad=True)


@pytest.mark.parametrize("make", [lambda w: w.exp(), lambda w: w[:1]], ids=["exp", "view"])
def test_backward_inside_cannot_go_on_behind_an_argument(make: Callable[..., Any]) -> None:
    with pytest.raises(GradientError, match=r"argument 0.*was computed from others before"):
        cr.compile(lambda s: (s * 2).sum().backward())(make(leaf()))


def test_backward_inside_cannot_go_on_behind_what_was_captured() -> None:
    w = leaf()
    scale = w.exp()
    with pytest.raises(GradientError, match="a tensor from outside"):
        cr.compile(lambda x: (scale * x).sum().backward())(X)


def test_backward_inside_goes_through_a_captured_view_of_a_leaf() -> None:
    def run(decorate: Decorate) -> Any:
        w = leaf()
        view = w.view(1, 2)[:, 1:]
        decorate(lambda x: (view * x).sum().backward())(X)
        return w.grad

    same_both_ways(run)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("passed", [False, True])
def test_a_hook_of_a_leaf_runs_once(inside: bool, passed: bool) -> None:
    def run(decorate: Decorate) -> Any:
        w = leaf()
        w.register_hook(triple)

        def loss(w: Any) -> Any:
            value = (w * w).sum()
            return value.backward() if inside else value

        value = decorate(loss)(w) if passed else decorate(lambda: loss(w))()
        if not inside:
            value.backward()
        return w.grad

    same_both_ways(run)


@pytest.mark.parametrize("mark", [lambda h: h.register_hook(triple), lambda h: h.retain_grad()], ids=["hook", "retain"])
@pytest.mark.parametrize("passed", [False, True])
def test_hooks_and_gradients_of_what_is_computed_outside(mark: Callable[..., Any], passed: bool) -> None:
    def run(decorate: Decorate) -> Any:
        w = leaf()
        h = w * 3
        mark(h)
        value = decorate(lambda h: (h * 2).sum())(h) if passed else decorate(lambda: (h * 2).sum())()
        value.backward()
        return [w.grad, h.grad]

    same_both_ways(run)


def test_freezing_for_a_part_of_a_step() -> None:
    """As in the step of a generator, which must not train its critic."""

    def run(decorate: Decorate) -> Any:
        critic, generator = nn.Linear(2, 1), nn.Linear(2, 2)
        of_critic, of_generator = optim.Adam(critic.parameters(), 0.1), optim.Adam(generator.parameters(), 0.1)

        def step(x: Any) -> Any:
            critic.requires_grad_(True)
            of_critic.zero_grad()
            (critic(x) - critic(generator(x).detach())).sum().backward()
            of_critic.step()
            critic.requires_grad_(False)
            of_generator.zero_grad()
            loss = critic(generator(x)).sum()
            loss.backward()
            of_generator.step()
            critic.requires_grad_(True)
            return loss.detach()

        function = decorate(step)
        losses = [function(X) for _ in range(3)]
        return [losses, [p for m in (critic, generator) for p in m.parameters()]]

    same_both_ways(run)


def test_freezing_for_good_inside_is_refused() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(GradientError, match="left so"):
        cr.compile(lambda x: layer.requires_grad_(False)(x))(X)
    assert layer.weight.requires_grad
    assert layer(X).shape == (2,)
    with pytest.raises(GradientError, match="left so"):
        cr.compile(lambda x: x.requires_grad_())(X)


def test_a_frozen_parameter_keeps_its_gradient() -> None:
    w = leaf()
    (w * 3).sum().backward()
    w.requires_grad_(False)
    assert w.grad.tolist() == [3, 3]
    w.requires_grad_(True)
    (w * 2).sum().backward()
    assert w.grad.tolist() == [5, 5]


def test_the_gradient_of_an_argument_inside() -> None:
    def run(decorate: Decorate) -> Any:
        w = leaf()

        def descend(w: Any) -> Any:
            loss = (w * w).sum()
            loss.backward()
            with cr.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
            return loss.detach()

        function = decorate(descend)
        return [[function(w) for _ in range(3)], w, w.is_leaf, w.requires_grad, w.grad]

    same_both_ways(run)


@pytest.mark.parametrize("clear", [True, False])
def test_a_gradient_held_from_before_is_written_only_where_eager_writes_it(clear: bool) -> None:
    def run(decorate: Decorate) -> Any:
        w = leaf()

        def step(x: Any) -> None:
            if clear:
                w.grad = None
            (w * x).sum().backward()

        function = decorate(step)
        function(X)
        held = w.grad
        function(X * 5)
        return [held, w.grad]

    same_both_ways(run)


def test_a_gradient_that_is_assigned_is_that_tensor() -> None:
    def run(decorate: Decorate) -> Any:
        w, g = leaf(), cr.ones(2)
        decorate(lambda: setattr(w, "grad", g))()
        w.grad.mul_(3)
        return [g, w.grad is g]

    same_both_ways(run)


def test_a_transform_inside_is_differentiated_by_one_outside() -> None:
    def run(decorate: Decorate) -> Any:
        x = cr.tensor(2.0, requires_grad=True)
        inner = cr.value_and_grad(lambda y: y**3)
        slope = decorate(lambda y: inner(y)[1])
        return [slope(x), cr.value_and_grad(slope)(x)[1]]

    same_both_ways(run)


@pytest.mark.parametrize("write", [False, True])
def test_a_checkpoint_whose_gradient_is_asked_for_outside(write: bool) -> None:
    def run(decorate: Decorate) -> Any:
        model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 2))
        calls = cr.zeros(1)

        def part(x: Any) -> Any:
            if write:
                calls.add_(1)
            return model(x) * calls if write else model(x)

        value = decorate(lambda x: cr.checkpoint(part, x))(X).sum()
        value.backward()
        return [value, calls, [p.grad for p in model.parameters()]]

    same_both_ways(run)


def test_a_number_argument_of_a_custom_vjp() -> None:
    @cr.custom_vjp
    def scaled(x: Any, factor: float) -> Any:
        return x * factor

    scaled.defvjp(lambda x, factor: (x * factor, factor), lambda factor, g: (g * factor,))

    def run(decorate: Decorate) -> Any:
        w = leaf()
        function = decorate(lambda x, factor: (scaled(w, factor=factor) * x).sum())
        function(X, 2.5).backward()
        function(X, 3.5).backward()
        return w.grad

    same_both_ways(run)


def test_a_tensor_in_a_list_of_a_custom_vjp_is_refused() -> None:
    @cr.custom_vjp
    def product(pair: Any) -> Any:
        return pair[0] * pair[1]

    product.defvjp(lambda pair: (pair[0] * pair[1], pair), lambda pair, g: (g,))
    with pytest.raises(ArgumentError, match="argument 0 of product is a list"):
        product([leaf(), X])
