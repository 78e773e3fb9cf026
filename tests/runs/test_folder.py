"""Run folders: names that are free, and what a folder that is no run's gets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from chainrule.errors import ArgumentError
from chainrule.runs.folder import LARGEST_JSON, latest_run, new_folder, plain_name, read_run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_are_numbered_and_never_taken_twice() -> None:
    assert new_folder("data/penguins.csv", None) == Path("runs/penguins-1")
    assert new_folder("penguins", None) == Path("runs/penguins-2")
    Path("runs/penguins-7").touch()  # a file of that name is taken too
    assert new_folder("penguins", None) == Path("runs/penguins-8")


@pytest.mark.parametrize(
    ("source", "name"),
    [("a b/My table (1).csv", "My_table_1"), ("日本.csv", "日本"), ("...", "run"), ("x" * 300, "x" * 60), ("-", "run")],
)
def test_names_are_plain(source: str, name: str) -> None:
    assert plain_name(source) == name


def test_an_empty_folder_is_taken_and_a_full_one_is_not() -> None:
    Path("mine").mkdir()
    assert new_folder("penguins", "mine") == Path("mine")
    Path("mine/letter").touch()
    with pytest.raises(ArgumentError, match="--out mine exists and is not an empty folder"):
        new_folder("penguins", "mine")
    with pytest.raises(ArgumentError, match="not an empty folder"):
        new_folder("penguins", "mine/letter")


def test_the_latest_run_is_the_one_last_written_to() -> None:
    with pytest.raises(ArgumentError, match="no run in runs/ yet"):
        latest_run()
    for name, time in (("b-1", 30), ("a-2", 20), ("a-1", 10)):
        folder = Path("runs") / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        os.utime(folder / "run.json", (time, time))
    assert latest_run() == Path("runs/b-1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged: it is no JSON"),
        ("[" * 100_000, "damaged: it is no JSON"),
        ("\x00\x01", "damaged: it is no JSON"),
        ("[1]", "was not written by chainrule: it has no format"),
        ('{"format": 9, "chainrule": "7.0"}', "has format 9; .* reads format 1. It was written by chainrule 7.0"),
    ],
)
def test_what_is_no_run_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ArgumentError, match=message):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"holds no run\.json"):
        read_run(tmp_path)
    with pytest.raises(ArgumentError, match="no such folder"):
        read_run(tmp_path / "nowhere")


def test_an_oversized_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(LARGEST_JSON + 1)
    with pytest.raises(ArgumentError, match="more than any run writes"):
        read_run(tmp_path)


def test_a_run_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "status": "finished"}))
    assert read_run(tmp_path)["status"] == "finished"
