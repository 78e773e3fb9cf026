"""What a run is compared with: the majority or the mean, a linear model, and trees where scikit-learn is installed.

Linear models see the features as the network sees them. They need no validation rows, so they are fitted on these too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule.runs.lbfgs import minimise

Features = npt.NDArray[np.float32]  # (n, width)
Truth = npt.NDArray[Any]  # (n,): class numbers, or floats
Predict = Callable[[Features], npt.NDArray[Any]]

INSTALL = 'pip install "chainrule[sklearn]"'
MOST_ROWS = 20_000  # a linear model gains little from more rows, and the run waits for it
MOST_ROWS_OF_TREES = 200_000
SMALL_FOR_TREES = 500_000  # numbers
MOST_NUMBERS = 20_000_000  # of the features that a baseline sees
MOST_COLUMNS = 2_000  # ridge factorises a matrix of this size at most, or of as many rows
PENALTIES = 10.0 ** np.arange(-3, 6)  # ridge chooses one of these by its leave-one-out error


@dataclass(frozen=True)
class Baseline:
    """A plain model: what it is called, how it predicts (class numbers, or floats), what is to be said of it."""

    name: str
    predict: Predict
    note: str = ""


def baselines(
    task: Literal["classification", "regression"], parts: Sequence[tuple[Features, Truth]], classes: int, seed: int
) -> tuple[Baseline, ...]:
    """The baselines that cost little, fitted on parts of features (n, width) and class numbers or floats (n,)."""
    y = np.concatenate([truth for _, truth in parts])
    seen, truth, note = sample(parts, MOST_ROWS, seed)
    if task == "regression":
        return mean(y), Baseline("ridge", ridge(seen, truth), note)
    return majority(y, classes), Baseline("logistic", logistic(seen, truth, classes), note)


def sample(parts: Sequence[tuple[Features, Truth]], most: int, seed: int) -> tuple[Features, Truth, str]:
    """Rows of parts: all, or as many as a baseline needs; what is to be said of that. The rest is not read."""
    rows = sum(len(truth) for _, truth in parts)
    width = parts[0][0].shape[1]
    chosen = rows_to_fit(rows, width, most, seed)
    features, targets, start = [], [], 0
    for x, y in parts:
        places = chosen[(chosen >= start) & (chosen < start + len(y))] - start
        features.append(x[places])
        targets.append(y[places])
        start += len(y)
    note = f"fitted on {len(chosen):,} of {rows:,} rows" if len(chosen) < rows else ""
    return np.concatenate(features), np.concatenate(targets), note


def rows_to_fit(rows: int, width: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    """The rows that a baseline sees: all, or a sample where there are very many."""
    most = min(most, max(MOST_NUMBERS // max(width, 1), 100))
    if width > MOST_COLUMNS:
        most = min(most, MOST_COLUMNS)
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def majority(y: Truth, classes: int) -> Baseline:
    """Always the most frequent class (the first of them)."""
    most = int(np.bincount(y, minlength=classes).argmax())
    return Baseline("majority", lambda x: np.full(len(x), most))


def mean(y: Truth) -> Baseline:
    """Always the mean."""
    middle = float(y.mean(dtype=np.float64))
    return Baseline("mean", lambda x: np.full(len(x), middle))


def logistic(x: Features, y: Truth, classes: int, penalty: float = 1.0) -> Predict:
    """Multinomial logistic regression: the sum of cross entropies + penalty / 2 * |W|^2, least; biases go free."""
    rows, width = x.shape
    inputs = x.astype(np.float64) if x.size <= 2_000_000 else x
    hits = np.eye(classes)[y]  # (n, k)
    shape = (width + 1, classes)

    def value_and_gradient(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights = flat.reshape(shape)
        logits = np.asarray(inputs @ weights[:-1].astype(inputs.dtype), np.float64) + weights[-1]
        logits -= logits.max(1, keepdims=True)
        powers = np.exp(logits)
        sums = powers.sum(1)
        value = float(np.log(sums).sum() - (logits * hits).sum() + penalty / 2 * (weights[:-1] ** 2).sum())
        errors = powers / sums[:, None] - hits
        gradient = np.empty(shape)
        gradient[:-1] = inputs.T @ errors.astype(inputs.dtype) + penalty * weights[:-1]
        gradient[-1] = errors.sum(0)
        return value / rows, gradient.ravel() / rows

    weights = minimise(value_and_gradient, np.zeros(shape[0] * shape[1])).reshape(shape)
    return by_pieces(lambda seen: (seen @ weights[:-1] + weights[-1]).argmax(1))


def ridge(x: Features, y: Truth) -> Predict:
    """Least squares with a penalty on the squared weights, which the leave-one-out error of these rows chooses."""
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    middle_x, middle_y = x64.mean(0), y64.mean()
    left, values, right = np.linalg.svd(x64 - middle_x, full_matrices=False)
    projected = left.T @ (y64 - middle_y)
    errors = []
    for penalty in PENALTIES:
        shrink = values**2 / (values**2 + penalty)
        leverage = (left**2) @ shrink + 1 / len(x)
        residual = (y64 - middle_y) - left @ (shrink * projected)
        errors.append(np.mean((residual / np.maximum(1 - leverage, 1e-9)) ** 2))
    best = PENALTIES[int(np.argmin(errors))]
    weights = right.T @ (values / (values**2 + best) * projected)
    return by_pieces(lambda seen: (seen - middle_x) @ weights + middle_y)


def by_pieces(predict: Predict, rows: int = 65_536) -> Predict:
    """The same for so many rows at a time: features on the disk may be more than fit into memory as float64."""
    return lambda seen: np.concatenate(
        [predict(seen[start : start + rows]) for start in range(0, max(len(seen), 1), rows)]
    )


def trees_installed() -> bool:
    """Whether scikit-learn, whose trees are used, is there."""
    return importlib.util.find_spec("sklearn") is not None


def trees(
    task: Literal["classification", "regression"], parts: Sequence[tuple[Features, Truth]], seed: int
) -> Baseline:
    """Gradient-boosted trees with scikit-learn's defaults: the strongest simple rival on many tables."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    x, y, note = sample(parts, MOST_ROWS_OF_TREES, seed)
    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    # Small tables are faster on one thread, and many times so where another process has a core.
    with threadpool_limits(1 if x.size < SMALL_FOR_TREES else None):
        model = kind(random_state=seed).fit(x, y)
    return Baseline("trees", model.predict, note)
