"""`import chainrule`: what it offers, what it loads, and that files and functions do not hide one another."""

from __future__ import annotations

import importlib.metadata
import pkgutil
import subprocess
import sys

import pytest

import chainrule as cr
from chainrule.functions.table import FUNCTIONS


def test_no_file_hides_a_function() -> None:
    files = {module.name for module in pkgutil.iter_modules(cr.__path__)}
    assert files & set(FUNCTIONS) == {"tensor"}  # that one is put right by chainrule/__init__.py
    assert callable(cr.tensor)


def test_every_function_of_the_table_is_reachable() -> None:
    for name in FUNCTIONS:
        assert callable(getattr(cr, name)), name


def test_the_import_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys, chainrule; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    before = subprocess.run([sys.executable, "-c", code.replace("chainrule", "numpy")], capture_output=True, text=True)
    after = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = set(eval(after.stdout)) - set(eval(before.stdout)) - set(sys.stdlib_module_names)
    assert new == {"chainrule"}


def test_layers_and_optimisers_load_at_first_use() -> None:
    code = (
        "import sys, chainrule as cr\n"
        "assert not {'chainrule.nn', 'chainrule.optim', 'chainrule.data', 'chainrule.train'} & set(sys.modules)\n"
        "cr.nn.Linear, cr.optim.SGD, cr.utils, cr.autograd, cr.errors"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        cr.nonsense  # noqa: B018 (reading it is the point)


def test_the_version_is_that_of_the_package() -> None:
    assert cr.__version__ == importlib.metadata.version("chainrule")
