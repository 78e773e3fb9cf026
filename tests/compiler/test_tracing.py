"""What `@compile` promises: the same bits as eager, one trace while nothing changes, another when something does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn import functional as F
from tests.compiler.twins import assert_alike

X = np.random.default_rng(0).standard_normal((8, 4), dtype=np.float32)
Y = np.random.default_rng(1).integers(0, 3, 8)
ALPHA = 2.0
TABLE = {"scale": 2.0}
MASK = None


def floats(values: Any) -> Any:
    """An array of float32."""
    return np.array(values, np.float32)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)
        self.drop = nn.Dropout(0.5)
        self.alpha = 1.5

    def forward(self, x: Any) -> Any:
        return self.second(self.drop(F.relu(self.first(x) * self.alpha)))


def make_step(model: Any, optimizer: Any, compiled: bool, **options: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return cr.compile(step, **options) if compiled else step


def weights(model: Any) -> list[np.ndarray[Any, Any]]:
    return [np.array(p.detach().numpy()) for p in model.parameters()]


@pytest.mark.parametrize("kind", ["SGD", "momentum", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_eager_and_compiled_training_give_the_same_bits(kind: str) -> None:
    def run(compiled: bool) -> tuple[list[float], list[np.ndarray[Any, Any]]]:
        cr.manual_seed(3)
        model = Net()
        make: Any = {"momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)}
        make = make.get(kind) or (lambda p: getattr(optim, kind)(p, 0.01))
        optimizer = make(model.parameters())
        step = make_step(model, optimizer, compiled)
        losses = []
        for k in range(6):
            optimizer.param_groups[0]["lr"] = 0.02 / (k + 1)
            losses.append(step(X, Y).item())
        return losses, weights(model)

    eager, compiled = run(False), run(True)
    assert_alike(list(eager), list(compiled))


def both(prepare: Callable[[], Any], changes: list[Callable[[Any], None]], traces: int) -> None:
    """Calls an eager and a compiled twin, applying each change to both between calls; results must have equal bits."""
    results: list[list[Any]] = []
    for compiled in (False, True):
        cr.manual_seed(0)
        thing = prepare()
        function: Any = cr.compile(thing.run) if compiled else thing.run
        outcome = [np.array(function(*thing.arguments()).detach().numpy())]
        for change in changes:
            change(thing)
            outcome.append(np.array(function(*thing.arguments()).detach().numpy()))
        results.append(outcome)
        if compiled:
            assert function.traces == traces
    assert_alike(*results)
    assert len(results[0]) < 2 or any(
        a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(results[0], results[0][1:], strict=False)
    ), "the change had no effect at all: the test shows nothing"


class Thing:
    """A model with an optimiser and one training step."""

    def __init__(self) -> None:
        self.model = Net()
        self.model.drop.p = 0.0
        self.optimizer = optim.SGD(self.model.parameters(), 0.1, momentum=0.9)
        self.x = X

    def arguments(self) -> tuple[Any, ...]:
        return self.x, Y[: len(self.x)]

    def run(self, x: Any, y: Any) -> Any:
        loss = F.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


def test_a_learning_rate_takes_effect_without_a_new_trace() -> None:
    def change(thing: Any) -> None:
        thing.optimizer.param_groups[0]["lr"] = 0.7

    both(Thing, [change, change, lambda thing: None], traces=1)


def test_a_momentum_takes_effect_without_a_new_trace() -> None:
    def change(thing: Any) -> None:
        thing.optimizer.param_groups[0]["momentum"] = 0.1

    both(Thing, [lambda thing: None, change, lambda thing: None], traces=1)


def test_a_module_attribute_takes_effect_by_one_new_trace() -> None:
    both(Thing, [lambda thing: setattr(thing.model, "alpha", 0.3), lambda thing: None], traces=2)


def test_an_attribute_set_back_finds_its_old_program() -> None:
    changes = [lambda thing: setattr(thing.model, "alpha", 0.3), lambda thing: setattr(thing.model, "alpha", 1.5)]
    both(Thing, changes * 3, traces=2)


def test_eval_takes_effect_by_one_new_trace() -> None:
    class Evaluated(Thing):
        def __init__(self) -> None:
            super().__init__()
            self.model.drop.p = 0.5

        def arguments(self) -> tuple[Any, ...]:
            return (self.x,)

        def run(self, x: Any) -> Any:  # type: ignore[override]
            return self.model(x)

    both(Evaluated, [lambda t: t.model.eval(), lambda t: None, lambda t: t.model.train(), lambda t: t.model.eval()], 2)


def test_freezing_a_parameter_takes_effect_by_one_new_trace() -> None:
    def freeze(thing: Any) -> None:
        for p in thing.model.first.parameters():
            p.requires_grad_(False)

    both(Thing, [freeze, lambda thing: None], traces=2)


def test_a_swapped_layer_takes_effect_by_one_new_trace() -> None:
    def swap(thing: Any) -> None:
        thing.model.second = nn.Linear(5, 3)
        thing.optimizer.add_param_group({"params": thing.model.second.parameters()})

    both(Thing, [swap, lambda thing: None], traces=2)


def test_a_ragged_last_batch_is_one_more_trace() -> None:
    losses = []
    for compiled in (False, True):
        cr.manual_seed(0)
        model = Net()
        step = make_step(model, optim.SGD(model.parameters(), 0.1, momentum=0.9), compiled)
        losses.append([step(X[:rows], Y[:rows]).item() for rows in (8, 8, 5, 8, 8, 5)])
        assert not compiled or step.traces == 2
    assert_alike(*losses)


def test_a_closure_float_takes_effect_by_one_new_trace() -> None:
    factor = 2.0

    def scaled(x: Any) -> Any:
        return x * factor

    step = cr.compile(scaled)
    assert step(floats([1]))[0].item() == 2
    factor = 5.0
    assert step(floats([1]))[0].item() == 5
    assert step(floats([3]))[0].item() == 15
    assert step.traces == 2


def test_a_global_float_takes_effect_by_one_new_trace() -> None:
    global ALPHA
    step = cr.compile(lambda x: x * ALPHA)
    assert step(floats([1])).item() == 2
    ALPHA = 4.0
    try:
        assert step(floats([1])).item() == 4
        assert step.traces == 2
    finally:
        ALPHA = 2.0


def test_the_contents_of_a_container_take_effect_by_one_new_trace() -> None:
    step = cr.compile(lambda x: x * TABLE["scale"])
    assert step(floats([1])).item() == 2
    TABLE["scale"] = 3.0
    try:
        assert step(floats([1])).item() == 3
        assert step.traces == 2
    finally:
        TABLE["scale"] = 2.0


def test_an_attribute_of_a_plain_object_takes_effect_by_one_new_trace() -> None:
    class Config:
        def __init__(self) -> None:
            self.scale = 2.0

    config = Config()
    step = cr.compile(lambda x: x * config.scale)
    assert step(floats([1])).item() == 2
    config.scale = 7.0
    assert step(floats([1])).item() == 7
    assert step.traces == 2


def test_what_a_called_function_reads_is_watched_too() -> None:
    scale = 2.0

    def inner(x: Any) -> Any:
        return x * scale

    def outer(x: Any) -> Any:
        return inner(x) + 1

    step = cr.compile(outer)
    assert step(floats([1])).item() == 3
    scale = 3.0
    assert step(floats([1])).item() == 4


def test_a_global_mask_tensor_is_read_at_every_call() -> None:
    global MASK
    MASK = cr.tensor([1.0, 0.0])
    step = cr.compile(lambda x: x * MASK)
    assert step(floats([2, 3])).tolist() == [2, 0]
    MASK.copy_(cr.tensor([0.0, 1.0]))
    assert step(floats([2, 3])).tolist() == [0, 3]
    assert step.traces == 1
    MASK = cr.tensor([5.0, 5.0])
    assert step(floats([2, 3])).tolist() == [10, 15]
    assert step.traces == 2


def test_a_global_array_is_read_at_every_call() -> None:
    mask = floats([1, 0])
    step = cr.compile(lambda x: x * mask)
    assert step(floats([2, 3])).tolist() == [2, 0]
    mask[:] = [0, 1]
    assert step(floats([2, 3])).tolist() == [0, 3]
    assert step.traces == 1


def test_a_float_argument_is_an_input_and_an_int_a_key() -> None:
    step = cr.compile(lambda x, a, n: x * a + n)
    x = floats([1])
    assert step(x, 2.0, 1).item() == 3
    assert step(x, 3.0, 1).item() == 4
    assert step.traces == 1
    assert step(x, 3.0, 2).item() == 5
    assert step.traces == 2


def test_a_float_argument_does_not_promote() -> None:
    step = cr.compile(lambda x, a: x * (a + 1))
    assert step(floats([1, 2]), 0.1).dtype is cr.float32
    assert_alike(step(floats([1, 2]), 0.1), cr.tensor([1.0, 2.0]) * (0.1 + 1))


def test_past_eight_traces_one_warning_names_what_varies() -> None:
    step = cr.compile(lambda x, n: x * n)
    for n in range(8):
        step(floats([1]), n)
    with pytest.warns(UserWarning, match=r"traced 9 times: argument 1 \(7, then 8\) varies"):
        step(floats([1]), 8)
    step(floats([1]), 9)  # once only


def test_a_tensor_argument_written_in_place_is_written() -> None:
    def double(x: Any) -> None:
        x.mul_(2)

    x = cr.tensor([1.0, 2.0])
    view = x[1:]
    cr.compile(double)(x)
    assert x.tolist() == [2, 4]
    assert view.tolist() == [4]


def test_a_view_of_a_captured_tensor_written_inside_is_written() -> None:
    w = cr.zeros(2, 3)

    def fill(value: Any) -> Any:
        w[0].fill_(7)
        w.view(-1)[4] = value
        return w.sum()

    assert cr.compile(fill)(2.0).item() == 23
    assert w.tolist() == [[7, 7, 7], [0, 2, 0]]


def test_results_are_not_shared_with_the_arrays_passed_in() -> None:
    x = floats([[1, 2]])
    result = cr.compile(lambda x: x.reshape(2))(x)
    x[:] = 9
    assert result.tolist() == [1, 2]


def test_an_error_in_the_middle_writes_nothing() -> None:
    counts = cr.zeros(3)
    table = cr.ones(3)

    def step(i: Any) -> Any:
        counts.add_(1)
        return table[i]

    compiled = cr.compile(step)
    assert compiled(np.array([1])).tolist() == [1]
    with pytest.raises(cr.errors.OutOfRangeError):
        compiled(np.array([5]))
    assert counts.tolist() == [1, 1, 1]


def test_the_graph_prints() -> None:
    step = cr.compile(lambda x: x + 1)
    step(floats([1]))
    assert "add" in str(step.graph)


def test_random_draws_continue_the_generator() -> None:
    def draw() -> Any:
        return cr.rand(3) + cr.rand(3)

    cr.manual_seed(5)
    eager = [draw().tolist() for _ in range(3)]
    cr.manual_seed(5)
    compiled = cr.compile(draw)
    assert [compiled().tolist() for _ in range(3)] == eager
    assert compiled.traces == 1


def test_the_contents_of_a_list_held_by_a_module_take_effect() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scales = [2.0]
            self.table = {"shift": [1.0]}

        def forward(self, x: Any) -> Any:
            return x * self.scales[0] + self.table["shift"][0]

    model = Scaled()
    step = cr.compile(model)
    assert step(floats([1])).item() == 3
    model.scales[0] = 3.0
    assert step(floats([1])).item() == 4
    model.table["shift"][0] = 5.0
    assert step(floats([1])).item() == 8
    assert step.traces == 3


def test_a_mode_set_inside_the_function_holds_after_every_call() -> None:
    model = nn.Dropout(0.5)

    def evaluate(x: Any) -> Any:
        model.eval()
        return model(x)

    step = cr.compile(evaluate)
    for _ in range(3):
        model.train()
        assert step(floats([1, 2])).tolist() == [1, 2]
        assert not model.training
    assert step.traces == 1
