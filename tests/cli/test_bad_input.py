"""What bad input gets: one clear line, exit code 2, in under two seconds, and nothing half-written."""

from __future__ import annotations

import errno
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chainrule.train.sealed import read_sealed, write_sealed
from tests.cli.conftest import Outcome, Run

SECONDS = 2.0  # of this process: a neighbour's load is not ours
ROWS = [f"{k % 7}.5,{'red' if k % 2 else 'blue'},{'yes' if k % 3 else 'no'}" for k in range(60)]
TABLE = "size,colour,bought\n" + "\n".join(ROWS) + "\n"
SHORT = ("--epochs", "1", "--hidden", "4")


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(run: Run, *words: str, says: tuple[str, ...], stdin: bytes = b"") -> Outcome:
    """Runs a command that must fail cleanly: it says this, in time, and every file is as it was."""
    folder = Path.cwd()
    before, begun = files_below(folder), time.process_time()
    outcome = run(*words, stdin=stdin)
    seconds = time.process_time() - begun
    assert outcome.code == 2, outcome
    lines = outcome.err.splitlines()
    assert lines, "nothing was said"
    assert lines[-1].startswith("chainrule: ")
    assert sum(line.startswith("chainrule: ") for line in lines) == 1
    assert "Traceback" not in outcome.err
    for fragment in says:
        assert fragment in lines[-1]
    assert outcome.out == ""
    assert files_below(folder) == before
    assert seconds < SECONDS
    return outcome


def rows(line: str, count: int = 60) -> str:
    return "a,b,y\n" + "\n".join(line.format(k=k, even="no" if k % 2 else "yes") for k in range(count)) + "\n"


