"""The short way of a call: what must not be lost on it, and that it is taken at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import cell_memory, optim
from chainrule.cell_memory import address_of
from chainrule.data import DataLoader, TensorDataset
from chainrule.errors import OutOfRangeError
from chainrule.short_call import ShortCall
from tests.compiler.trained import Trained, X, Y
from tests.compiler.twins import assert_alike


@pytest.fixture(autouse=True)
def natively(executor: str) -> None:
    if executor != "native":
        pytest.skip("the reference executor has no short way")


def test_a_step_is_called_the_short_way_and_looks_at_its_cells_no_more() -> None:
    trained = Trained()
    for _ in range(5):
        trained.steps[0](X, Y)
    assert trained.short.looks == 0
    assert trained.steps[0].traces == 1
    for _ in range(6):
        trained.steps[1](X, Y)
    trained.steps[0](X, Y)
    trained.compare()


def test_what_was_read_stays_as_it_was() -> None:
    trained = Trained()
    trained.both(4)
    held = [p.detach() for p in trained.models[0].parameters()]
    snapshots = [p.numpy() for p in held]
    copies = [snapshot.copy() for snapshot in snapshots]
    for _ in range(6):
        trained.steps[0](X, Y)
    for snapshot, copy in zip(snapshots, copies, strict=True):
        np.testing.assert_array_equal(snapshot, copy)
    assert not np.array_equal(trained.models[0][0].weight.detach().numpy(), copies[0])


def test_an_array_that_was_read_stays_as_it_was_although_its_tensor_is_gone() -> None:
    trained = Trained()
    for rounds in (0, 1, 4):
        trained.both(rounds + 1)
        snapshot = trained.models[0][0].weight.detach().numpy()[1:]
        copy = snapshot.copy()
        for _ in range(3):
            for step in trained.steps:
                step(X, Y)
        np.testing.assert_array_equal(snapshot, copy)
        trained.compare()


def test_parameters_are_written_over_while_nobody_looks() -> None:
    trained = Trained()
    for _ in range(5):
        trained.steps[0](X, Y)
    memory = [address_of(p._carrier.array) for p in trained.models[0].parameters()]
    trained.steps[0](X, Y)
    assert [address_of(p._carrier.array) for p in trained.models[0].parameters()] == memory
    written = {id(handle) for handle in trained.short.written}
    assert {id(p) for p in trained.models[0].parameters()} <= written


def test_views_of_parameters_see_what_was_written_over() -> None:
    trained = Trained()
    trained.both(4)
    rows = [model[0].weight.data[1:3] for model in trained.models]
    for step in trained.steps:
        for _ in range(3):
            step(X, Y)
    assert_alike(*rows)
    trained.compare()


def test_a_view_that_is_read_now_and_then_follows_every_step() -> None:
    trained = Trained()
    views = [next(iter(model.parameters())).data[1] for model in trained.models]
    for calls in (1, 4, 1, 2, 3, 7, 1, 1):
        trained.both(calls)  # which reads whole parameters
        assert_alike(*[view.tolist() for view in views])
    for calls in (1, 4, 1, 2, 3, 7, 1, 1):
        for step in trained.steps:
            for _ in range(calls):
                step(X, Y)
        assert_alike(*[view.tolist() for view in views])  # nobody reads anything else


def test_values_on_the_tape_stay_as_they_were() -> None:
    trained = Trained()
    trained.both(4)
    outputs = [model(cr.tensor(X)).square().sum() for model in trained.models]
    for step in trained.steps:
        for _ in range(4):
            step(X, Y)
    for model, output in zip(trained.models, outputs, strict=True):
        model.zero_grad()
        output.backward()
    assert_alike(*[[p.grad for p in model.parameters()] for model in trained.models])


def test_writes_from_outside_take_effect() -> None:
    trained = Trained()
    trained.both(4)
    for model in trained.models:
        with cr.no_grad():
            model[0].weight.mul_(0.5)
            model[2].bias.data.fill_(0.25)
    trained.both(3)
    for model in trained.models:
        model.load_state_dict({name: value * 0.9 for name, value in model.state_dict().items()})
    trained.both(3)


def test_a_learning_rate_takes_effect_at_every_call() -> None:
    trained = Trained()
    for k in range(6):
        for optimizer in trained.optimizers:
            optimizer.param_groups[0]["lr"] = 0.05 / (k + 1)
        trained.both()
    assert trained.steps[0].traces == 1


def test_two_programs_take_turns_with_the_same_cells() -> None:
    trained = Trained(lambda p: optim.SGD(p, 0.1, momentum=0.9))
    predict = cr.compile(lambda x: trained.models[0](x))
    for k in range(12):
        rows = 5 if k % 3 == 2 else 8
        trained.both(x=X[:rows], y=Y[:rows])
        with cr.no_grad():
            assert_alike(predict(X), trained.models[1](cr.tensor(X)))
    assert trained.steps[0].traces == 2


def test_arguments_of_other_kinds_are_not_taken_for_the_same() -> None:
    trained = Trained()
    trained.both(3)
    trained.both(x=X.astype(np.float32, order="F"))  # another layout
    trained.both(y=Y.astype(np.int32))
    trained.both(x=np.ascontiguousarray(X[::-1])[::-1])
    trained.both(x=cr.tensor(X), y=cr.tensor(Y))
    trained.both()


def test_tensors_from_a_loader_are_taken() -> None:
    trained = Trained()
    batches = DataLoader(TensorDataset(cr.tensor(X), cr.tensor(Y)), batch_size=4)
    for _ in range(3):
        for x, y in batches:
            trained.both(x=x, y=y)
    assert [layout.position for layout in trained.short.tensors] == [0, 1]
    assert trained.short.looks < 2


def test_one_tensor_twice_is_another_program() -> None:
    product = cr.compile(lambda x, y: (x.mul_(2) + y).sum())
    x, y = cr.tensor(X), cr.tensor(X)
    assert [product(x.clone(), y).item() for _ in range(3)] == [pytest.approx(float(X.sum() * 3), rel=1e-5)] * 3
    same = x.clone()
    assert product(same, same).item() == pytest.approx(float(X.sum() * 4), rel=1e-5)


def test_a_tensor_that_requires_a_gradient_is_not_taken_for_one_that_does_not() -> None:
    double = cr.compile(lambda x: (x * 2).sum())
    for _ in range(3):
        double(cr.tensor(X))
    x = cr.tensor(X, requires_grad=True)
    double(x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full_like(X, 2))


def test_eager_and_compiled_steps_take_turns() -> None:
    trained = Trained()
    for k in range(8):
        step = trained.steps[0] if k % 2 else trained.steps[0].__wrapped__
        assert_alike(step(X, Y), trained.steps[1](X, Y))
    trained.compare()


def test_a_wrong_class_leaves_everything_as_it_was() -> None:
    trained = Trained()
    trained.both(4)
    wrong = Y.copy()
    wrong[3] = 3
    before = [p.detach().numpy().copy() for p in trained.models[0].parameters()]
    for _ in range(2):
        with pytest.raises(OutOfRangeError, match="class number 3"):
            trained.steps[0](X, wrong)
    for p, was in zip(trained.models[0].parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), was)
    trained.both(3)


def test_results_are_new_at_every_call() -> None:
    double = cr.compile(lambda x: x * 2)
    large = np.ones((200, 100), np.float32)
    for x in (X, large):
        results = [double(x * k) for k in range(6)]
        for k, result in enumerate(results):
            np.testing.assert_array_equal(result.numpy(), x * k * 2)


UPDATES: dict[str, Any] = {
    "exchanged": lambda w, v: (w.copy_(v + 0), v.copy_(w * 1)),
    "transposed": lambda w, v: (w.copy_(w.T * 0.9 + v), v.mul_(0.5)),
    "by its sum": lambda w, v: (w.sub_(w.sum() * 0.01), v.add_(w.mean(0))),
    "by its rows' largest": lambda w, v: (w.div_(w.abs().amax(1, keepdim=True) + 1), v.copy_(w.T)),
    "by a product with itself": lambda w, v: (w.copy_((w @ w * 0.3).tanh()), v.copy_((v @ w).tanh())),
    "each by the other": lambda w, v: (w.add_(v * 0.1), v.sub_(w * 0.1)),
    "shifted": lambda w, v: (w.copy_(cr.cat([w[1:], w[:1]])), v.copy_(v.flip(0))),
    "running": lambda w, v: (w.copy_(w.cumsum(0) * 0.2), v.copy_(v.softmax(1) + w)),
    "by its sorted self": lambda w, v: (w.copy_(w.sort(0).values), v.copy_(v + w[v.argmax(0)] * 0.1)),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_that_read_what_they_replace(name: str) -> None:
    rng = np.random.default_rng(2)
    start = [rng.standard_normal((16, 16), dtype=np.float32) for _ in range(2)]
    cells = [[cr.Buffer(cr.tensor(x)) for x in start] for _ in range(2)]

    def update(pair: list[Any]) -> Any:
        def step() -> Any:
            with cr.no_grad():
                before = [cell.clone() for cell in pair]
                UPDATES[name](*pair)
                return sum(
                    ((cell - was).square().sum() for cell, was in zip(pair, before, strict=True)), cr.tensor(0.0)
                )

        return step

    compiled, eager = cr.compile(update(cells[0])), update(cells[1])
    for _ in range(5):
        assert_alike(compiled(), eager())
    assert_alike(*[[cell.numpy() for cell in pair] for pair in cells])
    assert compiled._shorts, "the short way was not taken"


@pytest.mark.parametrize("seed", range(4))
def test_programs_on_the_same_cells_in_any_order(seed: int) -> None:
    """Some write over, some exchange; between them values are read, held, let go, and written."""
    rng = np.random.default_rng(seed)
    start = [rng.standard_normal((16, 16), dtype=np.float32) for _ in range(2)]
    # The twins are no cells: whoever reads a cell outside has all programs look at theirs again.
    cells: list[list[Any]] = [[cr.Buffer(cr.tensor(x)) for x in start], [cr.tensor(x) for x in start]]

    def step(pair: list[Any], name: str) -> Any:
        def one(x: Any) -> Any:
            with cr.no_grad():
                UPDATES[name](*pair)
                pair[1].mul_(0.5).add_(x)
                return pair[0].abs().sum()

        return one

    def read(pair: list[Any]) -> Any:
        return lambda x: (pair[0] * x + pair[1]).abs().sum()

    def fade(pair: list[Any]) -> Any:
        def one(x: Any) -> Any:
            with cr.no_grad():
                return pair[0].mul_(0.9).add_(x).abs().sum()

        return one

    names = ("each by the other", "exchanged", "transposed")
    eager = [*(step(cells[1], name) for name in names), fade(cells[1]), read(cells[1])]
    compiled = [
        cr.compile(make) for make in (*(step(cells[0], name) for name in names), fade(cells[0]), read(cells[0]))
    ]
    held: list[tuple[Any, Any]] = []
    for _ in range(300):
        which, cell = int(rng.integers(0, 60)), int(rng.integers(0, 2))
        if which < 57:
            k, x = which % len(compiled), rng.standard_normal((16, 16), dtype=np.float32)
            assert_alike(compiled[k](x), eager[k](x))
        elif which == 57:
            snapshot = cells[0][cell].numpy()
            held.append((snapshot, snapshot.copy()))
        elif which == 58:
            held = held[:cell]
        else:
            for pair in cells:
                pair[cell].mul_(0.9)
        for snapshot, copy in held:
            np.testing.assert_array_equal(snapshot, copy)
    assert_alike(*[[cell.numpy() for cell in pair] for pair in cells])
    assert all(each._shorts for each in compiled), "the short way was not taken"


def test_programs_that_exchange_take_turns_without_new_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [cr.Buffer(cr.tensor(X @ X.T + k)) for k in range(2)]

    def exchange(x: Any) -> Any:
        with cr.no_grad():
            first = cells[0].clone()
            cells[0].copy_(cells[1])
            cells[1].copy_(first)
            return x.sum()

    step = cr.compile(exchange)
    batches = [X, X[:5].copy()]

    def rounds(count: int) -> None:
        for k in range(2 * count):
            step(batches[k % 2])

    before = [cell.tolist() for cell in cells]
    rounds(4)
    made: list[Any] = []
    monkeypatch.setattr(cell_memory, "aligned_empty", made.append)
    monkeypatch.setattr(ShortCall, "_bind", lambda program: made.append(program))
    rounds(3)
    assert not made
    assert [cell.tolist() for cell in cells] == before, "after an even number of exchanges"
