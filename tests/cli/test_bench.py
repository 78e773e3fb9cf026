"""`chainrule bench` at a toy size: what it prints, and what bad input gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chainrule.bench import runs
from chainrule.cli.main import main

Run = Callable[..., tuple[int, str, str]]
TOY = ("--systems", "chainrule", "--rounds", "1", "--seconds", "0.02")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command: (exit code, stdout, stderr)."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["chainrule", "bench", *words])
        code = 0
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_workload_gets_a_row_and_a_bar(run: Run) -> None:
    code, out, err = run(*TOY, "--workloads", "mlp_tabular", "--threads", "1")
    assert code == 0, err
    assert err == "round 1 of 1: mlp_tabular in chainrule\n"
    assert "1 threads, 1 rounds of 0.02 s; peak of multiply-adds " in out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("mlp_tabular") and "#" not in line]
    best, median = float(row[2]), float(row[3])
    assert 0 < best <= median
    assert "#" in out


def test_json_has_the_figures_and_what_they_depend_on(run: Run) -> None:
    code, out, err = run(*TOY, "--overhead=100", "--json")
    assert code == 0, err
    found = json.loads(out)["overhead"]
    assert found["machine"]["versions"]["chainrule"]
    assert found["peak_gflops"] > 0.1
    (timing,) = found["timings"]
    assert timing["workload"] == "mlp_100"
    assert 0 < timing["best"] <= timing["median"]
    assert timing["first_cold"] > 0
    assert timing["first_warm"] is not None
    assert timing["import_seconds"] > 0


def test_what_is_around_a_step_has_a_row_each(run: Run) -> None:
    code, out, err = run(*TOY, "--around", "--workloads", "mlp_tabular", "--threads", "1")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines() if " mlp_tabular " in line]
    assert [row[0] for row in rows] == ["eager", "epoch", "fit", "prediction"]
    eager, epoch, fit, prediction = rows
    assert fit[3] == "step"
    assert eager[3:] == prediction[3:] == ["-", "-", "-"]
    assert epoch[3] == "step"
    assert min(float(row[2]) for row in rows) > 0
    assert epoch[5] == f"{float(epoch[2]) / float(epoch[4]):.2f}x"


def test_depth_has_a_row_for_each_number_of_blocks(run: Run) -> None:
    code, out, err = run(*TOY, "--depth=1")
    assert code == 0, err
    assert [line.split()[:2] for line in out.splitlines()[-2:] if line] == [["1", "chainrule"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--systems", "cuda"), "unknown system 'cuda': there are chainrule, torch, jax."),
        (("--workloads", "resnet20,mlp_mnist"), "unknown workload 'resnet20': there are mlp_tabular,"),
        (("--workloads", ","), "unknown workload ',': there are"),
        (("--depth=two",), "'two' is no list of numbers of at least 1"),
        (("--overhead=0",), "'0' is no list of numbers of at least 1"),
        (("--plot", "picture.txt"), "the name must end in .png or .svg."),
        (("--plot", "no/such/folder/picture.svg"), "there is no folder"),
        (("--plot", "picture.svg", "--depth=1"), "leave out --overhead, --depth and --around"),
        (("--rounds", "0"), "--rounds"),
    ],
)
def test_bad_input_is_a_line(run: Run, words: tuple[str, ...], message: str) -> None:
    code, out, err = run(*words)
    assert code == 2
    assert message in err
    assert out == ""


def test_a_system_that_is_not_installed_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "installed", lambda: ("chainrule",))
    code, _, err = run("--systems", "chainrule,jax")
    assert code == 2
    assert err == "chainrule: jax cannot be timed: not installed. `pip install jax`.\n"


def test_without_matplotlib_there_is_no_picture(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run("--plot", str(tmp_path / "picture.svg"))
    assert code == 2
    assert "--plot needs matplotlib" in err
