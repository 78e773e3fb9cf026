"""Limited-memory BFGS: a smooth function of a vector, minimised.

Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5. The step is found by halving until
the decrease is sufficient (Armijo) and not by the Wolfe conditions of the book: pairs whose curvature is not positive
are left out instead, which is enough for the convex functions that it is used for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
MEMORY = 10  # pairs of steps and changes of the gradient
DECREASE = 1e-4  # the part of the slope's promise that a step must keep
HALVINGS = 30


def minimise(
    value_and_gradient: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    *,
    steps: int = 100,
    tolerance: float = 1e-5,
) -> Vector:
    """The point that up to `steps` steps from `start` reach; earlier where no gradient's part exceeds `tolerance`.

    >>> minimise(lambda x: (float(x @ x), 2 * x), np.array([3.0, -4.0])).round(6).tolist()
    [0.0, 0.0]
    """
    point = start
    value, gradient = value_and_gradient(point)
    pairs: deque[tuple[Vector, Vector]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        if np.abs(gradient).max(initial=0.0) <= tolerance:
            break
        found = _step(value_and_gradient, point, value, gradient, pairs)
        if found is None:
            break  # rounding hides any further decrease
        moved, value, new_gradient = found
        step, change = moved - point, new_gradient - gradient
        if step @ change > 1e-12 * (change @ change):
            pairs.append((step, change))
        point, gradient = moved, new_gradient
    return point


def _step(
    value_and_gradient: Callable[[Vector], tuple[float, Vector]],
    point: Vector,
    value: float,
    gradient: Vector,
    pairs: deque[tuple[Vector, Vector]],
) -> tuple[Vector, float, Vector] | None:
    """The next point, its value and gradient; None if no step decreases the value."""
    direction = _direction(gradient, pairs)
    slope = float(gradient @ direction)
    length = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(gradient).sum()))
    for _ in range(HALVINGS):
        moved = point + length * direction
        new_value, new_gradient = value_and_gradient(moved)
        if new_value <= value + DECREASE * length * slope:
            return moved, new_value, new_gradient
        length /= 2
    return None


def _direction(gradient: Vector, pairs: deque[tuple[Vector, Vector]]) -> Vector:
    """Minus the inverse Hessian, as the pairs tell it, times the gradient (the two-loop recursion)."""
    rest = gradient.copy()
    coefficients = []
    for step, change in reversed(pairs):
        coefficient = (step @ rest) / (step @ change)
        rest -= coefficient * change
        coefficients.append(coefficient)
    if pairs:
        step, change = pairs[-1]
        rest *= (step @ change) / (change @ change)
    for (step, change), coefficient in zip(pairs, reversed(coefficients), strict=True):
        rest += (coefficient - (change @ rest) / (step @ change)) * step
    return -rest
