"""Ordinary PyTorch training scripts run here after their imports are changed, and train alike.

`scripts/` holds them as people write them, on PyTorch; each leaves the numbers it is compared by in `losses`. What a
user would change is changed in their text: the imports, `float32` for the runs in float64, and for the eager runs the
decorator goes.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.ir.types import Array

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
TOLERANCE = 1e-9
FEWEST_STEPS = 20
NOT_COMPARED = {"surface"}  # trains nothing: what it prints is what it is for


@dataclass(frozen=True)
class Run:
    """What a script left: its losses, the weights of its modules, what it printed."""

    losses: Array
    weights: dict[str, Array]
    printed: str


@pytest.fixture(autouse=True)
def default_dtype_as_before() -> Iterator[None]:
    """The runs in float64 set another one, in both libraries."""
    yield
    torch.set_default_dtype(torch.float32)
    cr.set_default_dtype(cr.float32)


def with_our_imports(source: str) -> str:
    """The script with its import changed."""
    source = re.sub(r"^import torch$", "import chainrule as torch", source, flags=re.MULTILINE)
    return re.sub(r"^(import|from) torch\b", r"\1 chainrule", source, flags=re.MULTILINE)


def in_float64(source: str) -> str:
    """The script in the other precision."""
    for narrow, wide in (("float32", "float64"), (".float()", ".double()"), ("torch.float)", "torch.double)")):
        source = source.replace(narrow, wide)
    return source


def eager(source: str) -> str:
    """The script without its decorator."""
    return re.sub(r"^ *@torch.compile\n", "", source, flags=re.MULTILINE)


def run(source: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a script's text from a file, as `python file` does."""
    file = folder / "script.py"
    file.write_text(source, encoding="utf8")
    capsys.readouterr()
    library, dtype = (cr if "chainrule" in source else torch), "float32" if "float32" in source else "float64"
    library.set_default_dtype(getattr(library, dtype))
    found = runpy.run_path(str(file))
    return Run(np.array(found["losses"]), weights(found), capsys.readouterr().out)


def weights(found: dict[str, Any]) -> dict[str, Array]:
    """The state of every module that a script holds in a global."""
    modules = {name: value for name, value in found.items() if isinstance(value, torch.nn.Module | cr.nn.Module)}
    return {
        f"{name}.{key}": tensor.detach().numpy().copy()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def assert_bitwise(found: Run, expected: Run) -> None:
    """The same bits and the same text."""
    assert found.losses.tolist() == expected.losses.tolist()
    assert found.weights.keys() == expected.weights.keys()
    for name, array in found.weights.items():
        assert array.tobytes() == expected.weights[name].tobytes(), name
    assert found.printed == expected.printed


def comparable(printed: str) -> list[str]:
    """What was printed, in words that both libraries use: without names of functions and counts of parameters."""
    printed = re.sub(r"(^| +)# [\d,]+ parameters?(, .*)?\n", r"\n", printed, flags=re.MULTILINE)
    printed = re.sub(r"grad_fn=<\w+>", "grad_fn", printed).replace("chainrule.", "torch.")
    return re.sub(r"torch\.(return_types)\.\w+", r"\1", printed).replace("\n\n", "\n").split("\n")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_trains_alike(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = script.read_text(encoding="utf8")
    wide = in_float64(source)

    theirs = run(eager(wide), tmp_path, capsys)
    ours = run(eager(with_our_imports(wide)), tmp_path, capsys)
    assert len(ours.losses) == len(theirs.losses)
    assert len(ours.losses) >= FEWEST_STEPS or script.stem in NOT_COMPARED
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=TOLERANCE)
    assert ours.weights.keys() == theirs.weights.keys()
    for name, array in ours.weights.items() if script.stem not in NOT_COMPARED else ():
        np.testing.assert_allclose(array, theirs.weights[name], rtol=1e-6, atol=1e-8, err_msg=name)
    assert comparable(ours.printed) == comparable(theirs.printed)
    assert_bitwise(run(with_our_imports(wide), tmp_path, capsys), ours)

    narrow, their_narrow = run(eager(with_our_imports(source)), tmp_path, capsys), run(eager(source), tmp_path, capsys)
    np.testing.assert_array_less(
        np.abs(narrow.losses - theirs.losses).max(),
        3 * np.abs(their_narrow.losses - theirs.losses).max() + 1e-6 * np.abs(theirs.losses).max(),
    )
    assert_bitwise(run(with_our_imports(source), tmp_path, capsys), narrow)
