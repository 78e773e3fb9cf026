"""What `explain` says of a program in machine code is what the program is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.backends.native.report import WIDTH, Report, amount
from chainrule.ir import state
from chainrule.nn import functional as F


@pytest.fixture(autouse=True)
def native() -> Iterator[None]:
    with state.using(state.executor, "native"):
        yield


def report(function: Any, *arguments: Any, times: bool = False) -> Report:
    """The report of a function after a call without gradients, so that it is one program."""
    compiled = cr.compile(function)
    with cr.no_grad():
        compiled(*arguments)
    ((_, found),) = compiled.explain(times=times).parts
    assert isinstance(found, Report)
    return found


def training() -> tuple[Any, nn.Module, list[Any]]:
    """A compiled training step, its model and its arguments."""
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 5))
    optimizer = optim.Adam(model.parameters())

    @cr.compile
    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((16, 32), np.float32), draw.integers(0, 5, 16)
    return step, model, [cr.from_numpy(x), cr.from_numpy(y)]


def test_a_linear_layer_and_its_activation_are_one_kernel() -> None:
    x, w, b = cr.ones(8, 4), cr.ones(4, 6), cr.ones(6)
    (kernel,) = report(lambda x, w, b: F.relu(x @ w + b), x, w, b).tally.kernels
    assert kernel.kind == "product"
    assert kernel.shape == (8, 6, 4)
    assert kernel.fused == ("matmul", "add", "relu")
    assert kernel.bytes_read == 4 * (8 * 4 + 4 * 6 + 6)
    assert kernel.bytes_written == 4 * 8 * 6
    assert kernel.flops == 8 * 6 * (2 * 4 + 2)
    assert kernel.origin.startswith("test_report.py:")


def test_each_element_that_is_read_several_times_counts_once() -> None:
    (kernel,) = report(lambda x, row: x * row + row, cr.ones(8, 4), cr.ones(4)).tally.kernels
    assert (kernel.bytes_read, kernel.bytes_written) == (4 * (32 + 4), 4 * 32)
    assert kernel.flops == 64


def test_what_is_computed_once_per_row_counts_once_per_row() -> None:
    found = report(lambda x: F.softmax(x, -1), cr.ones(8, 4)).tally
    (kernel,) = found.kernels
    # max, x - max, exp, sum, and 4 quotients, or 1 reciprocal and 4 products, in each row
    assert kernel.flops in (8 * (4 * 5), 8 * (4 * 5 + 1))
    assert found.stored == ()


@pytest.mark.parametrize(
    ("function", "value", "why"),
    [
        (lambda x: F.relu(x @ x) @ x, "relu f32[6, 6]", "read by a product"),
        (lambda x: F.relu(x @ x).T @ x, "relu f32[6, 6]", "read by a product, transposed"),
        (lambda x: x @ x + (x @ x.T).exp(), "matmul f32[6, 6]", "read by another product's epilogue"),
        (lambda x: x.exp() * x[0, 0].exp(), "exp f32[]", "one number, made once for all that read it"),
        (lambda x: (x @ x).sum(1), "matmul f32[6, 6]", "its reader reduces, which a product's epilogue does not"),
        (lambda x: x - x.exp().sum(0), "sum f32[6]", "a reduction, complete when its kernel ends"),
        (lambda x: x.exp().argsort(1), "exp f32[6, 6]", "read by argsort, a kernel of its own"),
    ],
)
def test_a_value_that_is_stored_says_why(function: Any, value: str, why: str) -> None:
    stored = {one.value: one.why for one in report(function, cr.ones(6, 6)).tally.stored}
    assert stored[value] == why


def test_totals_are_those_of_the_kernels() -> None:
    step, _, arguments = training()
    step(*arguments)
    ((_, found),) = step.explain().parts
    counted = found.tally
    products = 2 * 16 * (3 * 32 * 24 + 3 * 24 * 5) - 2 * 16 * 32 * 24  # the inputs want no gradient
    assert counted.product_flops == products
    assert counted.barriers == max(one.phase for one in counted.kernels)
    assert counted.distinct <= len(counted.kernels)
    parameters = 4 * (32 * 24 + 24 + 24 * 5 + 5)
    assert counted.bytes_written > 3 * parameters  # they and two slots of Adam
    assert counted.arena_bytes >= max(one.size for one in counted.stored)


def test_every_kernel_has_its_row_within_the_width() -> None:
    step, _, arguments = training()
    step(*arguments)
    for explanation in (step.explain(), step.explain(times=True)):
        ((_, found),) = explanation.parts
        text = str(explanation)
        assert max(map(len, text.splitlines())) <= WIDTH
        assert f"{len(found.tally.kernels)} kernels" in text
        named = {name for one in found.tally.kernels for name in one.fused}
        assert all(name in text for name in named)
        assert f"Stored between kernels, not fused: {len(found.tally.stored)} value" in text


def test_timing_writes_nothing_that_the_program_holds() -> None:
    step, model, arguments = training()
    other, twin, _ = training()
    step(*arguments)
    other(*arguments)
    ((_, found),) = step.explain(times=True).parts
    assert found.seconds is not None
    assert len(found.seconds) == len(found.tally.kernels)
    assert all(0 < seconds < 1 for seconds in found.seconds)
    step(*arguments)
    other(*arguments)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_a_program_from_the_disk_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_cache_folder", [str(tmp_path)])
    said = []
    for _ in range(2):
        step, _, arguments = training()
        step(*arguments)
        said.append(str(step.explain()))
        assert list(tmp_path.glob("*.bin"))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 "), (999, "999 "), (1000, "1.00 k"), (12_345, "12.3 k"), (999_499, "999 k"), (999_999, "1.00 M")],
)
def test_amounts_have_three_digits(count: int, text: str) -> None:
    assert amount(count) == text
