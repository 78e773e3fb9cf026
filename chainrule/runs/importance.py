"""Permutation importance: how much worse predictions get where one column's values are dealt out anew.

Breiman, Random Forests, 2001, section 10; here on rows that the model did not see, and each column as it stands in the
file: all features that were made of it move together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
MOST_ROWS = 256
MOST_COLUMNS, FEWEST = 200, 20
MOST_NUMBERS = 50_000_000  # of features, in all: where there are very many, fewer columns are looked at
MOST_PREDICTIONS = 50_000  # rows in all, so that a run does not wait
REPEATS = range(3, 11)
BLOCK_ROWS, BLOCK_NUMBERS = 8192, 8_000_000  # predicted at a time


def permutation_importance(
    x: Features,
    columns: Mapping[str, Sequence[int]],
    predict: Callable[[Features], npt.NDArray[Any]],
    score: Callable[[npt.NDArray[Any], npt.NDArray[np.int64]], float],
    seed: int = 0,
) -> list[dict[str, Any]]:
    """For each column: `drop`, the mean loss of score, and `spread`, its standard deviation; the largest drop first.

    x: (n, width). columns: which features belong to a column. predict: features to outputs. score: outputs of some rows
    and these rows' numbers to a figure, higher is better. Many rows are sampled; of many columns those are taken whose
    features go most with what the model predicts.
    """
    if len(x) < 2 or not columns:
        return []
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.permutation(len(x))[:MOST_ROWS])
    seen = x[rows]
    outputs = predict(seen)
    whole = score(outputs, rows)
    most = int(np.clip(MOST_NUMBERS // (REPEATS.start * seen.size), FEWEST, MOST_COLUMNS))
    names = tellers(seen, columns, outputs, most)
    repeats = int(np.clip(MOST_PREDICTIONS // (len(names) * len(rows)), REPEATS.start, REPEATS.stop - 1))
    orders = [draw.permutation(len(rows)) for _ in range(repeats)]
    variants = ((name, order) for name in names for order in orders)
    drops: dict[str, list[float]] = {name: [] for name in names}
    together = max(1, min(BLOCK_ROWS // len(rows), BLOCK_NUMBERS // seen.size))
    while some := list(islice(variants, together)):
        found = predict(np.concatenate([dealt_anew(seen, columns[name], order) for name, order in some]))
        for (name, _), part in zip(some, np.split(found, len(some)), strict=True):
            drops[name].append(whole - score(part, rows))
    figures = [
        {"column": name, "drop": float(np.mean(values)), "spread": float(np.std(values))}
        for name, values in drops.items()
    ]
    return sorted(figures, key=lambda figure: -figure["drop"])


def dealt_anew(x: Features, features: Sequence[int], order: npt.NDArray[np.int64]) -> Features:
    """A copy with these features taken from other rows."""
    moved = x.copy()
    moved[:, features] = x[order][:, features]
    return moved


def tellers(x: Features, columns: Mapping[str, Sequence[int]], outputs: npt.NDArray[Any], most: int) -> list[str]:
    """The columns to look at: all, or those with the feature that correlates most with an output."""
    if len(columns) <= most:
        return list(columns)
    y = outputs.reshape(len(outputs), -1).astype(np.float32)
    centred, targets = x - x.mean(0), y - y.mean(0)
    lengths = np.linalg.norm(centred, axis=0)[:, None] * np.linalg.norm(targets, axis=0)
    strength = np.abs(centred.T @ targets) / np.where(lengths > 0, lengths, np.inf)
    best = strength.max(1)
    ranked = sorted(columns, key=lambda name: -float(best[list(columns[name])].max(initial=0.0)))
    kept = set(ranked[:most])
    return [name for name in columns if name in kept]
