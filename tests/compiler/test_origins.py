"""Where the nodes of a compiled step come from: the backward pass from the lines and layers of the forward one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import chainrule as cr
from chainrule import nn, optim
from chainrule.ir.origin import layer_path
from chainrule.nn import functional as F
from chainrule.utils.checkpoint import checkpoint


def lines(compiled: Any, function: Callable[..., Any]) -> dict[str, set[str]]:
    """{name of a primitive: the lines of the function that its nodes come from}, by their text."""
    source, first = inspect.getsourcelines(function)
    found: dict[str, set[str]] = {}
    for node in compiled.graph.nodes:
        assert node.origin is not None
        assert node.origin.code.co_filename == __file__
        found.setdefault(node.primitive.name, set()).add(source[node.origin.line - first].strip())
    return found


def test_what_a_rule_adds_comes_from_the_line_that_it_differentiates() -> None:
    w = cr.randn(3, 4, requires_grad=True)

    def step(x: Any) -> Any:
        y = x @ w
        z = y.exp()
        loss = z.sum()
        loss.backward()
        return w.grad

    compiled = cr.compile(step)
    compiled(cr.randn(5, 3))
    found = lines(compiled, step)
    assert found["matmul"] == {"y = x @ w"}  # the product, and that of its gradient
    assert found["times"] == {"z = y.exp()"}
    assert found["broadcast_to"] == {"loss = z.sum()"}
    assert found["full"] == {"loss.backward()"}  # where the cotangent 1 is made


def test_gradients_of_gradients_come_from_there_too() -> None:
    def step(x: Any) -> Any:
        y = x.sin()
        (g,) = cr.autograd.grad(y.sum(), x, create_graph=True)
        (h,) = cr.autograd.grad(g.square().sum(), x)
        return h

    compiled = cr.compile(step)
    compiled(cr.ones(3, requires_grad=True))
    found = lines(compiled, step)
    assert found["sin"] == found["cos"] == {"y = x.sin()"}
    assert "(h,) = cr.autograd.grad(g.square().sum(), x)" in found["mul"]


def test_a_derivative_that_the_user_wrote_has_lines_of_its_own() -> None:
    @cr.custom_vjp
    def cube(x: Any) -> Any:
        return x * x * x

    cube.defvjp(lambda x: (x * x * x, x), lambda x, g: g * x.square() * 3)

    def step(x: Any) -> Any:
        y = cube(x.tanh())
        y.sum().backward()
        return x.grad

    compiled = cr.compile(step)
    compiled(cr.ones(3, requires_grad=True))
    functions: dict[str, list[str]] = {}
    for node in compiled.graph.nodes:
        functions.setdefault(node.primitive.name, []).append(node.origin.code.co_name)
    assert "<lambda>" in functions["square"], "of the derivative of cube"
    assert functions["sub"] == ["step"], "of that of tanh"


def test_a_second_run_comes_from_its_own_lines() -> None:
    w = cr.randn(3, requires_grad=True)

    def part(x: Any) -> Any:
        return (x * w).exp()

    def step(x: Any) -> Any:
        checkpoint(part, x, use_reentrant=False).sum().backward()
        return w.grad

    compiled = cr.compile(step)
    compiled(cr.ones(3))
    again = [node for node in compiled.graph.nodes if node.primitive.name == "exp"]
    assert {node.origin.code.co_name for node in again} == {"part"}


def test_layers_are_those_of_the_forward_pass(executor: str) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    optimizer = optim.SGD(model.parameters(), 0.1)

    @cr.compile
    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(cr.randn(32, 8), cr.randn(32, 4))
    products = [
        layer_path(node.origin.layers) for node in step.graph.nodes if node.primitive.name in ("linear", "matmul")
    ]
    assert sorted(products) == ["0", "0", "2", "2", "2"]
    if executor == "native":
        kernels = step.explain().parts[0][1].tally.kernels
        assert [kernel.origin for kernel in kernels if kernel.kind == "product"].count("0") == 2