FILES: dict[str, tuple[str | bytes, tuple[str, ...], tuple[str, ...]]] = {
    # what it holds, the options after its name, what is said
    "empty": (b"", ("--target", "y"), ("empty",)),
    "header only": ("a,b,y\n", ("--target", "y"), ("row",)),
    "ragged": (rows("{k},1,{even}") + "1,2\n", ("--target", "y"), ("line 62", "3", "2")),
    "no target": (TABLE, (), ("--target", "size (number, 7)", "colour (category, 2)", "bought (bool, 2)")),
    "unknown target": (TABLE, ("--target", "colur"), ("no column 'colur'", "'colour'")),
    "one class": (rows("{k},{k},yes"), ("--target", "y"), ("two different values", "'yes'")),
    "all missing": (rows("{k},{k},"), ("--target", "y"), ("y", "missing")),
    "text among numbers": (rows("{k},{k}.5,{even}") + "1,oops,yes\n", ("--target", "y"), ("'b'", "'oops'", "line 62")),
    "infinities": (rows("{k},{k}.5,{even}") + "1,inf,yes\n", ("--target", "y"), ("'b'", "line 62", "inf")),
    "duplicate columns": (rows("{k},1,{even}").replace("a,b,y", "a,a,y"), ("--target", "y"), ("named 'a'",)),
    "binary": (bytes(range(256)) * 40, ("--target", "y"), ("binary.csv",)),
    "UTF-16": (TABLE.encode("utf-16"), ("--target", "bought"), ("UTF-16",)),
    "NUL bytes": (TABLE.replace("blue", "bl\x00e").encode(), ("--target", "bought"), ("NUL",)),
    "200,000 columns": (
        ",".join(f"c{k}" for k in range(200_000)) + "\n" + ",".join(["1"] * 200_000) + "\n",
        ("--target", "c0"),
        ("200,000",),
    ),
    "8 MB number": (rows("{k},1,{even}") + "9" * 8_000_000 + ",1,yes\n", ("--target", "y"), ("62",)),
    "unknown column to drop": (TABLE, ("--target", "bought", "--drop", "sizes"), ("no column 'sizes'", "'size'")),
    "unknown column to keep": (TABLE, ("--target", "bought", "--features", "x"), ("no column 'x'",)),
    "unknown group": (TABLE, ("--target", "bought", "--group", "x"), ("no column 'x'",)),
    "a number is no class": (TABLE, ("--target", "colour", "--task", "regression"), ("'colour'", "--task")),
    "nothing left to learn from": (
        TABLE,
        ("--target", "bought", "--drop", "size,colour"),
        ("no column of", "dropped as asked"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_used_is_refused(run: Run, name: str) -> None:
    content, options, says = FILES[name]
    file = Path(f"{name.replace(' ', '_').replace(',', '')}.csv")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(run, "train", str(file), *options, *SHORT, says=says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train",), ("Missing argument 'SOURCE'",)),
        (("fly",), ("No such command 'fly'",)),
        (("tarin",), ("did you mean train?",)),
        (("train", "nowhere.csv"), ("nowhere.csv",)),
        (("train", "penguin"), ("penguins",)),
        (("train", "penguins", "--epochs", "0"), ("epochs must be at least 1, not 0",)),
        (("train", "penguins", "--epochs", "many"), ("'many'",)),
        (("train", "penguins", "--hidden", "8,x"), ("'8,x' is no list of widths",)),
        (("train", "penguins", "--hidden", "0,4"), ("hidden",)),
        (("train", "penguins", "--hidden", "8", "--model", "linear"), ("--hidden says nothing to --model linear",)),
        (("train", "penguins", "--dropout", "1.5"), ("dropout must be in [0, 1)",)),
        (("train", "penguins", "--lr", "nan"), ("lr must be above 0",)),
        (("train", "penguins", "--time-limit", "soon"), ("'soon' is no length of time",)),
        (("train", "penguins", "--class-weight", "x=2"), ("'x'", "Adelie, Chinstrap, Gentoo")),
        (("train", "penguins", "--optimizer", "adamv"), ("optimizer", "'adamv'", "adamw")),
        (("train", "penguins", "--activation", "rellu"), ("activation", "'rellu'", "relu")),
        (("train", "penguins", "--schedule", "x"), ("schedule", "onecycle")),
        (("train", "penguins", "--loss", "mse"), ("loss", "'mse'", "cross_entropy")),
        (("train", "penguins", "--model", "mpl"), ("'mpl'", "mlp")),
        (("train", "penguins", "--model", "net.py:Net"), ("there is no file net.py",)),
        (("train", "penguins", "--target", ""), ("no column ''",)),
        (("train", "penguins", "--valid", "held.csv"), ("held.csv",)),
        (("train", "penguins", "--valid", "0.6", "--test", "0.5"), ("0.6", "0.5")),
        (("train", "penguins", "--flavour", "x"), ("--flavour",)),
        (("train", "novel"), ("text", "table")),
        (("predict", "penguins"), ("no run in runs/ yet",)),
        (("predict", "nowhere", "penguins"), ("nowhere",)),
        (("resume",), ("no run in runs/ yet",)),
        (("report",), ("no run in runs/ yet",)),
        (("data", "penguin"), ("penguins",)),
        (("data", "--out", "x.csv"), ("--out needs the name",)),
    ],
    ids=" ".join,
)
def test_a_command_that_cannot_be_carried_out_is_refused(run: Run, words: Any, says: Any) -> None:
    refused(run, *words, says=says)


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Path:
    """The folder of a small run."""
    (tmp_path / "table.csv").write_text(TABLE)
    assert run("train", "table.csv", "--target", "bought", *SHORT, "--out", "mine").code == 0
    return Path("mine")


def test_a_folder_that_is_not_empty_is_not_written_to(run: Run, trained: Path) -> None:
    refused(run, "train", "table.csv", "--target", "bought", "--out", str(trained), says=("--out mine", "empty"))


def test_a_prediction_file_without_a_column_is_refused(run: Run, trained: Path) -> None:
    Path("new.csv").write_text("colour\nred\n")
    refused(run, "predict", "mine", "new.csv", says=("no column 'size'", "new.csv"))
    refused(run, "predict", "mine", "-", says=("no column 'size'",), stdin=b"colour\nred\n")


def test_unseen_categories_and_missing_cells_are_answered_and_said(run: Run, trained: Path) -> None:
    Path("new.csv").write_text("size,colour\n1.5,green\n,red\n")
    outcome = run("predict", "mine", "new.csv")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 3
    assert "'green'" in outcome.err
    assert "size: 1 cell missing" in outcome.err


def test_a_file_comes_before_a_data_set_of_its_name(run: Run) -> None:
    Path("penguins").write_text(TABLE)
    outcome = run("train", "penguins", "--target", "bought", *SHORT)
    assert outcome.code == 0
    assert "penguins is a file here" in outcome.err


def test_a_folder_from_elsewhere_is_refused(run: Run, trained: Path) -> None:
    Path("photos").mkdir()
    for command in (("predict", "photos", "table.csv"), ("resume", "photos"), ("report", "photos")):
        refused(run, *command, says=("photos", "no run.json"))
    text = (trained / "run.json").read_text()
    (trained / "run.json").write_text(text.replace('"format": 1', '"format": 99', 1))
    for command in (("predict", "mine", "table.csv"), ("resume", "mine"), ("report", "mine")):
        refused(run, *command, says=("format 99",))


def damaged_header(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[:8] = (1 << 60).to_bytes(8, "little")
    model.write_bytes(content)


def flipped(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[-5] ^= 1
    model.write_bytes(content)


def truncated(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-100])


def pickled(model: Path) -> None:
    model.write_bytes(pickle.dumps({"weight": [1.0, 2.0]}))


@pytest.mark.parametrize("damage", [damaged_header, flipped, truncated, pickled])
def test_a_damaged_model_is_refused(run: Run, trained: Path, damage: Callable[[Path], None]) -> None:
    damage(trained / "model.safetensors")
    refused(run, "predict", "mine", "table.csv", says=("model.safetensors",))


def test_a_model_of_another_format_is_refused(run: Run, trained: Path) -> None:
    held = read_sealed(trained / "model.safetensors")
    write_sealed(trained / "model.safetensors", held.tensors, {**held.words, "format": "chainrule model 99"})
    refused(run, "predict", "mine", "table.csv", says=("model.safetensors", "chainrule model 99"))


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    refused(run, "train", "penguins", *SHORT, "--out", "locked/run", says=("ermission denied", "locked/run"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_is_said(run: Run, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    refused(run, "train", "penguins", *SHORT, says=(os.strerror(code).lower()[1:],))


def test_a_missing_extra_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.runs.job.trees_installed", lambda: False)
    refused(run, "train", "penguins", *SHORT, "--trees", says=('pip install "chainrule[sklearn]"',))
