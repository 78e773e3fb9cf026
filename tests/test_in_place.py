"""No write in place is lost: each idiom does what PyTorch does, or raises an error that names the line."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, InPlaceError, NotYetError
from tests.idioms import IDIOMS, RAISES, SETUP, Idiom


def outcome(idiom: Idiom) -> Any:
    """What an idiom leaves in `result`, or the error that it raises."""
    scope: dict[str, Any] = {"lib": cr, "nn": nn, "__name__": "script"}
    exec(compile(SETUP, "setup.py", "exec"), scope)
    try:
        exec(compile(idiom.source, "script.py", "exec"), scope)
    except (ChainruleError, ValueError) as error:
        return error
    return scope["result"].detach().numpy()


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.name)
def test_no_write_in_place_is_lost(idiom: Idiom) -> None:
    found = outcome(idiom)
    if idiom.name == "numpy_bridge":  # NumPy itself refuses to write into what .numpy() returned
        assert "read-only" in str(found)
    elif isinstance(found, Exception):
        assert re.search(r"script\.py:\d+", str(found)), f"the error does not name the line: {found}"
        assert idiom.expected is RAISES or (idiom.may_raise and isinstance(found, InPlaceError | NotYetError))
    else:
        assert idiom.expected is not RAISES, "PyTorch raises here"
        np.testing.assert_array_equal(found, idiom.expected)


def test_there_are_thirty_idioms_and_more() -> None:
    assert len(IDIOMS) >= 30
    assert sum(idiom.may_raise for idiom in IDIOMS) <= 5
