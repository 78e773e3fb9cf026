"""Tensors are written as PyTorch writes them, to the character."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.ir.types import Array

SHAPES = [(), (0,), (0, 3), (1,), (7,), (30,), (3, 4), (2, 3, 4), (2, 1, 2, 3), (1001,), (40, 50), (8, 9, 20)]


def numbers(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random elements of one kind."""
    x = np.asarray(rng.normal(size=shape))
    return {
        "plain": x,
        "large": x * 1e6,
        "small": x * 1e-6,
        "mixed": x * 10.0 ** rng.integers(-4, 4, shape),
        "whole": np.round(x * 20),
        "sparse": np.where(rng.random(shape) < 0.5, 0, x),
        "unknown": np.where(rng.random(shape) < 0.3, np.nan, np.round(x)),
        "infinite": np.where(rng.random(shape) < 0.3, -np.inf, 0),
        "int": np.asarray(x * 1000).astype(np.int64),
        "bool": np.asarray(x > 0),
    }[kind]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "kind", ["plain", "large", "small", "mixed", "whole", "sparse", "unknown", "infinite", "int", "bool"]
)
def test_text_is_pytorchs(kind: str, shape: tuple[int, ...]) -> None:
    array = numbers(kind, shape, np.random.default_rng(0))
    array = array.astype(np.float32) if array.dtype == np.float64 else array
    assert repr(cr.tensor(array)).replace("chainrule.", "torch.") == repr(torch.tensor(array))
