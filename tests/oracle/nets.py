"""Data and models for the tests of the estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_iris

from chainrule import nn

IRIS: tuple[Any, Any] = load_iris(return_X_y=True)
DIABETES: tuple[Any, Any] = load_diabetes(return_X_y=True)


def same(first: Any, second: Any) -> bool:
    """The same numbers, bit for bit."""
    return bool(np.array_equal(np.asarray(first), np.asarray(second)))


def blurred(rows: int = 300, features: int = 4) -> tuple[Any, Any]:
    """Two classes that overlap, in several batches with something to hold out."""
    draws = np.random.default_rng(1)
    X = draws.normal(size=(rows, features))
    return X, (X[:, 0] + draws.normal(size=rows) > 0).astype(int)


def small(inputs: int, outputs: int) -> nn.Module:
    """A model of one's own."""
    return nn.Sequential(nn.Linear(inputs, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, outputs))
