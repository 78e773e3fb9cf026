"""`chainrule train`, `predict` and `resume`: what they print where, what they write, and what they leave."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shlex
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.ir import state
from chainrule.runs.measures import measures
from chainrule.train.events import EpochEnded, Event
from tests.cli.conftest import Outcome, Run

SHORT = ("--epochs", "2", "--hidden", "8")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def record(folder: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "run.json").read_text(encoding="utf8"))
    return found


def test_results_go_to_stdout_and_progress_to_stderr(run: Run) -> None:
    outcome = run("train", "penguins", *SHORT)
    assert outcome.code == 0
    first, folder, following, *commands = outcome.out.splitlines()
    assert first.startswith("test accuracy 0.")
    assert " of 69; majority 0.43; logistic 0.9" in first
    assert folder == "saved in runs/penguins-1"
    assert following == "next:"
    assert len(commands) == 2
    assert "species: 3 classes (Adelie, Chinstrap, Gentoo)" in outcome.err
    assert "241 rows train, 34 validate, 69 test" in outcome.err


def test_the_next_commands_work_as_they_stand(run: Run) -> None:
    outcome = run("train", "penguins", *SHORT)
    for line in outcome.out.splitlines()[3:]:
        program, *words = shlex.split(line)
        assert program == "chainrule"
        assert run(*words).code == 0


def test_every_setting_is_printed_with_its_reason_and_stored(run: Run) -> None:
    outcome = run("train", "penguins", *SHORT, "--lr", "0.02")
    stored = record("runs/penguins-1")["config"]
    assert stored["lr"] == {"value": 0.02, "why": "asked for"}
    assert stored["hidden"] == {"value": [8], "why": "asked for"}
    assert stored["batch_size"]["why"] not in ("", "asked for")
    lines = [line.split() for line in outcome.err.splitlines()]
    assert ["--lr", "0.02", "asked", "for"] in lines
    assert all(setting["why"] for setting in stored.values())


def test_the_test_figure_is_that_of_the_saved_model(run: Run) -> None:
    run("train", "penguins", *SHORT)
    kept = table((Path("runs/penguins-1") / "test_predictions.csv").read_text())
    right = sum(row["species"] == row["prediction"] for row in kept)
    result = record("runs/penguins-1")["result"]
    assert result["test"]["right"] == right
    assert len(kept) == result["test"]["rows"] == 69
    model = cr.load("runs/penguins-1")
    everything = cr.data.read_table(cr.data.shipped_path("penguins"))
    part = everything.take([int(row["row"]) for row in kept])
    assert model.predict(part).tolist() == [row["prediction"] for row in kept]
    assert [str(p) for p in model.predict_proba(part)[:, 0]] == [row["probability_Adelie"] for row in kept]


def test_numbers_are_judged_by_their_error(run: Run) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    lines = [f"{a:.4f},{b:.4f},{100 + 7 * a - 3 * b:.4f}" for a, b in x.tolist()]
    Path("line.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    outcome = run("train", "line.csv", "--target", "y", "--epochs", "20")
    assert outcome.out.startswith("test RMSE ")
    assert "; mean " in outcome.out
    assert "; ridge " in outcome.out
    result = record("runs/line-1")["result"]
    kept = table(Path("runs/line-1/test_predictions.csv").read_text())
    truth, predicted = (np.array([float(row[name]) for row in kept]) for name in ("y", "prediction"))
    assert measures("regression", truth, predicted)["rmse"] == pytest.approx(result["test"]["rmse"])
    assert result["test"]["r2"] > 0.5


def test_json_lines_tell_the_run_and_nothing_else(run: Run) -> None:
    outcome = run("train", "penguins", *SHORT, "--json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "run_planned"
    assert names.count("epoch_ended") == 2
    assert names[-2:] == ["run_finished", "report"]
    assert {event["version"] for event in events} == {1}
    assert events[-2]["result"]["test"]["rows"] == 69
    assert outcome.err == ""


def test_json_tells_of_an_error_too(run: Run) -> None:
    outcome = run("train", "nowhere.csv", "--json")
    error = json.loads(outcome.out)
    assert (error["event"], error["exit_code"]) == ("error", 2)
    assert f"chainrule: {error['message']}" in outcome.err


@pytest.mark.parametrize("executor", ["native", "reference"])
def test_the_same_seed_gives_the_same_bits(run: Run, executor: str) -> None:
    extras: dict[str, tuple[str, ...]] = {"a": (), "b": (), "c": ("--no-compile",), "d": ("--seed", "1")}
    with state.using(state.executor, executor):
        for name, extra in extras.items():
            assert run("train", "penguins", "--epochs", "1", "--hidden", "4", "--out", name, *extra).code == 0
    weights = [Path(name, "model.safetensors").read_bytes() for name in extras]
    assert weights[0] == weights[1] != weights[3]
    # The reference executor has the bits of eager code.
    assert executor == "native" or weights[0] == weights[2]


def test_a_model_of_the_users_own_is_trained_and_predicts_without_its_file(run: Run) -> None:
    Path("net.py").write_text(
        "from chainrule import nn\n\nclass Net(nn.Module):\n    def __init__(self, inputs, outputs):\n"
        "        super().__init__()\n        self.layer = nn.Linear(inputs, outputs)\n\n"
        "    def forward(self, x):\n        return self.layer(x).tanh() * 3\n"
    )
    assert run("train", "penguins", "--model", "net.py:Net", "--epochs", "2").code == 0
    before = run("predict", "runs/penguins-1", "penguins")
    Path("net.py").unlink()
    assert run("predict", "runs/penguins-1", "penguins") == before
    assert before.code == 0


def test_predictions_stand_in_the_order_of_the_rows_with_the_columns_that_are_kept(run: Run) -> None:
    run("train", "penguins", *SHORT)
    run("data", "penguins", "--out", "p.csv")
    source = table(Path("p.csv").read_text())
    outcome = run("predict", "p.csv", "--keep", "island,bill_length_mm", "--keep", "year")
    rows = table(outcome.out)
    assert list(rows[0])[:4] == ["island", "bill_length_mm", "year", "prediction"]
    assert list(rows[0])[4:] == ["probability_Adelie", "probability_Chinstrap", "probability_Gentoo"]
    assert [row["island"] for row in rows] == [row["island"] for row in source]
    assert [row["year"] for row in rows] == [row["year"] for row in source]
    assert outcome.err.startswith("accuracy ")
    assert run("predict", "-", stdin=Path("p.csv").read_bytes()).out.splitlines()[1] in outcome.out
    assert run("predict", "p.csv", "--out", "answers.csv").out == ""
    assert len(table(Path("answers.csv").read_text())) == len(source)
    assert run("predict", "p.csv", "--out", "answers.csv").code == 2


def test_labels_come_back_in_their_own_type(run: Run) -> None:
    lines = [f"{k % 5},{'true' if k % 5 > 2 else 'false'},{(k % 5) * 10}" for k in range(100)]
    Path("t.csv").write_text("x,flag,number\n" + "\n".join(lines) + "\n")
    for target, labels in (("flag", {"True", "False"}), ("number", {"0", "10", "20", "30", "40"})):
        assert run("train", "t.csv", "--target", target, "--epochs", "1").code == 0
        assert {row["prediction"] for row in table(run("predict", "t.csv").out)} <= labels


class Interrupts:
    """A listener that sends a signal to this process after some epochs."""

    def __init__(self, after: int, number: int) -> None:
        self.after, self.number = after, number

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == self.after:
            assert threading.current_thread() is threading.main_thread()
            os.kill(os.getpid(), self.number)


def stopped(run: Run, monkeypatch: pytest.MonkeyPatch, number: int, *words: str) -> Outcome:
    with monkeypatch.context() as patch:
        listeners = [Interrupts(2, number)]
        patch.setattr("chainrule.cli.train.listener", lambda as_json: listeners[0])
        return run("train", "penguins", "--epochs", "4", "--hidden", "8", *words)


@pytest.mark.skipif(os.name == "nt", reason="signals are others there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_goes_on_with_the_same_bits(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    assert stopped(run, monkeypatch, number, "--out", "cut").code == code
    assert record("cut")["status"] == "interrupted"
    assert Path("cut/model.safetensors").exists()  # what was learnt so far predicts
    assert run("predict", "cut", "penguins").code == 0
    resumed = run("resume", "cut")
    whole = run("train", "penguins", "--epochs", "4", "--hidden", "8", "--out", "whole")
    assert (resumed.code, whole.code) == (0, 0)
    assert resumed.out.splitlines()[0] == whole.out.splitlines()[0]
    for name in ("model.safetensors", "evaluation.json", "test_predictions.csv"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()
    epochs = [[line["epoch"], line["train"]] for line in lines_of("cut") if line["event"] == "epoch_ended"]
    assert epochs == [[line["epoch"], line["train"]] for line in lines_of("whole") if line["event"] == "epoch_ended"]
    assert run("resume", "cut").code == 2  # it has finished


def lines_of(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "records.jsonl").read_text(encoding="utf8").splitlines()]


def test_a_run_does_not_go_on_with_other_rows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("data", "penguins", "--out", "p.csv")
    with monkeypatch.context() as patch:
        patch.setattr("chainrule.cli.train.listener", lambda as_json: Interrupts(1, signal.SIGINT))
        assert run("train", "p.csv", "--target", "species", *SHORT, "--out", "cut").code == 130
    Path("p.csv").write_text(Path("p.csv").read_text().replace("39.1", "39.2"))
    outcome = run("resume", "cut")
    assert outcome.code == 2
    assert "p.csv has changed since the run began" in outcome.err


def test_a_run_in_use_is_left_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Outcome] = []

    def listener(event: Event) -> None:
        if isinstance(event, EpochEnded):
            seen.append(run("resume", "busy"))

    with monkeypatch.context() as patch:
        patch.setattr("chainrule.cli.train.listener", lambda as_json: listener)
        assert run("train", "penguins", "--epochs", "1", "--hidden", "4", "--out", "busy").code == 0
    assert seen[0].code == 2
    assert "busy is in use" in seen[0].err


def test_a_disk_that_fills_up_leaves_what_was_done(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:

        def listener(event: Event) -> None:
            if isinstance(event, EpochEnded) and event.epoch == 2:
                patch.setattr(os, "write", refuse)

        patch.setattr("chainrule.cli.train.listener", lambda as_json: listener)
        outcome = run("train", "penguins", "--epochs", "4", "--hidden", "8", "--out", "full")
    assert outcome.code == 2
    assert "no space left on device" in outcome.err
    assert "Make room on the disk" in outcome.err
    assert run("resume", "full").code == 0
    assert run("train", "penguins", "--epochs", "4", "--hidden", "8", "--out", "whole").code == 0
    assert Path("full/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


def test_divergence_is_said_and_the_last_good_weights_are_kept(run: Run) -> None:
    outcome = run("train", "penguins", "--epochs", "3", "--lr", "1e30", "--schedule", "constant", "--out", "run")
    assert outcome.code == 3
    assert "finite number, at step" in outcome.err
    assert record("run")["status"] == "diverged"
    assert run("predict", "run", "penguins").code == 0
    assert run("resume", "run").code == 2


def test_runs_are_numbered_and_never_overwritten(run: Run) -> None:
    for _ in range(2):
        run("train", "penguins", "--epochs", "1", "--hidden", "4")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["penguins-1", "penguins-2"]


def test_a_time_limit_ends_a_run_that_still_has_a_result(run: Run) -> None:
    outcome = run("train", "penguins", "--epochs", "100000", "--patience", "0", "--time-limit", "0.5s")
    assert outcome.code == 0
    assert outcome.out.startswith("test accuracy")
    assert record("runs/penguins-1")["result"]["stopped"] == "time limit"


def test_without_a_test_part_the_validation_part_is_judged(run: Run) -> None:
    outcome = run("train", "penguins", *SHORT, "--test", "0")
    assert outcome.out.startswith("validation accuracy ")
    result = record("runs/penguins-1")["result"]
    assert (result["part"], result["test"]) == ("validation", None)
    assert result["validation"]["rows"] == 34
    assert run("train", "penguins", *SHORT, "--test", "0", "--valid", "0").out.startswith("train accuracy ")
    assert len(table(Path("runs/penguins-2/test_predictions.csv").read_text())) == 344


def test_a_batch_is_no_larger_than_the_training_part(run: Run) -> None:
    assert run("train", "penguins", "--epochs", "2", "--batch-size", "1000", "--model", "linear").code == 0
    assert record("runs/penguins-1")["config"]["batch_size"] == {
        "value": 241,
        "why": "1,000 is more than the 241 training rows",
    }


def test_options_change_what_is_trained(run: Run) -> None:
    options = {
        "--model": "mlp", "--hidden": "6,5", "--activation": "tanh", "--init": "orthogonal", "--norm": "layer",
        "--dropout": "0.25", "--l1": "0.001", "--weight-decay": "0.1", "--clip": "0.5",
        "--class-weight": "Adelie=1,Gentoo=3", "--batch-size": "50", "--lr": "0.01", "--optimizer": "sgd",
        "--schedule": "cosine", "--warmup": "0.25", "--patience": "5", "--seed": "3", "--epochs": "2", "--threads": "1",
        "--drop": "year", "--valid": "0.2", "--test": "0.3",
    }  # fmt: skip
    assert run("train", "penguins", *[word for pair in options.items() for word in pair]).code == 0
    kept = record("runs/penguins-1")
    stored = {name: setting["value"] for name, setting in kept["config"].items()}
    assert stored["hidden"] == [6, 5]
    assert stored["class_weight"] == {"Adelie": 1.0, "Gentoo": 3.0}
    for name in ("activation", "init", "norm", "optimizer", "schedule"):
        assert stored[name] == options[f"--{name}"]
    for name in ("dropout", "l1", "weight_decay", "clip", "lr", "warmup", "batch_size", "patience", "seed", "epochs"):
        assert stored[name] == float(options[f"--{name.replace('_', '-')}"])
    assert kept["threads"] == 1
    assert kept["data"]["rows"] == {"train": 172, "valid": 69, "test": 103}
    assert "year" not in [column["name"] for column in kept["data"]["columns"] if column["used"]]
    assert "LayerNorm" in kept["model"]["text"]
    assert "Tanh" in kept["model"]["text"]


def test_the_digits_are_learnt_as_they_come(run: Run) -> None:
    assert run("train", "digits").code == 0
    assert record("runs/digits-1")["result"]["test"]["accuracy"] >= 0.975
