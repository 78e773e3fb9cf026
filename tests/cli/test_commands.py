"""`chainrule lr`, `data`, `report`, `--help`, and what every command does."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from chainrule import cli
from chainrule.cli.show import bold, dim, plain, table
from chainrule.data import SHIPPED, read_table
from chainrule.runs.config import RunConfig
from chainrule.train.losses import LOSSES
from chainrule.train.presets import ACTIVATIONS, INITS, NORMS, PRESETS
from chainrule.train.recipes import OPTIMIZERS, SCHEDULES
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def test_a_learning_rate_is_suggested_and_nothing_written(run: Run, tmp_path: Path) -> None:
    outcome = run("lr", "penguins", "--hidden", "16", "--debug")
    assert outcome.code == 0
    first, following, command = outcome.out.splitlines()
    rate = first.removeprefix("learning rate ")
    assert 1e-5 < float(rate) < 1
    assert following == "next:"
    assert command.split() == ["chainrule", "train", "penguins", "--hidden", "16", "--lr", rate]
    assert "●" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_the_curve_of_learning_rates_can_be_kept(run: Run) -> None:
    outcome = run("lr", "penguins", "--json", "--out", "curve.json")
    event = json.loads(outcome.out)
    kept = json.loads(Path("curve.json").read_text())
    assert event["event"] == "learning_rate"
    assert {name: event[name] for name in kept} == kept
    assert kept["rates"][0] == pytest.approx(1e-8)
    assert len(kept["rates"]) == len(kept["losses"]) <= 100
    assert run("lr", "penguins", "--out", "curve.json").code == 2


def test_data_sets_are_listed_with_their_licences(run: Run) -> None:
    outcome = run("data")
    assert outcome.code == 0
    for one in SHIPPED.values():
        assert re.search(rf"^{one.name} .*{re.escape(one.licence)}", outcome.out, re.M)
    assert [json.loads(line)["name"] for line in run("data", "--json").out.splitlines()] == list(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_data_set_is_written_as_a_file(run: Run, name: str) -> None:
    assert run("data", name, "--out", "copy").code == 0
    text = Path("copy").read_text(encoding="utf8")
    assert run("data", name, "--out", "-").out == text
    if SHIPPED[name].target is not None:
        assert SHIPPED[name].target in read_table("copy")
    assert run("data", name, "--out", "copy").code == 2


def test_a_report_is_written_anew(run: Run) -> None:
    run("train", "penguins", "--epochs", "1", "--hidden", "4")
    page = Path("runs/penguins-1/report.html")
    page.unlink()
    assert run("report").out == f"{page}\n"
    assert page.exists()
    assert json.loads(run("report", "--json").out)["path"] == str(page)


def test_help_names_every_command_without_importing_one() -> None:
    code = (
        "import sys; from chainrule.cli.main import main; sys.argv = ['chainrule', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert not [name for name in sys.modules if name.startswith(('chainrule.runs', 'chainrule.bench'))]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, line in cli.COMMANDS.items():
        assert f"{name} " in done.stdout
        assert line in " ".join(done.stdout.split())


def test_a_small_run_waits_for_no_heavy_package(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom chainrule.cli.main import main\n"
        "sys.argv = ['chainrule', *'train penguins --epochs 1'.split()]\nmain()\n"
        "heavy = {'duckdb', 'sklearn', 'pandas', 'polars', 'torch', 'IPython', 'chainrule.bench'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_and_a_way_to_see_tracebacks(run: Run, name: str) -> None:
    outcome = run(name, "--help")
    assert outcome.code == 0
    assert "--debug" in outcome.out


def test_the_help_names_every_choice_and_every_option_of_a_run(run: Run) -> None:
    text = run("train", "--help").out
    words = set(re.findall(r"[\w-]+", text))
    tables: list[Iterable[str]] = [ACTIVATIONS, INITS, NORMS, PRESETS, OPTIMIZERS, SCHEDULES, *LOSSES.values()]
    for known in tables:
        assert set(known) <= words
    options = {field.name.replace("_", "-") for field in dataclasses.fields(RunConfig)} - {"source", "compile"}
    assert {f"--{name}" for name in options} <= words
    assert "--no-compile" in words


def test_tracebacks_are_for_those_who_ask(run: Run) -> None:
    assert "Traceback" not in run("train", "nowhere.csv").err
    outcome = run("train", "nowhere.csv", "--debug")
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("chainrule: ")


def test_warnings_are_lines(run: Run) -> None:
    Path("net.py").write_text(
        "import warnings\nfrom chainrule import nn\nwarnings.simplefilter('always')\n"
        "def Net(inputs, outputs):\n    warnings.warn('mind the\\n gap')\n    return nn.Linear(inputs, outputs)\n"
    )
    outcome = run("train", "penguins", "--model", "net.py:Net", "--epochs", "1")
    assert outcome.code == 0
    assert "note: mind the gap" in outcome.err.splitlines()


def test_a_terminal_that_knows_few_letters_is_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    for words in (["lr", "penguins"], ["train", "tëst.csv", "--target", "größe", "--json"]):
        (tmp_path / "tëst.csv").write_text("a,größe\n" + "1,ä\n2,ö\n" * 50, encoding="utf8")
        command = [sys.executable, "-m", "chainrule", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["target"] == "größe"


def test_a_reader_that_leaves_is_no_error(run: Run) -> None:
    assert run("train", "penguins", "--epochs", "1", "--hidden", "4").code == 0
    command = [sys.executable, "-m", "chainrule", "predict", "runs/penguins-1", "penguins"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read().decode()
    assert "Error" not in told
    assert "chainrule:" not in told


def test_what_is_no_json_is_made_so() -> None:
    assert plain({"a": float("nan"), 2: (1, [float("inf")])}) == {"a": None, "2": [1, [None]]}


def test_only_terminals_get_styles_and_only_if_they_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert bold("yes") == "\033[1myes\033[0m"
    assert dim("no") == "no"  # what goes to stderr stands in a file
    monkeypatch.setenv("NO_COLOR", "1")
    assert bold("yes") == "yes"


def test_columns_of_words_line_up() -> None:
    assert table([("a", "b"), ("long", "c")]) == ["  a     b", "  long  c"]
    assert table([]) == []
