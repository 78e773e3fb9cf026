"""What becomes one kernel: the programs of training steps, and of what layers compute, as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.nn import functional as F
from tests.passes.interpreted import Lowered, lowered

X = np.ones((6, 10), np.float32)
LABELS = np.ones(6, np.int64)


def graph_of(function: Callable[..., Any], *arguments: Any) -> Graph:
    with state.using(state.executor, "reference"):
        compiled = cr.compile(function)
        compiled(*[cr.tensor(argument) for argument in arguments])
    graph: Graph = compiled.graph
    return graph


def program_of(function: Callable[..., Any], *arguments: Any) -> Lowered:
    return lowered(graph_of(function, *arguments))


def step_of(model: nn.Module, optimizer: Any, loss: Callable[..., Any], x: Any, y: Any, clip: float = 0) -> Lowered:
    def step(x: Any, y: Any) -> Any:
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return value

    return program_of(step, x, y)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 1))


# Training steps -------------------------------------------------------------------------------------------------------


def test_a_step_of_an_mlp() -> None:
    """Bias and activation in the product's epilogue, the update in that of the weight's gradient, or beside the sum."""
    model = mlp()
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    assert (
        step_of(model, optimizer, F.mse_loss, X, X[:, :1]).text()
        == """\
product [6, 8, 10]: matmul add relu le
rows [1]: cast
rows [1]: cast mul
---
product [6, 1, 8]: matmul add sub mul
---
product [6, 8, 1]: matmul where
rows [6]: square sum
rows [6]: sum
---
columns [1, 6, 8]: sum mul add mul sub
product [1, 8, 6]: matmul mul add mul sub
product [8, 10, 6]: matmul mul add mul sub
rows [1]: add mul sub
rows [1]: div"""
    )


def test_all_of_adam_is_in_the_gradients_kernel() -> None:
    model = mlp()
    text = step_of(model, optim.AdamW(model.parameters()), F.mse_loss, X, X[:, :1]).text()
    assert "product [8, 10, 6]: matmul sub mul add mul mul mul add mul sqrt mul add div mul sub\n" in text
    assert "columns [1, 6, 8]: sum sub mul add mul mul mul add mul sqrt mul add div mul sub\n" in text


def test_clipping_adds_up_squares_and_updates_in_a_pass_of_its_own() -> None:
    """What parameters of one shape have in common is one number: no reason to share a kernel."""
    model = mlp()
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    phases = step_of(model, optimizer, F.mse_loss, X, X[:, :1], 1.0).text().split("\n---\n")
    squares, norm, updates = phases[-3:]
    assert squares == "rows [80]: square sum\nrows [8]: square sum"
    assert norm == "rows [1]: add add add sqrt add div at_most mul add mul sub"
    assert updates == "rows [80]: mul mul add mul sub" + 2 * "\nrows [8]: mul mul add mul sub"


# What layers compute --------------------------------------------------------------------------------------------------


def only(program: Lowered) -> str:
    """The one kernel."""
    text = program.text()
    assert "\n" not in text, text
    return text


def test_softmax_is_one_kernel() -> None:
    assert only(program_of(lambda x: F.softmax(x, -1), X)) == "rows [6, 10]: max sub exp sum div"


def test_log_softmax_is_one_kernel() -> None:
    assert only(program_of(lambda x: F.log_softmax(x, -1), X)).startswith("rows [6, 10]: max sub exp sum log")


def test_softmax_and_its_gradient_are_one_kernel() -> None:
    program = program_of(lambda x, g: cr.value_and_grad(lambda x: (F.softmax(x, -1) * g).sum())(x)[1], X, X)
    assert only(program) == "rows [6, 10]: max sub exp sum div times sum sub times"


def test_layer_norm_is_one_kernel() -> None:
    program = program_of(lambda x, w, b: F.layer_norm(x, (10,), w, b), X, X[0], X[0])
    assert only(program) == "rows [6, 10]: sum div sub mul sum div add rsqrt mul mul add"


def test_a_layer_norm_and_its_gradients_are_a_kernel_of_rows_and_one_of_columns() -> None:
    def gradients(x: Any, w: Any, b: Any, g: Any) -> Any:
        return cr.value_and_grad(lambda x, w, b: (F.layer_norm(x, (10,), w, b) * g).sum(), (0, 1, 2))(x, w, b)

    rows, columns = program_of(gradients, X, X[0], X[0], X).text().split("\n---\n")
    forward, backward = (
        "sum div sub mul sum div add rsqrt mul mul add",
        "mul mul sum div times sum div sub times sub times",
    )
    assert rows == f"rows [6, 10]: {forward} {backward}"
    assert columns == "columns [1, 6, 10]: sum sub mul mul sum\nrows [60]: sum"


def test_a_cross_entropy_and_its_gradient_are_one_kernel() -> None:
    """How many targets count is known before: it is made of inputs alone."""
    program = program_of(lambda x, y: cr.value_and_grad(lambda x: F.cross_entropy(x, y))(x), X, LABELS)
    rows = [line for line in program.text().splitlines() if line.startswith("rows [6, 10]")]
    assert rows == ["rows [6, 10]: max sub exp sum log eq where gather sub sub div eq cast sub where times"]


def test_movement_is_no_kernel() -> None:
    """It changes where `mul` reads; no reshape of that lies along a row with one stride, so the sum is apart."""
    program = program_of(lambda x: (x.T[2:5].flip(0) * x[:, ::4].mT).sum(), X)
    assert [call.label for call in program.calls] == ["mul", "sum"]


def test_a_bias_gradient_and_its_update_are_one_kernel_of_columns() -> None:
    program = program_of(lambda x, b: b - 0.1 * (x * x).sum(0), X, X[0])
    assert only(program) == "columns [1, 6, 10]: mul sum mul sub"


def test_what_costs_little_is_computed_again_rather_than_stored() -> None:
    """A cheap function of inputs is in every kernel that reads it; one number is not worth that."""
    text = program_of(lambda x, y: ((x + 1).sum(0), ((x + 1) * y).sum(1)), X, X).text()
    assert text == "columns [1, 6, 10]: add sum\nrows [6, 10]: add mul sum"


def test_draws_are_made_where_they_are_used() -> None:
    def dropped(x: Any, w: Any) -> Any:
        return F.dropout(x, 0.5) @ w

    text = program_of(dropped, X, X.T).text()
    assert "rows [60]: bernoulli mul where" in text


def test_an_embeddings_gradient_and_update() -> None:
    table = nn.Embedding(7, 4)
    optimizer = optim.SGD(table.parameters(), 0.1)
    text = step_of(table, optimizer, lambda y, t: (y * y).sum(), LABELS, LABELS).text()
    assert "index_select" in text.split("\n---\n")[0]
    assert "whole [7, 4]: index_add" in text


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_an_update_is_one_kernel_whatever_its_slots(optimizer: str) -> None:
    w = nn.Parameter(cr.ones(4, 5))
    rule = getattr(optim, optimizer)([w], lr=0.1)

    def step(g: Any) -> Any:
        rule.zero_grad()
        (w * g).sum().backward()
        rule.step()

    large = [call for call in program_of(step, np.ones((4, 5), np.float32)).calls if call.kernel.domain != (1,)]  # type: ignore[union-attr]
    assert len(large) == 1, [call.label for call in large]
