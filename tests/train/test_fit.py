"""What `fit` does with its arguments."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, TensorDataset
from chainrule.errors import ArgumentError
from chainrule.nn import functional as F
from chainrule.train.events import EpochEnded, Event, Improved, Note, RunBegan, Stopped
from chainrule.train.feed import ArrayFeed, feed_of
from chainrule.train.fit import fit
from chainrule.train.metrics import Accuracy, Whole
from chainrule.train.run import Run
from tests.train.small import blobs, full_run, line, net, weights_of


def sgd(lr: float = 0.1) -> Any:
    return lambda parameters: optim.SGD(parameters, lr)


def linear(**settings: Any) -> tuple[Any, Run]:
    """The weights that a linear model has after some settings, from zero."""
    model = nn.Linear(3, 1)
    with cr.no_grad():
        model.weight.zero_()
        model.get_parameter("bias").zero_()
    run = fit(model, settings.pop("train", line()), **{"optimizer": sgd(), "seed": 0, "compile": False} | settings)
    return model.weight.detach().numpy()[0].astype(np.float64), run


# Learning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compile", [True, False])
def test_a_classifier_learns(compile: bool) -> None:
    run = fit(net(), blobs(300), blobs(100, 1), epochs=15, optimizer=lambda p: optim.AdamW(p, 0.01), compile=compile)
    assert run.history[-1]["train"]["loss"] < run.history[0]["train"]["loss"]
    assert run.evaluate(blobs(100, 2))["accuracy"] > 0.75
    x, y = blobs(100, 2)
    assert np.mean(run.predict(x) == y) == pytest.approx(run.evaluate((x, y))["accuracy"])
    assert run.predict_proba(x).sum(1) == pytest.approx(np.ones(100), abs=1e-5)


def test_compiled_and_eager_agree() -> None:
    # not Adam, which makes steps of the rounding errors of a bias before a batch norm
    runs = [full_run(compile=compile, optimizer=sgd(), schedule=None) for compile in (False, True)]
    eager, compiled = runs
    for one, other in zip(eager.history, compiled.history, strict=True):
        assert one["train"]["loss"] == pytest.approx(other["train"]["loss"], rel=1e-4)
        assert one["validation"]["loss"] == pytest.approx(other["validation"]["loss"], rel=1e-4)


def test_targets_may_have_one_dimension_less_than_outputs() -> None:
    w, run = linear(epochs=40)
    assert w == pytest.approx([1.0, -2.0, 0.5], abs=0.05)
    assert list(run.history[0]["train"]) == ["loss", "rmse"]
    assert run.predict(line()[0]).shape == (64,)


@pytest.mark.parametrize("kind", ["lists", "loader", "dataset", "tensors", "frame"])
def test_data_come_in_many_forms(kind: str) -> None:
    x, y = line()
    if kind == "frame":
        pandas = pytest.importorskip("pandas")
        data: Any = (pandas.DataFrame(x.astype(np.float64)), pandas.Series(y))
    else:
        data = {
            "lists": (x.tolist(), y.tolist()),
            "loader": DataLoader(TensorDataset(x, y), batch_size=64),
            "dataset": TensorDataset(x, y),
            "tensors": (cr.tensor(x), cr.tensor(y)),
        }[kind]
    w, _ = linear(train=data, epochs=1, batch_size=64)
    assert w == pytest.approx(linear(epochs=1, batch_size=64)[0], rel=1e-4)


def test_binary_targets_with_one_output() -> None:
    x, y = blobs(200)
    for targets in (y == 0, (y == 0).astype(np.int64), (y == 0).astype(np.float32)):
        model = nn.Linear(4, 1)
        run = fit(
            model, (x, targets), loss=nn.BCEWithLogitsLoss(), epochs=10, optimizer=sgd(0.5), metrics="accuracy",
            compile=False, seed=0,
        )  # fmt: skip
        assert run.history[-1]["train"]["accuracy"] > 0.7


def test_floats_become_what_the_model_is_of() -> None:
    x, y = line()
    run = fit(nn.Linear(3, 1).double(), (x, y), (x, y), epochs=1, sample_weight=np.ones(64), compile=False)
    assert run.loop.plan.train.example()[0].dtype is cr.float64
    assert np.isfinite(run.evaluate((x, y))["rmse"])


def test_a_last_batch_that_is_smaller_is_left_out() -> None:
    x, y = line(50)
    feed = feed_of((x, y), 16)
    assert isinstance(feed, ArrayFeed)
    assert [len(batch[0]) for batch in feed.batches(0)] == [16, 16, 16]
    assert [len(batch[0]) for batch in feed_of((x, y), 80).batches(0)] == [50]
    first, second = [np.concatenate([b[1].numpy() for b in feed.batches(epoch)]) for epoch in (0, 1)]
    assert set(first.tolist()) != set(second.tolist())
    assert len(set(first.tolist())) == 48


# One step by hand -----------------------------------------------------------------------------------------------------


def one_step(x: Any, y: Any, weights: Any = None) -> Any:
    """A step of SGD from zero, on the weighted mean squared error."""
    weights = np.ones(len(x)) if weights is None else weights
    return 0.1 * 2 * (weights * y) @ x / len(x)


def test_sample_weights_count_by_their_ratio() -> None:
    x, y = line()
    weights = np.random.default_rng(0).uniform(size=64)
    for scale in (1, 7):
        w, run = linear(epochs=1, batch_size=64, sample_weight=scale * weights)
        assert w == pytest.approx(one_step(x, y, weights / weights.mean()), rel=1e-4)
        assert run.history[0]["train"]["loss"] == pytest.approx(np.average(y**2, weights=weights), rel=1e-5)


def test_class_weights_weigh_the_rows_of_a_class() -> None:
    x, y = blobs(90)
    y[:30] = 2

    def weights(**settings: Any) -> Any:
        cr.manual_seed(0)
        model = nn.Linear(4, 3)
        fit(model, (x, y), epochs=2, batch_size=30, seed=0, optimizer=sgd(), compile=False, **settings)
        return model.weight.detach().numpy()

    with pytest.raises(ArgumentError, match="'balanced', a dict or an array"):
        weights(class_weight="even")
    by_class = {0: 1.0, 1: 2.0, 2: 0.5}
    by_sample = weights(sample_weight=[by_class[k] for k in y])
    assert weights(class_weight=by_class) == pytest.approx(by_sample)
    assert weights(class_weight=[1.0, 2.0, 0.5]) == pytest.approx(by_sample)
    assert np.abs(weights(class_weight="balanced") - weights()).max() > 1e-3


def test_class_weights_of_a_loader() -> None:
    x, y = blobs(60)
    loader = DataLoader(TensorDataset(x, y), batch_size=60)
    model, other = nn.Linear(4, 3), nn.Linear(4, 3)
    other.load_state_dict(model.state_dict())
    fit(model, loader, epochs=1, optimizer=sgd(), class_weight={1: 3.0}, compile=False)
    values = F.cross_entropy(other(cr.tensor(x)), cr.tensor(y), reduction="none")
    (values * cr.tensor(np.where(y == 1, 3.0, 1.0)).float()).mean().backward()
    with cr.no_grad():
        gradient = other.weight.grad
        assert gradient is not None
        expected = (other.weight - gradient * 0.1).numpy()
    assert model.weight.detach().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("compile", [True, False])
def test_gathered_gradients_are_those_of_the_big_batch(compile: bool) -> None:
    x, y = line(60)
    whole, _ = linear(train=(x, y), epochs=3, batch_size=60, compile=compile)
    gathered, _ = linear(train=(x, y), epochs=3, batch_size=12, accumulate=5, compile=compile)
    ragged, _ = linear(train=DataLoader(TensorDataset(x, y), batch_size=25), epochs=3, accumulate=9, compile=compile)
    assert gathered == pytest.approx(whole, rel=1e-4)
    assert ragged == pytest.approx(whole, rel=1e-4)


def test_penalties_leave_out_biases() -> None:
    model = nn.Sequential(nn.Linear(3, 1), nn.LayerNorm(1))
    held = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    fit(
        model, line(), loss=lambda outputs, y: outputs.sum() * 0, l1=0.5, l2=0.25, epochs=1, batch_size=64,
        optimizer=sgd(), compile=False,
    )  # fmt: skip
    now = {name: p.detach().numpy() for name, p in model.named_parameters()}
    w = held["0.weight"]
    assert now["0.weight"] == pytest.approx(w - 0.1 * (0.5 * np.sign(w) + 0.25 * 2 * w), abs=1e-6)
    for name in ("0.bias", "1.weight", "1.bias"):
        assert np.array_equal(now[name], held[name])


def test_the_loss_that_is_shown_has_no_penalty() -> None:
    _, run = linear(epochs=1, batch_size=64, l2=100.0)
    assert run.history[0]["train"]["loss"] == pytest.approx(np.mean(line()[1] ** 2), rel=1e-5)


def test_clipping_bounds_the_update() -> None:
    w, run = linear(epochs=1, batch_size=64, clip=1e-3)
    bias = run.model.get_parameter("bias").item()
    assert np.hypot(np.linalg.norm(w), bias) == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("compile", [True, False])
def test_average_of_weights(compile: bool) -> None:
    _, plain = linear(epochs=1, batch_size=16, compile=compile, restore_best=False)
    seen: list[Any] = []

    class Look:
        def __call__(self, event: Event) -> None: ...

        def stepped(self, loop: Any) -> None:
            seen.append(loop.model.weight.detach().numpy().astype(np.float64)[0].copy())

    averaged, _ = linear(epochs=1, batch_size=16, ema=0.5, compile=compile, callbacks=[Look()], restore_best=False)
    expected = np.zeros(3)
    for t, weights in enumerate(seen, 1):
        keep = min(0.5, (1 + t) / (10 + t))
        expected = keep * expected + (1 - keep) * weights
    assert averaged == pytest.approx(expected, rel=1e-5)
    assert seen[-1] == pytest.approx(plain.model.weight.detach().numpy()[0], rel=1e-6)


# Stopping -------------------------------------------------------------------------------------------------------------


def test_patience_stops_and_the_best_weights_come_back() -> None:
    x, y = blobs(40)
    kept: dict[int, dict[str, bytes]] = {}

    def keep(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.loop is not None:
            kept[event.epoch] = {name: value.numpy().tobytes() for name, value in event.loop.model.state_dict().items()}

    run = fit(
        net(), (x, y), (x, (y + 1) % 3), epochs=50, patience=3, optimizer=lambda p: optim.AdamW(p, 0.05),
        callbacks=[keep], seed=0, compile=False,
    )  # fmt: skip
    assert run.stopped == "no better for 3 epochs"
    assert len(run.history) == (run.best_epoch or 0) + 3
    assert weights_of(run) == kept[run.best_epoch or 0]
    best = min(run.history, key=lambda row: row["validation"]["loss"])
    assert run.best == best


def test_monitor_may_be_a_metric_that_is_to_be_large() -> None:
    run = fit(net(), blobs(), blobs(40, 1), epochs=6, monitor="accuracy", seed=0, compile=False)
    values = [row["validation"]["accuracy"] for row in run.history]
    assert run.best_epoch == 1 + int(np.argmax(values))
    with pytest.raises(ArgumentError, match="no 'acuracy' to monitor"):
        fit(net(), blobs(), epochs=1, monitor="acuracy", compile=False)


def test_plateau_and_time_limit_stop() -> None:
    _, run = linear(epochs=500, batch_size=64, plateau=3)
    assert "plateau" in run.stopped
    _, run = linear(epochs=10**6, time_limit=0.2)
    assert run.stopped == "time limit"
    assert 0.2 <= run.seconds < 5


def test_interrupt_keeps_the_best_weights_and_gives_the_run() -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    _, run = linear(epochs=9, callbacks=[interrupt])
    assert (run.stopped, len(run.history)) == ("interrupted", 2)


# Events and metrics ---------------------------------------------------------------------------------------------------


def test_events_tell_the_run() -> None:
    seen: list[Event] = []
    run = fit(net(), blobs(), blobs(30, 1), epochs=3, batch_size=16, callbacks=[seen.append], seed=0, compile=False)
    assert isinstance(seen[0], RunBegan)
    assert seen[0].settings["optimizer"] == "AdamW"
    assert json.loads(json.dumps(seen[0].as_dict()))["settings"]["metrics"] == ["accuracy"]
    assert (seen[0].parameters, seen[0].steps, seen[0].rows) == (4 * 8 + 8 + 16 + 27, 3, 60)
    rows = [event for event in seen if isinstance(event, EpochEnded)]
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [event.epoch for event in seen if isinstance(event, Improved)] == [row.epoch for row in rows if row.improved]
    assert isinstance(seen[-1], Stopped)
    assert seen[-1].as_dict() == {
        "event": "stopped", "version": 1, "reason": "all epochs", "epoch": 3, "step": 9, "best_epoch": run.best_epoch,
        "seconds": seen[-1].seconds,
    }  # fmt: skip


def test_metrics_of_an_epoch_are_those_of_all_its_batches() -> None:
    def bias(outputs: cr.Tensor, targets: cr.Tensor) -> cr.Tensor:
        difference: cr.Tensor = outputs.squeeze(-1) - targets
        return difference.mean()  # type: ignore[no-any-return]

    x, y = line(60)
    _, run = linear(train=(x, y), optimizer=sgd(0.0), epochs=1, batch_size=12, metrics=["mae", "r2", bias])
    row = run.history[0]["train"]
    assert row["mae"] == pytest.approx(np.abs(y).mean(), rel=1e-5)
    assert row["bias"] == pytest.approx(-y.mean(), rel=1e-4)
    assert row["loss"] == pytest.approx((y**2).mean(), rel=1e-5)


def test_whole_metrics_are_of_the_validation_part() -> None:
    worst = Whole(lambda outputs, y: float(np.abs(outputs[:, 0] - y).max()), "worst", larger_is_better=False)
    _, run = linear(optimizer=sgd(0.0), epochs=1, validation=line(3000, 1), metrics=[worst])
    assert list(run.history[0]["train"]) == ["loss"]
    assert run.history[0]["validation"]["worst"] == pytest.approx(np.abs(line(3000, 1)[1]).max())


def test_evaluation_compiled_and_eager_agree() -> None:
    settings: dict[str, Any] = {"epochs": 70, "validation": line(1500, 1), "metrics": ["rmse", "mae"], "batch_size": 64}
    (_, eager), (_, compiled) = linear(**settings), linear(**settings, compile=True)
    assert eager.loop.validation is not None
    assert compiled.loop.validation is not None
    assert compiled.loop.validation.run is not compiled.loop.validation.eager
    for name, value in eager.history[-1]["validation"].items():
        assert compiled.history[-1]["validation"][name] == pytest.approx(value, rel=1e-3)


def test_names_of_metrics() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'accuracy'"):
        fit(net(), blobs(), metrics=["acuracy"])
    with pytest.raises(ArgumentError, match="taken already"):
        fit(net(), blobs(), metrics=["accuracy", Accuracy()])


# What cannot be traced ------------------------------------------------------------------------------------------------


class Branching(nn.Module):
    """A model with a Python branch on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 1)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        outputs: cr.Tensor = self.inner(x)
        if outputs.sum() > 1e9:
            outputs = cr.zeros_like(outputs)
        return outputs


