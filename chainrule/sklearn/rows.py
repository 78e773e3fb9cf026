"""What a fit depends on: which rows there are and how much each weighs, not how that was written down.

A weight of 3 and the row three times mean the same, a weight of 0 and no row do, and the order of the rows means
nothing. Estimators keep to that exactly, to the bit: rows without weight are left out, equal ones become one row of
their summed weight, and all are put into one order, that of their bytes. What is drawn at random (batches, dropout, the
rows held out) is drawn for the rows in that order. It also keeps equal rows from standing on both sides of a split.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.ir.errors import ArgumentError
from chainrule.sklearn.inputs import as_numbers, taken
from chainrule.sklearn.scaling import Floats


class Rows(NamedTuple):
    """Inputs (n, ...) as an array or a Table, targets (n,) or (n, k), and weights (n,), which are above 0."""

    x: Any
    y: npt.NDArray[Any]
    weights: Floats

    def take(self, places: npt.NDArray[np.int64]) -> Rows:
        """Some of them."""
        return Rows(taken(self.x, places), self.y[places], self.weights[places])

    @property
    def are_even(self) -> bool:
        """Whether all weigh the same."""
        return bool((self.weights == self.weights[0]).all())


def checked_weights(asked: Any, count: int) -> Floats:
    """`sample_weight` as an array of (count,). A number weighs all rows alike; None is 1."""
    if asked is None:
        return np.ones(count)
    try:
        weights = np.asarray(asked, np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"sample_weight must hold a number for each row: {error}.") from None
    if weights.ndim == 0:
        weights = np.full(count, weights)
    if weights.shape != (count,):
        raise ArgumentError(
            f"sample_weight.shape == {weights.shape}, expected ({count},): one weight for each of the {count} rows."
        )
    wrong = np.flatnonzero(~(weights >= 0) | np.isinf(weights))
    if wrong.size:
        row = int(wrong[0])
        raise ArgumentError(f"sample_weight must be finite and not negative; row {row} has {weights[row]}.")
    if not weights.any():
        raise ArgumentError("sample_weight must contain at least one non-zero number: all weights are zero.")
    return weights


def gathered(x: Any, y: npt.NDArray[Any], weights: Floats) -> Rows:
    """The rows that weigh something, each once, in the order of their bytes."""
    kept = np.flatnonzero(weights)
    if len(kept) < len(weights):
        x, y, weights = taken(x, kept), y[kept], weights[kept]
    x, y = with_one_zero(x), with_one_zero(y)
    keys = keys_of(as_numbers(x), y)
    order = np.argsort(keys)
    keys, weights = keys[order], weights[order]
    begins = np.concatenate([[True], keys[1:] != keys[:-1]])
    if not begins.all():
        # sums of the same numbers have the same bits only if they are added in the same order
        weights = weights[np.lexsort((weights, np.cumsum(begins)))]
        weights = np.add.reduceat(weights, np.flatnonzero(begins))
        order = order[begins]
    return Rows(taken(x, order), y[order], weights)


def with_one_zero(part: Any) -> Any:
    """-0.0 as 0.0 in arrays: the same number in the same bytes."""
    return part + part.dtype.type(0) if isinstance(part, np.ndarray) and part.dtype.kind == "f" else part


def keys_of(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The bytes of each row and its target, as values that can be sorted and compared."""
    parts = [np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8) for part in (x, y)]
    together = np.concatenate(parts, axis=1)
    return together.view(np.dtype((np.void, together.shape[1])))[:, 0]


def held_out(
    classes: npt.NDArray[np.int64] | None, count: int, wanted: int, draws: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The rows to hold out for validation, ascending: so many, of each class in proportion where there are classes.

    No class is held out whole.
    """
    keys = np.empty(count)
    for group in [np.arange(count)] if classes is None else [np.flatnonzero(classes == c) for c in np.unique(classes)]:
        # a class's rows at even distances between 0 and 1, the first at random: small keys are in proportion
        keys[draws.permutation(group)] = (np.arange(len(group)) + draws.random()) / len(group)
        keys[group[np.argmax(keys[group])]] = np.inf
    chosen = np.argsort(keys, kind="stable")[:wanted]
    return np.sort(chosen[np.isfinite(keys[chosen])])
