"""The expected outcomes of tests/idioms.py are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.idioms import IDIOMS, RAISES, SETUP, Idiom


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.name)
def test_expected_is_what_pytorch_does(idiom: Idiom) -> None:
    scope: dict[str, Any] = {"lib": torch, "nn": torch.nn}
    exec(SETUP, scope)
    if idiom.expected is RAISES:
        with pytest.raises((RuntimeError, IndexError)):
            exec(idiom.source, scope)
        return
    exec(idiom.source, scope)
    np.testing.assert_array_equal(scope["result"].detach().numpy(), idiom.expected)
