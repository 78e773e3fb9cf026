"""The programs that are timed: they train, in a process of their own that loads nothing else."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.bench import around, runs, steps_chainrule
from chainrule.bench.workloads import BATCHES, WORKLOADS, Workload, batches, flops, of_depth, of_parameters
from chainrule.ir import state

SMALL = {
    "mlp_tabular": WORKLOADS["mlp_tabular"],
    "mlp_mnist": replace(WORKLOADS["mlp_mnist"], batch=16, sizes=(20, 16, 12, 10)),
    "gpt_char": replace(WORKLOADS["gpt_char"], batch=4, layers=1, width=32, block=8),
}


def parameters_of(workload: Workload) -> int:
    return sum(a * b + b for a, b in zip(workload.sizes, workload.sizes[1:], strict=False))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlp_tabular", 2_121_728),  # 2 x 64 (3 x (32 x 64 + 64 x 64 + 64) - 32 x 64)
        ("mlp_mnist", 308_150_272),
        ("gpt_char", 3_964_207_104),
    ],
)
def test_flops_are_those_of_the_products(name: str, expected: int) -> None:
    assert flops(WORKLOADS[name]) == expected


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS.keys())
def test_batches_differ_and_have_the_shapes_of_the_model(workload: Workload) -> None:
    data = batches(workload)
    assert len(data) == BATCHES
    assert not np.array_equal(data[0][0], data[1][0])
    x, y = data[0]
    assert len(x) == len(y) == workload.batch
    assert x.shape[1] == (workload.block if workload.kind == "gpt" else workload.sizes[0])


@pytest.mark.parametrize("count", [100, 1000, 1_000_000])
def test_a_model_of_so_many_parameters_has_about_so_many(count: int) -> None:
    assert parameters_of(of_parameters(count)) == pytest.approx(count, rel=0.15)


def test_blocks_are_equal() -> None:
    assert replace(of_depth(64), name="", layers=2) == replace(of_depth(2), name="")


@pytest.mark.parametrize("system", runs.SYSTEMS)
@pytest.mark.parametrize("name", SMALL)
def test_losses_begin_where_they_must_and_fall(system: str, name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(system) is None:
        pytest.skip(f"{system} is not installed")
    workload = SMALL[name]
    found = runs.worker(system, workload, 1, 0.2, str(tmp_path))
    if workload.loss == "cross_entropy":
        classes = workload.vocabulary if workload.kind == "gpt" else workload.sizes[-1]
        assert found["first_loss"] == pytest.approx(math.log(classes), rel=0.15)
    assert found["loss"] < found["first_loss"]
    assert 0 < found["best_seconds"] <= found["median_seconds"]


@pytest.mark.parametrize("name", SMALL)
def test_what_is_around_a_step_is_timed_in_one_process(name: str, tmp_path: Path) -> None:
    names = ("step", "eager") if name == "gpt_char" else ("step", "eager", "epoch", "fit", "prediction")
    found = runs.worker("chainrule", SMALL[name], 1, 0.05, str(tmp_path), names)
    assert tuple(found) == names
    assert min(found.values()) > 0


def test_an_epoch_goes_over_all_batches_and_trains() -> None:
    workload = SMALL["mlp_tabular"]
    threads = state.threads()
    try:
        epoch, fetch = steps_chainrule.make_epoch(workload, 1, batches(workload))
        first = fetch(epoch())
        for _ in range(5):
            last = fetch(epoch())
    finally:
        state.set_threads(threads)  # a worker sets the number for its whole process, which is this one here
    assert last < first
    x, _ = batches(workload)[0]
    assert steps_chainrule.EPOCH % BATCHES == 0
    assert len(x) == workload.batch


def test_a_peer_is_asked_for_its_step_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    def worker(system: str, workload: Workload, threads: int, seconds: float, cache: Any, names: Any) -> dict[str, Any]:
        asked.append((system, names))
        return dict.fromkeys(names, 2.0 if system == "torch" else 3.0)

    monkeypatch.setattr(around, "worker", worker)
    plan = runs.Plan((SMALL["gpt_char"],), ("chainrule", "torch", "jax"), rounds=2)
    (row,) = around.around(plan, lambda line: None).rows
    assert asked == [("chainrule", ("eager",)), ("torch", ("eager",))] * 2
    assert (row.best, row.best_against) == (3.0, 2.0)


def test_compiled_code_goes_to_the_folder_that_was_named(tmp_path: Path) -> None:
    runs.worker("chainrule", SMALL["mlp_mnist"], 1, 0.0, str(tmp_path / "cache"))
    assert list((tmp_path / "cache").glob("*.bin"))


def test_a_peers_process_does_not_load_chainrule() -> None:
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("worker", {str(runs.WORKER)!r})
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
worker.beside("workloads").batches(worker.beside("workloads").WORKLOADS["mlp_mnist"])
assert "chainrule" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_that_fails_says_why() -> None:
    task: Any = replace(SMALL["mlp_mnist"], optimizer="none")
    with pytest.raises(runs.WorkerError, match="mlp_mnist in chainrule failed: KeyError: 'none'"):
        runs.worker("chainrule", task, 1, 0.0)


def test_a_task_is_plain_values() -> None:
    workload = WORKLOADS["mlp_mnist"]
    told = json.loads(json.dumps(asdict(workload)))
    assert Workload(**{**told, "sizes": tuple(told["sizes"])}) == workload
