"""Whole training steps natively: what eager mode computes, the same bits for any threads and in every process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import OutOfRangeError
from tests.backends.native.models import TRAININGS, begun
from tests.natively import natively

STEPS = 30
# How far weights may be from those of eager mode after STEPS, of the way that they went. Some have gradients that are
# nothing but rounding (a key's bias moves no softmax), and Adam makes whole steps of them.
GROWTH = 5e-3

each_training = pytest.mark.parametrize("name", TRAININGS)


native = pytest.fixture(autouse=True)(natively)


@each_training
def test_training_goes_as_it_does_eagerly(name: str) -> None:
    compiled, eager = begun(name), begun(name, compiled=False)
    start = eager.model.state_dict()
    start_weights = np.concatenate([np.array(t.detach().numpy(), np.float64).reshape(-1) for t in start.values()])
    cr.manual_seed(1)
    found = np.array(compiled.run(STEPS))
    cr.manual_seed(1)
    expected = np.array(eager.run(STEPS))
    np.testing.assert_allclose(found, expected, rtol=GROWTH, atol=GROWTH * float(np.max(np.abs(expected))))
    a, b = compiled.weights(), eager.weights()
    way = np.linalg.norm(b[: start_weights.size] - start_weights)
    assert way > 0
    assert np.linalg.norm((a - b)[: start_weights.size]) <= GROWTH * way
    assert np.linalg.norm(a - b) <= GROWTH * max(float(way), float(np.linalg.norm(b[start_weights.size :])))
    step: Any = compiled.step
    assert step.traces == 1


@each_training
def test_bits_are_the_same_for_any_threads(name: str) -> None:
    found = {}
    for threads in (1, 2, 3, 4):
        cr.set_num_threads(threads)
        trained = begun(name)
        trained.run(4)
        found[threads] = trained.digest()
    assert len(set(found.values())) == 1, found


SCRIPT = """
import chainrule as cr
from tests.backends.native.models import begun
cr.set_executor("native")
for name in {names!r}:
    trained = begun(name)
    trained.run(4)
    print(trained.digest())
"""
ELSEWHERE = ("mlp adamw", "classifier", "gpt", "embedding")


def test_bits_are_the_same_in_another_process(tmp_path: Path) -> None:
    """One that finds nothing compiled."""
    expected = []
    for name in ELSEWHERE:
        trained = begun(name)
        trained.run(4)
        expected.append(trained.digest())
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(names=ELSEWHERE)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ".", "HOME": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == expected


@pytest.mark.parametrize("where", ["token", "label"])
def test_an_index_out_of_range_leaves_everything_as_it_was(where: str) -> None:
    compiled, eager = begun("embedding"), begun("embedding", compiled=False)
    compiled.run(2)
    before = compiled.digest()
    x, y = compiled.batch(0)
    if where == "token":
        x[3, 2] = 50
    else:
        y[-1] = 4
    with pytest.raises(OutOfRangeError) as expected:
        eager.step(cr.tensor(x), cr.tensor(y))
    with pytest.raises(OutOfRangeError) as found:
        compiled.step(cr.tensor(x), cr.tensor(y))
    assert str(found.value).split("\n")[0] == str(expected.value).split("\n")[0]
    assert compiled.digest() == before
    twin = begun("embedding")
    twin.run(2)
    assert twin.run(3) == compiled.run(3), "and training goes on"
    assert twin.digest() == compiled.digest()


def test_draws_are_those_of_eager_mode() -> None:
    def drawn() -> list[Any]:
        return [cr.rand(7), cr.randn(3, 5), cr.randint(0, 9, (4,)), cr.bernoulli(cr.full((6,), 0.4))]

    compiled = cr.compile(drawn)
    cr.manual_seed(3)
    found = [*compiled(), *compiled()]
    cr.manual_seed(3)
    expected = [*drawn(), *drawn()]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-6, atol=2e-6)


def test_results_are_the_callers_own() -> None:
    """The next call does not write into what an earlier one returned."""
    double = cr.compile(lambda x: x + x)
    first = double(cr.ones(5))
    double(cr.full((5,), 3.0))
    assert first.tolist() == [2.0] * 5
