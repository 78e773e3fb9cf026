"""report.html: what it says of usual runs, of unfinished ones, and of folders that lack parts."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule.ir.errors import ArgumentError, FileError
from chainrule.report import render, settings
from chainrule.runs import settings as runs_settings
from chainrule.runs.config import RunConfig
from chainrule.runs.job import train_run
from tests.report import folders
from tests.report.parsed import Parsed, parse

WRONG: list[Any] = [None, "text", 3, [None], [[1, 2], [3]], {"a": [{}]}]
SECTIONS = [
    "curves",
    "answers",
    "calibration",
    "worst",
    "importance",
    "layers",
    "figures",
    "configuration",
    "data",
    "repeat",
]


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    return parse(render(folders.penguins(tmp_path_factory.mktemp("runs") / "penguins-1")))


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    return parse(render(folders.diabetes(tmp_path_factory.mktemp("runs") / "diabetes-1")))


def test_it_writes_one_file_and_reads_the_rest(tmp_path: Path) -> None:
    folder = folders.penguins(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    page = render(str(folder))
    assert page == folder / "report.html"
    first = page.read_bytes()
    assert render(folder).read_bytes() == first, "the same run, the same page"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before | {"report.html": first}


def test_the_sections_stand_in_order(penguins: Parsed) -> None:
    sections = [attributes["id"] for attributes in penguins.of("section") if "id" in attributes]
    assert sections == SECTIONS
    assert [attributes["href"] for attributes in penguins.of("a")] == [f"#{name}" for name in SECTIONS]


def test_nothing_is_fetched_and_nothing_runs(penguins: Parsed, diabetes: Parsed) -> None:
    for page in (penguins, diabetes):
        assert page.fetched() == []
        assert not page.of("script") + page.of("iframe") + page.of("object") + page.of("img")
        policy = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
        assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_first_screen_of_a_classification(penguins: Parsed) -> None:
    text = penguins.text
    assert penguins.after("h1").startswith(
        "Trained on 241 rows of penguins, the network gets species right for 68 of 69 unseen rows (98.6%): "
    )
    verdict = "level with gradient-boosted trees and logistic regression, ahead of the most frequent class."
    assert verdict in text
    assert "Gradient-boosted trees score a little better (100%), a gap that 69 test rows cannot settle." in text
    assert (
        "gradient-boosted trees100%this network98.6%logistic regression97.1%the most frequent class43.5%"
        in text.replace(" ", "")
        .replace("gradient-boostedtrees", "gradient-boosted trees")
        .replace("thisnetwork", "this network")
        .replace("logisticregression", "logistic regression")
        .replace("themostfrequentclass", "the most frequent class")
    )
    assert "241 · 34 · 69" in text
    assert "51 (best: 31)" in text


def test_the_first_screen_of_a_regression(diabetes: Parsed) -> None:
    assert "the network predicts progression with a typical error of 54.1 (RMSE on 69 unseen rows): " in diabetes.text
    assert ": level with ridge regression, ahead of the mean." in diabetes.text
    assert "Gradient-boosted trees were not compared: needs scikit-learn: pip install scikit-learn." in diabetes.text
    assert "lower is better" in diabetes.text


def test_what_the_sections_of_a_classification_say(penguins: Parsed) -> None:
    text = penguins.text
    for words in (
        "Training ended: validation loss got no better for 20 epochs.",
        "Confusion matrix", "By class", "It is too sure of itself.", "The test rows that it got most wrong",
        "Permutation importance", "Gradient norm by layer and step", "Update to weight ratio by layer and step",
        "default for 241 rows", "class-weight", "Linear(11, 128)", "id-like: every row has its own value",
        "2 rows without species were left out", "chainrule train penguins --seed 0", "sha256:0123456789abcdef",
    ):  # fmt: skip
        assert words in text
    assert len(penguins.of("svg")) == 7


def test_what_the_sections_of_a_regression_say(diabetes: Parsed) -> None:
    assert "Prediction over truth" in diabetes.text
    assert "Residuals: prediction minus truth" in diabetes.text
    assert "chainrule train 'my data/diabetes.csv' --target progression" in diabetes.text
    assert "calibration" not in [attributes.get("id") for attributes in diabetes.of("section")]


def test_charts_and_tables_have_names(penguins: Parsed) -> None:
    ids = {attributes["id"] for _, attributes in penguins.elements if "id" in attributes}
    for picture in penguins.of("svg"):
        assert picture["role"] == "img"
        assert set(str(picture["aria-labelledby"]).split()) <= ids
    assert len(penguins.of("caption")) == len(penguins.of("table"))
    assert all(head.get("scope") in ("col", "row") for head in penguins.of("th"))
    assert penguins.of("html") == [{"lang": "en"}]


@pytest.mark.parametrize(
    "parts", [c for n in range(4) for c in itertools.combinations(("records", "evaluation", "result"), n)]
)
@pytest.mark.parametrize("make", [folders.penguins, folders.diabetes])
def test_missing_parts_are_said_to_be_missing(tmp_path: Path, parts: tuple[str, ...], make: object) -> None:
    assert callable(make)
    folder = make(tmp_path / "run")
    if "records" in parts:
        (folder / "records.jsonl").unlink()
    if "evaluation" in parts:
        (folder / "evaluation.json").unlink()
    if "result" in parts:
        run = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({name: value for name, value in run.items() if name != "result"}))
    text = parse(render(folder)).text
    assert ("No epoch ended" in text) == ("records" in parts)
    assert ("No step of this run was watched" in text) == ("records" in parts)
    assert ("There is no evaluation" in text) == ("evaluation" in parts)
    assert ("importance of columns was not measured" in text) == ("evaluation" in parts)
    assert ("has no result" in text) == ("result" in parts)


def test_every_entry_of_run_json_may_be_missing_or_wrong(tmp_path: Path) -> None:
    whole = folders.run_json()
    for name in list(whole):
        if name == "format":
            continue
        for value in WRONG:
            run = whole | {name: value}
            parse(render(folders.write(tmp_path / "run", run, list(folders.training(2)), folders.classified())))
    for name in list(folders.classified()):
        for value in WRONG:
            evaluation = folders.classified() | {name: value}
            parse(render(folders.write(tmp_path / "run", whole, [], evaluation)))


@pytest.mark.parametrize(
    ("status", "events", "words"),
    [
        ("running", 3, "has not finished: this is how it stood after 3 epochs."),
        ("interrupted", 1, "was interrupted after 1 epoch; there is no test result yet."),
        ("finished", 2, "there is no result on test rows."),
        ("running", 0, "before the first epoch ended"),
    ],
)  # fmt: skip
def test_a_run_without_a_result_says_why(tmp_path: Path, status: str, events: int, words: str) -> None:
    run = {name: value for name, value in folders.run_json(status=status).items() if name != "result"}
    epochs = [event for event in folders.training(events) if event["event"] == "epoch_ended"]
    assert words in parse(render(folders.write(tmp_path / "run", run, epochs))).text


def test_a_diverged_run_says_where_it_began(tmp_path: Path) -> None:
    run = {name: value for name, value in folders.run_json(status="diverged").items() if name != "result"}
    event = {"event": "diverged", "version": 1, "step": 1234, "epoch": 7, "layer": "encoder.2", "what": "its output"}
    text = parse(render(folders.write(tmp_path / "run", run, [*folders.training(6), event]))).text
    assert "Training diverged at step 1,234, beginning in encoder.2; the last good weights were kept." in text
    assert "First seen: its output. A lower learning rate" in text


def test_half_a_last_line_and_a_repeated_epoch_are_read_over(tmp_path: Path) -> None:
    folder = folders.penguins(tmp_path / "run")
    with (folder / "records.jsonl").open("a") as records:
        again = next(event for event in folders.training(3) if event["event"] == "epoch_ended")
        records.write(json.dumps(again) + "\n" + '{"event": "epoch_en')
    text = parse(render(folder)).text
    assert "1 damaged lines of records.jsonl were left out." in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "holds no run.json"),
        ("", "is damaged"),
        ("[1]", "was not written by chainrule"),
        ('{"format": 7}', "has format 7; this version of chainrule reads format 1"),
        ('{"format": 1, "x": ' + "[" * 100_000, "is damaged"),
        ('{"format": 1, "x": ' + "9" * 5000 + "}", "is damaged"),
    ],
    ids=["none", "empty", "a list", "another format", "deep", "a long number"],
)  # fmt: skip
def test_what_is_no_run_folder_is_one_line(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ArgumentError, match=words) as caught:
        render(tmp_path)
    assert len(caught.value.message) < 400
    assert not list(tmp_path.glob("*.html*"))


def test_a_full_disk_is_one_line_and_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folders.penguins(tmp_path / "run")
    (folder / "report.html").write_text("old")
    names = sorted(path.name for path in folder.iterdir())

    def full(handle: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(FileError, match=r"report\.html") as caught:
            render(folder)
    assert "space" in caught.value.message
    assert (folder / "report.html").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == names


def test_jinja_is_imported_only_to_render() -> None:
    code = (
        "import sys, chainrule.report; print(sorted({'jinja2', 'markupsafe', 'duckdb', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_what_a_real_run_writes_fills_every_section(tmp_path: Path, task: str) -> None:
    x = [(k * 37 % 101, k * 53 % 17) for k in range(150)]
    target = [
        ("yes" if a > 50 else "no") if task == "classification" else 3.0 * a - b + k / 7 for k, (a, b) in enumerate(x)
    ]
    rows = [f"{a},{b},{y}" for (a, b), y in zip(x, target, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["first,second,y", *rows]) + "\n")
    config = RunConfig(str(tmp_path / "table.csv"), target="y", task=task, epochs=3, trees=False)
    result = train_run(config, out=str(tmp_path / "run"), command=["chainrule", "train", "table.csv"])
    page = parse(render(result.folder))
    assert [attributes["class"] for attributes in page.of("p") if attributes.get("class") == "missing"] == []
    assert len(page.of("svg")) == (7 if task == "classification" else 8)
    assert "Trained on 105 rows of table.csv, the network" in page.text
    assert "Gradient-boosted trees were not compared" in page.text
    assert ("in standard deviations of the target" in page.text) == (task == "regression")


def test_what_was_asked_for_is_called_so_by_runs() -> None:
    assert settings.ASKED == runs_settings.ASKED
