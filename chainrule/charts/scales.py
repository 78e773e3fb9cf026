"""From numbers to places on an axis, and the ticks that an axis shows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from chainrule.charts.numbers import MINUS, figure, power_of_ten

LARGEST = 1e150  # beyond it, differences of floats overflow
SMALLEST = 1e-150
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Maps low..high onto the pixels start..end, evenly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; what lies outside stands at the edge."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 5, whole: bool = False) -> list[tuple[float, str]]:
        """Round values within the range, with their labels."""
        if self.log:
            return log_ticks(self.low, self.high, most)
        return even_ticks(self.low, self.high, most, whole)


def scale(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    log: bool = False,
    from_zero: bool = False,
    margin: float = 0.0,
    limits: tuple[float, float] | None = None,
) -> Scale:
    """A scale that holds the finite ones of some values. margin: the share of room left free at both ends."""
    if limits is not None:
        return Scale(*limits, start, end, log)
    finite = [min(max(value, -LARGEST), LARGEST) for value in values if math.isfinite(value)]
    if log:
        return log_scale(finite, start, end)
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        room = abs(high) / 2 or 0.5
        low, high = (low - room, high + room) if not from_zero or high == low == 0 else (low, high)
    room = margin * (high - low)
    return Scale(low - room if not from_zero or low < 0 else low, high + room, start, end)


def log_scale(values: list[float], start: float, end: float) -> Scale:
    positive = [max(value, SMALLEST) for value in values if value > 0]
    low, high = min(positive, default=0.1), max(positive, default=1.0)
    if high < 10 * low:  # at least a decade, so that an axis has ticks
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(10.0), middle * math.sqrt(10.0)
    return Scale(low, high, start, end, True)


def even_ticks(low: float, high: float, most: int, whole: bool) -> list[tuple[float, str]]:
    step = round_step((high - low) / max(most, 1))
    if whole:
        step = max(1.0, step if step != 2.5 else 5.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(place * step, tick_text(place * step, step)) for place in range(first, last + 1)]


def round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))


def tick_text(value: float, step: float) -> str:
    largest = max(abs(value), step)
    if largest >= 1e7 or step < 1e-5:
        return figure(value, min(15, 2 + math.floor(math.log10(largest / step)))) if value else "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1  # a step of 2.5
    return f"{value + 0.0:,.{decimals}f}".replace("-", MINUS)


def log_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / max(most, 1)))
    powers = [power for power in range(first, last + 1) if power % every == 0]
    if last - first >= 2:
        return [(10.0**power, power_of_ten(power)) for power in powers]
    values = [part * 10.0**power for power in range(first - 1, last + 1) for part in (1.0, 2.0, 5.0)]
    return [(value, figure(value, 1)) for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
