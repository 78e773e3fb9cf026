"""`chainrule train`: what it prints, what it saves, and what bad input gets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chainrule.cli.main import main
from chainrule.data.shipped import load_digits
from chainrule.errors import ArgumentError
from chainrule.ir import state
from chainrule.train import load_model
from chainrule.train.classifier import accuracy

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["chainrule", *words])
        code = 0
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_training_prints_a_row_per_epoch_and_the_test_accuracy(run: Run, tmp_path: Path) -> None:
    code, out, err = run("train", "digits", "--epochs", "3", "--hidden", "32")
    assert code == 0
    assert err == ""
    assert len(re.findall(r"^ +\d+ +\d\.\d{4}", out, re.MULTILINE)) == 3
    found = re.search(r"test accuracy (0\.\d+) \((\d+) of 359\)", out)
    assert found is not None
    assert float(found[1]) == round(int(found[2]) / 359, 4) > 0.85
    assert (tmp_path / "runs" / "digits-1" / "model.safetensors").exists()


def test_the_saved_model_predicts_what_was_printed(run: Run, tmp_path: Path) -> None:
    _, out, _ = run("train", "digits", "--epochs", "2", "--hidden", "16", "--out", "run")
    model, description = load_model(tmp_path / "run")
    digits = load_digits()
    x = digits.x_test.astype(np.float32) * np.float32(description["input_scale"])
    right, rows = accuracy(model, (x, digits.y_test))
    assert f"({right} of {rows})" in out
    assert description["test"]["accuracy"] == right / rows


@pytest.mark.parametrize("executor", ["native", "reference"])
def test_the_same_seed_gives_the_same_bits(run: Run, tmp_path: Path, executor: str) -> None:
    with state.using(state.executor, executor):
        weights = weights_of_runs(run, tmp_path)
    assert weights[0] == weights[1] != weights[3]
    assert executor == "native" or weights[0] == weights[2]  # the reference executor has the bits of eager code


def weights_of_runs(run: Run, tmp_path: Path) -> list[bytes]:
    for name, extra in (("a", ()), ("b", ()), ("c", ("--no-compile",)), ("d", ("--seed", "1"))):
        assert run("train", "digits", "--epochs", "1", "--hidden", "16", "--out", name, *extra)[0] == 0
    return [(tmp_path / name / "model.safetensors").read_bytes() for name in "abcd"]


def test_runs_are_numbered_and_never_overwritten(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        run("train", "digits", "--epochs", "1", "--hidden", "8")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits-1", "digits-2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "penguins"], "unknown source 'penguins'"),
        (["train", "digits", "--epochs", "0"], "epochs must be at least 1, not 0"),
        (["train", "digits", "--hidden", "8,x"], "'8,x' is no list of widths"),
        (["train", "digits", "--hidden", "0"], "hidden must be"),
        (["train", "digits", "--dropout", "1.5"], "dropout must be"),
        (["train", "digits", "--lr", "nan"], "lr must be"),
        (["train", "digits", "--batch-size", "5000"], "larger than the 1258 training rows"),
        (["train", "digits", "--out", "taken"], "not an empty folder"),
        (["train"], "Missing argument"),
        (["fly"], "No such command"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "taken").write_text("something")
    code, _, err = run(*words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_divergence_is_said_and_nothing_is_saved(run: Run, tmp_path: Path) -> None:
    code, _, err = run("train", "digits", "--epochs", "3", "--lr", "1e30", "--hidden", "8", "--out", "run")
    assert code == 3
    assert "diverged in epoch" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.json", '{"format": 2}', "has format 2; this version reads 1"),
        ("model.json", "{", "is damaged"),
        ("model.json", "[]", "has format"),
        ("model.safetensors", "no tensors here", "is damaged"),
        ("model.json", json.dumps({"format": 1}), "lacks or misstates 'settings'"),
    ],
)
def test_a_damaged_model_is_refused(run: Run, tmp_path: Path, name: str, content: str, message: str) -> None:
    run("train", "digits", "--epochs", "1", "--hidden", "8", "--out", "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(ArgumentError, match=message):
        load_model(tmp_path / "run")
