"""What evaluation.json says of a model's predictions on rows that it did not see.

Functions of arrays; what they return is JSON. Classification: truth is class numbers (n,), predictions are
probabilities (n, k). Regression: floats (n,), in the target's own units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.runs.importance import permutation_importance
from chainrule.runs.measures import HIGHER_IS_BETTER, METRIC, Task, confusion, measures

Array = npt.NDArray[Any]
FORMAT = 1
WORST = 20
BINS = 10
MOST_RESIDUALS = 2_000  # points of a picture
MOST_CLASSES = 200  # a larger confusion matrix tells nobody anything, and 1,000 classes make 10 MB of it


def evaluation(
    task: Task,
    truth: Array,
    predicted: Array,
    *,
    classes: Sequence[Any] | None,
    rows: npt.NDArray[np.int64],
    cells: Callable[[npt.NDArray[np.int64]], list[dict[str, Any]]],
    importance: list[dict[str, Any]],
    part: str = "test",
) -> dict[str, Any]:
    """The content of evaluation.json.

    rows: (n,), each row's number in the source. cells: what stands in the columns of some of the n rows.
    """
    common: dict[str, Any] = {
        "format": FORMAT,
        "task": task,
        "part": part,
        "metric": METRIC[task],
        "measures": measures(task, truth, predicted),
        "classes": None if classes is None else list(classes),
        "importance": importance,
    }
    if task == "classification":
        chosen = predicted.argmax(1)
        return {
            **common,
            "confusion": confusion_of_most(truth, chosen, predicted.shape[1]),
            "calibration": calibration(predicted.max(1), chosen == truth),
            "worst": worst_classified(truth, predicted, classes or (), rows, cells),
        }
    return {
        **common,
        "residuals": residuals(truth, predicted),
        "worst": worst_estimated(truth, predicted, rows, cells),
    }


def confusion_of_most(truth: Array, chosen: Array, classes: int) -> list[list[int]] | None:
    """The confusion matrix as lists; None with more classes than can be looked at."""
    return confusion(truth, chosen, classes).tolist() if classes <= MOST_CLASSES else None


def calibration(confidence: Array, right: Array) -> list[dict[str, float]]:
    """How often predictions of a confidence are right: bins of equal width, those that hold rows."""
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return [
        {
            "low": place / BINS,
            "high": (place + 1) / BINS,
            "mean": float(confidence[places == place].mean(dtype=np.float64)),
            "right": float(right[places == place].mean()),
            "count": int((places == place).sum()),
        }
        for place in sorted(set(places.tolist()))  # np.unique would import numpy.ma: 15 ms
    ]


def residuals(truth: Array, predicted: Array) -> dict[str, list[float]]:
    """Predictions beside the truth; of very many rows as many as a picture can show, evenly from the first to last."""
    places = np.unique(np.linspace(0, max(len(truth) - 1, 0), min(len(truth), MOST_RESIDUALS)).astype(np.int64))
    return {"predicted": predicted[places].tolist(), "truth": truth[places].tolist()}


def worst_classified(
    truth: Array,
    probabilities: Array,
    classes: Sequence[Any],
    rows: npt.NDArray[np.int64],
    cells: Callable[[npt.NDArray[np.int64]], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The rows whose true class got the least probability, wrong ones only."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    chosen = probabilities.argmax(1)
    order = np.argsort(of_truth, kind="stable")
    places = order[(chosen != truth)[order]][:WORST]
    return [
        {
            "row": int(rows[place]),
            "truth": classes[truth[place]],
            "predicted": classes[chosen[place]],
            "probability": float(of_truth[place]),
            "columns": columns,
        }
        for place, columns in zip(places.tolist(), cells(places), strict=True)
    ]


def worst_estimated(
    truth: Array,
    predicted: Array,
    rows: npt.NDArray[np.int64],
    cells: Callable[[npt.NDArray[np.int64]], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The rows with the largest errors."""
    error = predicted.astype(np.float64) - truth
    places = np.argsort(-np.abs(error), kind="stable")[:WORST]
    return [
        {
            "row": int(rows[place]),
            "truth": float(truth[place]),
            "predicted": float(predicted[place]),
            "error": float(error[place]),
            "columns": columns,
        }
        for place, columns in zip(places.tolist(), cells(places), strict=True)
    ]


def importance_of_columns(
    task: Task,
    x: npt.NDArray[np.float32],
    truth: Array,
    columns: Mapping[str, Sequence[int]],
    predict: Callable[[npt.NDArray[np.float32]], Array],
    seed: int,
) -> list[dict[str, Any]]:
    """Permutation importance by the figure that the task is judged by; a drop is always a loss."""
    metric = METRIC[task]
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    return permutation_importance(
        x, columns, predict, lambda found, rows: sign * measures(task, truth[rows], found)[metric], seed
    )
