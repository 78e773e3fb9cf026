"""No write in place is lost: each idiom does what PyTorch does, or raises an error that names the line."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, InPlaceError
from tests.idioms import IDIOMS, RAISES, SETUP, Idiom


def outcome(idiom: Idiom) -> Any:
    scope: dict[str, Any] = {"lib": cr, "nn": nn, "__name__": "script"}
    exec(compile(SETUP, "setup.py", "exec"), scope)
    exec(compile(idiom.source, "script.py", "exec"), scope)
    return scope["result"].detach().numpy() if "result" in scope else None


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.name)
def test_no_write_in_place_is_lost(idiom: Idiom) -> None:
    try:
        found = outcome(idiom)
    except ChainruleError as error:
        assert re.search(r"script\.py:\d+", str(error)), f"the error does not name the line: {error}"
        assert idiom.expected is RAISES or (idiom.may_raise and isinstance(error, InPlaceError))
        return
    except ValueError as error:  # a write into what .numpy() returned: NumPy itself refuses
        assert idiom.name == "numpy_bridge" and "read-only" in str(error)
        return
    assert idiom.expected is not RAISES, "PyTorch raises here"
    np.testing.assert_array_equal(found, idiom.expected)


def test_there_are_thirty_idioms_and_more() -> None:
    assert len(IDIOMS) >= 30
    assert sum(idiom.may_raise for idiom in IDIOMS) <= 5
