"""Padding: more elements at the ends of the last dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.functions.table import on_tensors
from chainrule.ir.errors import ArgumentError, NotYetError, ShapeError
from chainrule.ir.value import Carrier
from chainrule.ops import movement


@on_tensors
def pad(input: Carrier, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Carrier:
    """The input with pad[0] elements before and pad[1] after the last dimension, pad[2] and pad[3] the one before, ...

    The elements are `value` (0). A negative width takes elements away.
    """
    if mode in ("reflect", "replicate", "circular"):
        raise NotYetError(f"pad: mode {mode!r} is not available yet; there is 'constant'.")
    if mode != "constant":
        raise ArgumentError(f"pad: unknown mode {mode!r}; there is 'constant'.")
    widths = [(pad[k], pad[k + 1]) for k in range(0, len(pad) - 1, 2)][::-1]
    if len(pad) % 2 or len(widths) > len(input.shape):
        raise ShapeError(
            f"pad: two widths for each of at most {len(input.shape)} dimensions of {input.type}, not {list(pad)}."
        )
    widths = [(0, 0)] * (len(input.shape) - len(widths)) + widths
    lengths = [n + before + after for n, (before, after) in zip(input.shape, widths, strict=True)]
    if any(length < 0 for length in lengths):
        raise ShapeError(f"pad: {list(pad)} takes more elements away than {input.type} has.")
    starts = tuple(max(0, -before) for before, _ in widths)
    stops = tuple(n - max(0, -after) for n, (_, after) in zip(input.shape, widths, strict=True))
    kept = movement.slice_(input, starts, stops)
    low, high = (tuple(max(0, width[end]) for width in widths) for end in (0, 1))
    return movement.pad(kept, low, high, value=0 if value is None else value)
