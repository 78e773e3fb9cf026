"""How good predictions are: NumPy functions of truth and prediction, both whole.

Classification: truth is class numbers (n,), predictions are probabilities (n, k). Regression: floats (n,), both in the
target's own units.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]
METRIC = {"classification": "accuracy", "regression": "rmse"}  # what a run is judged by
HIGHER_IS_BETTER = {"accuracy": True, "rmse": False}
SHOWN = {"accuracy": "accuracy", "rmse": "RMSE"}


def measures(task: Task, truth: Array, predicted: Array) -> dict[str, float]:
    """The figures of a task by name; the first is the one that it is judged by. No rows: none."""
    if len(truth) == 0:
        return {}
    if task == "classification":
        return classification_measures(truth, predicted)
    error = predicted.astype(np.float64) - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    found = {"rmse": float(np.sqrt((error**2).mean())), "mae": float(np.abs(error).mean())}
    if spread > 0:
        found["r2"] = 1.0 - float((error**2).sum()) / spread
    return found


def classification_measures(truth: Array, probabilities: Array) -> dict[str, float]:
    """Accuracy with how many that is, mean cross entropy, macro F1, and for two classes the area under the ROC."""
    chosen = probabilities.argmax(1)
    right = int((chosen == truth).sum())
    smallest = np.finfo(np.float32).tiny
    of_truth = np.maximum(probabilities[np.arange(len(truth)), truth].astype(np.float64), smallest)
    found: dict[str, float] = {
        "accuracy": right / len(truth),
        "right": right,
        "rows": len(truth),
        "log_loss": float(-np.log(of_truth).mean()),
        "f1": macro_f1(confusion(truth, chosen, probabilities.shape[1])),
    }
    if probabilities.shape[1] == 2 and 0 < int(truth.sum()) < len(truth):
        found["auc"] = area_under_curve(truth, probabilities[:, 1])
    return found


def confusion(truth: Array, chosen: Array, classes: int) -> npt.NDArray[np.int64]:
    """How often each class (row) was taken for each (column)."""
    return np.bincount(truth * classes + chosen, minlength=classes * classes).reshape(classes, classes)


def macro_f1(counts: npt.NDArray[np.int64]) -> float:
    """The mean of the F1 of the classes that occur, in truth or among predictions."""
    right = counts.diagonal()
    both = counts.sum(0) + counts.sum(1)
    there = both > 0
    return float((2 * right[there] / both[there]).mean())


def area_under_curve(truth: Array, score: Array) -> float:
    """The chance that a row of class 1 scores above one of class 0, ties counting half."""
    _, places, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of equal scores
    ones = int(truth.sum())
    total = float(ranks[places][truth == 1].sum())
    return (total - ones * (ones + 1) / 2) / (ones * (len(truth) - ones))
