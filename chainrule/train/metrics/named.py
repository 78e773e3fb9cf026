"""Metrics by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.tensor import Tensor
from chainrule.train.metrics.base import Mean, Metric, Perplexity
from chainrule.train.metrics.classification import F1, Accuracy, TopK
from chainrule.train.metrics.ranking import AUC
from chainrule.train.metrics.regression import MAE, MSE, R2, RMSE

NAMES: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "top5": TopK,
    "f1": F1,
    "f1_macro": F1,
    "f1_binary": lambda: F1("binary"),
    "f1_micro": lambda: F1("micro"),
    "auc": AUC,
    "rmse": RMSE,
    "mse": MSE,
    "mae": MAE,
    "r2": R2,
    "perplexity": Perplexity,
}
Asked = str | Metric | Callable[[Tensor, Tensor], Tensor]


def metrics_of(asked: Iterable[Asked] | Asked) -> tuple[Metric, ...]:
    """Metrics from names ("accuracy", "top3"), objects, and functions of (outputs, targets)."""
    listed = [asked] if isinstance(asked, str | Metric) or callable(asked) else list(asked)
    found = tuple([metric_of(one) for one in listed])
    names = [metric.name for metric in found]
    twice = [name for name in names if names.count(name) > 1 or name == "loss"]
    if twice:
        raise ArgumentError(f"metrics: the name {twice[0]!r} is taken already; give the metric another one.")
    return found


def metric_of(asked: Any) -> Metric:
    """One of them."""
    if isinstance(asked, Metric):
        return asked
    if isinstance(asked, str):
        name = asked.lower()
        if name in NAMES:
            return NAMES[name]()
        if top := re.fullmatch(r"top[-_]?([1-9][0-9]*)", name):
            return TopK(int(top[1]))
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ArgumentError(f"metrics: there is no metric {asked!r}; there are {', '.join(NAMES)}.{hint}")
    if callable(asked):
        return Mean(asked)
    raise ArgumentError(f"metrics: a name, a Metric or a function is needed, not {type(asked).__name__}.")


def default_metrics(classification: bool) -> tuple[Metric, ...]:
    """What is shown if nothing is asked for."""
    return (Accuracy(),) if classification else (RMSE(),)
