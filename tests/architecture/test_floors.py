from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.architecture.floors import MAX_LINES, floor_violations, length_violations

ROOT = Path(__file__).parents[2]


def sources(folder: str) -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf8") for path in sorted((ROOT / folder).rglob("*.py"))
    }


def package() -> dict[str, str]:
    return {path.removesuffix(".py").replace("/", "."): source for path, source in sources("chainrule").items()}


def test_imports_of_the_package_point_down() -> None:
    modules = package()
    assert "chainrule.data.shipped" in modules
    assert floor_violations(modules) == []


def test_no_file_is_long_without_a_reason() -> None:
    files: dict[str, str] = {}
    for folder in ("chainrule", "tests", "tools", "benchmarks", "examples"):
        files |= sources(folder)
    assert "tests/architecture/floors.py" in files
    assert length_violations(files) == []


# What the checker lets pass and what it reports, on small made-up packages.

BESIDE = {
    "chainrule.__init__": "",
    "chainrule.ir.__init__": "",
    "chainrule.ir.types": "",
    "chainrule.ops.__init__": "",
    "chainrule.ops.elementwise": "",
    "chainrule.passes.cse": "",
    "chainrule.autodiff.reverse": "",
    "chainrule.backends.__init__": "",
    "chainrule.backends.contract": "",
    "chainrule.backends.native.__init__": "",
    "chainrule.backends.reference.__init__": "",
    "chainrule.backends.reference.run": "",
    "chainrule.tensor": "",
    "chainrule.clipping": "",
    "chainrule.functions.pooling": "",
    "chainrule.nn.linear": "",
    "chainrule.optim.adam": "",
    "chainrule.data.loader": "",
    "chainrule.utils.data": "",
    "chainrule.autograd": "",
    "chainrule.train.fit": "",
    "chainrule.diagnose.vanishing": "",
    "chainrule.dashboard.page": "",
    "chainrule.cli.main": "",
}


