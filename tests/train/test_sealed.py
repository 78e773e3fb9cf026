"""Sealed files whose first bytes look like another kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.train.sealed import read_sealed, write_sealed


@pytest.mark.parametrize("letters", range(8, 264, 8))
def test_a_length_that_begins_like_a_pickle_is_a_length(tmp_path: Path, letters: int) -> None:
    path = tmp_path / "model.safetensors"
    write_sealed(path, {"weight": np.arange(3.0)}, {"note": "x" * letters})
    assert read_sealed(path).tensors["weight"].tolist() == [0.0, 1.0, 2.0]
