"""Machines that cannot run machine code: one clear warning, the reference executor, the same results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and forbids memory as Linux can")

# Each case runs in a child of its own: what it does to llvmlite, or to the process, before anything of it was used.
SCRIPT = '''
import ctypes, json, os, sys, warnings
import numpy as np
import chainrule as cr
from chainrule import nn, optim
assert "llvmlite" not in sys.modules

class Blocked:
    """Imports of a module fail."""
    def __init__(self, name, error):
        self.name, self.error = name, error
    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            raise self.error

def without_llvmlite():
    sys.meta_path.insert(0, Blocked("llvmlite", ModuleNotFoundError("No module named 'llvmlite'", name="llvmlite")))

def without_its_library():
    sys.meta_path.insert(0, Blocked("llvmlite.binding", OSError("Could not find/load shared object file")))

def binding():
    import llvmlite.binding
    return llvmlite.binding

def another_llvmlite():
    del binding().create_lljit_compiler

def another_processor():
    binding().get_process_triple = lambda: "riscv64-unknown-linux-gnu"

def unknown_features():
    def refuse():
        raise RuntimeError("failed to get host cpu features.")
    binding().get_host_cpu_features = refuse
    binding().get_host_cpu_name = lambda: ""

def no_memory_for_code():
    if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE: no memory that was writable may run
        def refuse():  # this kernel does not know it
            raise OSError("LLVM cannot allocate memory that may run")
        binding().check_jit_execution = refuse

def no_memory_later():
    built = binding().JITLibraryBuilder
    class Full(built):
        count = 0
        def link(self, *args):
            Full.count += 1
            if Full.count > 1:  # the pool's own code is there
                raise RuntimeError("cannot allocate memory")
            return super().link(*args)
    binding().JITLibraryBuilder = Full

def no_code():
    import importlib
    drawing = importlib.import_module("chainrule.backends.native.drawing")
    drawing.module_text = lambda functions, level: "this is no text of LLVM's"

def trained(name):
    cr.set_executor(name)
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = optim.Adam(model.parameters(), 0.01)
    @cr.compile
    def step(x, y):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((16, 8), dtype=np.float32), draw.integers(0, 3, 16)
    return [step(x, y).item() for _ in range(4)]

def report(case):
    os.environ["XDG_CACHE_HOME"] += "/" + case.__name__
    case()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = trained("native")
        total = cr.compile(lambda x: x.sum())(cr.ones(3)).item()
    expected = trained("reference")
    cr.set_executor("native")
    print(json.dumps({
        "case": case.__name__, "executor": cr.get_executor(), "same": found == expected and total == 3,
        "near": bool(np.allclose(found, expected, rtol=1e-5)),
        "warnings": [[w.category.__name__, str(w.message), w.filename] for w in caught],
    }), flush=True)

for case in (%s):
    child = os.fork()
    if not child:
        report(case)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0, case.__name__
'''

# What the warning names; the executor that is said to run functions. The last two happen to single functions.
CASES = {
    "without_llvmlite": ("No module named 'llvmlite'. Install llvmlite: `pip install llvmlite`.", "reference"),
    "without_its_library": ("Could not find/load shared object file.", "reference"),
    "another_llvmlite": ("create_lljit_compiler", "reference"),
    "another_processor": ("no code generator for this processor (riscv64-unknown-linux-gnu).", "reference"),
    "no_memory_for_code": ("code cannot be loaded: ", "reference"),
    "no_memory_later": ("cannot allocate memory", "native"),
    "no_code": ("LLVM refuses the kernels", "native"),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    names = ", ".join([*CASES, "unknown_features"])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("%s", names)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ".", "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {report["case"]: report for report in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", CASES)
def test_one_warning_and_the_results_of_the_reference(name: str, reports: dict[str, dict[str, Any]]) -> None:
    report, (message, executor) = reports[name], CASES[name]
    ((category, text, filename),) = report["warnings"]
    assert category == "UserWarning"
    assert filename == "<string>", "it points to the user's line"
    assert message in text
    assert "run on the reference executor, many times slower" in text
    assert text.endswith((".", "`."))
    assert "\n" not in text
    assert report["same"]
    assert report["executor"] == executor


def test_a_processor_that_llvm_does_not_know_runs_what_its_family_can(reports: dict[str, dict[str, Any]]) -> None:
    report = reports["unknown_features"]
    assert (report["warnings"], report["executor"], report["near"]) == ([], "native", True)