def with_module(name: str, source: str) -> Mapping[str, str]:
    return {**BESIDE, name: source}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("chainrule.ops.elementwise", "from ..ir import types"),
        ("chainrule.ops.elementwise", "from chainrule.ops import movement"),
        ("chainrule.autodiff.reverse", "import chainrule.ir.types"),
        ("chainrule.backends.native.gemm", "from chainrule.backends.contract import Backend"),
        ("chainrule.backends.native.gemm", "from . import tiles"),
        ("chainrule.tensor", "from chainrule.clipping import clip_grad_norm_"),
        ("chainrule.tensor", "from chainrule.functions.pooling import max_pool2d"),
        ("chainrule.functions.pooling", "from ..tensor import Tensor"),
        ("chainrule.nn.linear", "from chainrule.tensor import Tensor"),
        ("chainrule.utils.data", "from chainrule.data.loader import DataLoader"),
        ("chainrule.autograd", "from chainrule.tensor import Tensor"),
        ("chainrule.__init__", "from chainrule.train.fit import fit"),
        ("chainrule.__init__", "from chainrule import nn, optim"),
        ("chainrule.cli.main", "import chainrule as cr"),
        ("chainrule.__main__", "from chainrule.cli.main import main"),
        ("chainrule.tensor", "import math\nimport numpy as np"),
        ("chainrule.backends.xla.run", "def run():\n    import jax"),
        ("chainrule.__init__", "def __getattr__(name):\n    from chainrule.train import fit"),
    ],
)
def test_imports_that_point_down_pass(name: str, source: str) -> None:
    assert floor_violations(with_module(name, source)) == []


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        (
            "chainrule.ir.types",
            "from chainrule.ops import elementwise",
            "imports up: ir (floor 0) -> chainrule.ops.elem",
        ),
        ("chainrule.ir.types", "import chainrule.ops.elementwise", "imports up"),
        ("chainrule.ir.types", "from ..ops.elementwise import add", "imports up"),
        ("chainrule.ir.__init__", "from .. import ops", "imports up"),
        ("chainrule.ops.elementwise", "from chainrule.tensor import Tensor", "imports up"),
        ("chainrule.ops.elementwise", "from chainrule import tensor", "imports up"),
        ("chainrule.ops.elementwise", "from chainrule import Tensor", "imports up"),
        ("chainrule.train.fit", "import chainrule", "imports up"),
        ("chainrule.passes.cse", "from chainrule.autodiff import reverse", "imports sideways"),
        ("chainrule.autodiff.reverse", "from ..passes.cse import cse", "imports sideways"),
        ("chainrule.backends.native.gemm", "from chainrule.backends.reference.run import run", "imports sideways"),
        ("chainrule.backends.native.gemm", "from .. import reference", "imports sideways"),
        ("chainrule.backends.contract", "from chainrule.backends import native", "imports sideways"),
        ("chainrule.functions.pooling", "from chainrule.nn.linear import Linear", "imports up"),
        ("chainrule.nn.linear", "from chainrule.optim.adam import Adam", "imports sideways"),
        ("chainrule.data.loader", "from chainrule.utils.data import DataLoader", "imports sideways"),
        ("chainrule.utils.data", "from chainrule.train.fit import fit", "imports up"),
        ("chainrule.train.fit", "from chainrule.diagnose import vanishing", "imports up"),
        ("chainrule.diagnose.vanishing", "from chainrule.dashboard.page import page", "imports up"),
        ("chainrule.dashboard.page", "from chainrule.cli.main import main", "imports up"),
        ("chainrule.__init__", "from chainrule.diagnose.vanishing import rule", "imports up"),
        (
            "chainrule.ir.types",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from chainrule.tensor import Tensor",
            "chainrule.ir.types:3: imports up",
        ),
        ("chainrule.ir.types", "try:\n    from chainrule import ops\nexcept ImportError:\n    pass", "imports up"),
        ("chainrule.ir.types", "import importlib\nimportlib.import_module('chainrule.ops')", "imports up"),
        ("chainrule.tensor", "def f():\n    from chainrule.ir import types", "inside f()"),
        ("chainrule.tensor", "class A:\n    def f(self):\n        import json", "imports json inside f()"),
        ("chainrule.tensor", "async def f():\n    from . import clip", "inside f()"),
        ("chainrule.tensor", "def __getattr__(name):\n    from . import clip", "inside __getattr__()"),
        ("chainrule.nn.__init__", "def __getattr__(name):\n    from chainrule.optim import adam", "imports sideways"),
        ("chainrule.helpers.strings", "", "'helpers' has no floor"),
        ("chainrule.backends.metal.run", "from chainrule.cli import main", "'backends.metal' has no floor"),
    ],
)
def test_imports_that_do_not_point_down_are_reported(name: str, source: str, message: str) -> None:
    (found,) = floor_violations(with_module(name, source))
    assert message in found
    assert found.startswith(name)


def test_each_violation_of_a_line_is_reported() -> None:
    found = floor_violations(with_module("chainrule.nn.linear", "from chainrule import optim, tensor, train"))
    assert len(found) == 2


LONG = "x = 1\n" * MAX_LINES


@pytest.mark.parametrize(
    "source",
    [
        LONG,
        '"""Kernels. Long because one table is easier to compare."""\n' + LONG,
        "# Long because it is one table\n" + LONG,
    ],
)
def test_long_files_with_a_reason_and_short_ones_pass(source: str) -> None:
    assert length_violations({"a.py": source}) == []


@pytest.mark.parametrize(
    "source",
    [
        LONG + "x = 2\n",
        '"""Kernels."""\n' + LONG,
        '"""Kernels.\n\nLong because.\n"""\n' + LONG,
        "x = 2\n# Long because I say\n" + LONG,
    ],
)
def test_long_files_without_a_reason_are_reported(source: str) -> None:
    (found,) = length_violations({"a.py": source})
    assert found.startswith("a.py: 50")
