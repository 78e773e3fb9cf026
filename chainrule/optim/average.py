"""The moving average that optimisers keep."""

from __future__ import annotations

from typing import Any

from chainrule.tensor import Tensor


def move_towards(average: Tensor, new: Tensor, keep: Any, keeps_most: bool) -> None:
    """average <- keep average + (1 - keep) new, in place and rounded as PyTorch's lerp.

    keep: a number or traced scalar; keeps_most: whether it is above 0.5. The step is counted from the nearer end, so
    that keep = 0 gives `new` itself.
    """
    if keeps_most:
        average.add_((new - average) * (1 - keep))
    else:
        average.copy_(new - (new - average) * keep)
