"""`--model file.py:Name`: how it is found and called, and what is said where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.errors import ArgumentError
from chainrule.runs.user_models import is_user_model, load_user_model

FILE = """
from dataclasses import dataclass
from chainrule import nn

class Net(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 7), nn.Linear(7, outputs))

class Named(nn.Linear):
    def __init__(self, inputs=9, outputs=9):
        super().__init__(inputs, outputs)

def fixed(width=5):
    return nn.Sequential(nn.Linear(3, width), nn.Linear(width, 2))

def none():
    return 3

def broken(inputs, outputs):
    return {}[inputs]

class Bad(nn.Module):
    def forward(self, x):
        return 1 / 0

SIZE = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", ["Net", "Named", "fixed"])
def test_a_model_is_built_for_the_sizes(file: Path, name: str) -> None:
    model = load_user_model(f"{file}:{name}")(3, 2)
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    assert model.training


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nett", r"has no 'Nett'; did you mean Net"),
        ("SIZE", r"SIZE is no class or function but a int"),
        ("none", r"gives a int, and no chainrule.nn.Module"),
        ("broken", r"broken\(3, 2\) fails: KeyError: 3 \(line 20\)"),
        ("Bad", r"its forward fails on \(2, 3\): ZeroDivisionError: division by zero \(line 24\)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(file: Path, name: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        load_user_model(f"{file}:{name}")(3, 2)


def test_a_model_of_other_sizes_is_refused(file: Path) -> None:
    with pytest.raises(ArgumentError, match=r"must give \(2, 4\), and gives \(2, 2\)"):
        load_user_model(f"{file}:fixed")(3, 4)


def test_a_file_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("x = 1\ny = = 2\n")
    with pytest.raises(ArgumentError, match=r"net.py fails: SyntaxError: invalid syntax \(line 2\)"):
        load_user_model(f"{tmp_path / 'net.py'}:Net")
    with pytest.raises(ArgumentError, match=r"there is no file nets\.py"):
        load_user_model("nets.py:Net")
    with pytest.raises(ArgumentError, match=r"write net\.py:Name"):
        load_user_model("net.py")


def test_presets_are_no_files() -> None:
    assert not is_user_model("mlp")
    assert is_user_model("net.py:Net")
