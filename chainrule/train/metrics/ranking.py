"""How well outputs put rows in order: no function of sums, so it is computed on all validation outputs at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.train.metrics.base import Metric


class AUC(Metric):
    """The area under the ROC curve: how often a row of a class has a higher score for it than a row of another class,
    ties as one half. Two classes: class 1 against 0. More: the mean over the classes that occur, each against the rest,
    by its probability (softmax of the outputs). NaN if there is only one class."""

    name = "auc"
    whole = True

    def of_all(self, outputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
        labels = targets.reshape(-1).astype(np.int64)
        scores = outputs.reshape(len(labels), -1).astype(np.float64)
        if scores.shape[1] == 1:
            return area(scores[:, 0], labels == 1)
        if scores.shape[1] == 2:
            return area(scores[:, 1] - scores[:, 0], labels == 1)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        scores /= scores.sum(1, keepdims=True)
        classes = np.unique(labels)
        if len(classes) < 2:
            return float("nan")
        return float(np.mean([area(scores[:, k], labels == k) for k in classes]))


def area(scores: npt.NDArray[Any], positive: npt.NDArray[Any]) -> float:
    """The area for one class against the rest, from the ranks of its rows (Mann and Whitney)."""
    count = int(positive.sum())
    others = len(scores) - count
    if not count or not others:
        return float("nan")
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(times) - (times - 1) / 2  # the mean rank of equal scores
    return float((ranks[place][positive].sum() - count * (count + 1) / 2) / (count * others))
