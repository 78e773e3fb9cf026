"""Fewer points that look the same: what makes a chart of 100,000 epochs as small as one of 500."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def thinned(x: Floats, y: Floats, most: int = 500) -> tuple[Floats, Floats]:
    """At most about `most` points of a line, in order: of each stretch its lowest, its highest and a gap if it has one.

    x, y: (n,). The first and the last point stay.
    """
    if len(x) <= most:
        return x, y
    stretches = np.array_split(np.arange(len(x)), max(1, most // 3))
    kept = {0, len(x) - 1}
    for stretch in stretches:
        values = y[stretch]
        finite = np.isfinite(values)
        if not finite.all():
            kept.add(int(stretch[int(finite.argmin())]))
        if finite.any():
            kept.add(int(stretch[np.where(finite, values, np.inf).argmin()]))
            kept.add(int(stretch[np.where(finite, values, -np.inf).argmax()]))
    order = np.array(sorted(kept))
    return x[order], y[order]


def evenly(total: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of the numbers 0..total-1, evenly from the first to the last."""
    if total <= most:
        return np.arange(total)
    return np.linspace(0, total - 1, most).round().astype(np.int64)