def test_a_branch_on_a_value_runs_eagerly_and_is_named() -> None:
    seen: list[Event] = []
    run = fit(Branching(), line(), line(10, 1), epochs=70, callbacks=[seen.append], seed=0)
    (note,) = [event for event in seen if isinstance(event, Note)]
    assert "test_fit.py" in note.text
    assert "without being compiled" in note.text
    assert "\n" not in note.text
    assert len(run.history) == 70


# Arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be an int above 0"),
        ({"batch_size": 2.5}, "batch_size must be an int above 0"),
        ({"train": (np.zeros((3, 2)), np.zeros(4))}, "3 and 4 rows"),
        ({"train": (np.zeros((0, 3)), np.zeros(0))}, "no rows"),
        ({"train": 5}, "not int"),
        ({"train": (np.array([["a"]]), np.zeros(1))}, "must hold numbers"),
        ({"class_weight": "balanced"}, "class numbers"),
        ({"sample_weight": [1.0]}, "64 and 1 rows"),
        ({"sample_weight": -np.ones(64)}, "not negative"),
        ({"sample_weight": np.ones(64), "loss": lambda outputs, y: outputs.mean()}, "reduction"),
        ({"loss": lambda outputs, y: outputs - y}, "must be one number"),
        ({"ema": 1.5}, "between 0 and 1"),
        ({"l1": -1.0}, "l1 must not be negative"),
        ({"patience": 0}, "at least 1 epoch"),
        ({"optimizer": lambda p: 3}, "must be an Optimizer"),
    ],
)
def test_arguments_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        linear(**settings)


def test_the_generator_in_use_is_left_alone_with_a_seed() -> None:
    cr.manual_seed(5)
    model = net()
    before = cr.get_rng_state().tolist()
    fit(model, blobs(), epochs=2, seed=0, compile=False)
    assert cr.get_rng_state().tolist() == before
