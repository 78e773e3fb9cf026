"""The loss of triplets: what belongs together shall be nearer than what does not."""

from __future__ import annotations

from typing import Any

from chainrule.functions.norms import p_norm
from chainrule.functions.table import on_tensors
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.value import Carrier
from chainrule.nn.functional.reduction import check_options, check_same_shape, reduced
from chainrule.ops.elementwise import clamp, minimum


@on_tensors
def triplet_margin_loss(
    anchor: Carrier,
    positive: Carrier,
    negative: Carrier,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Carrier:
    """max(0, |anchor - positive| - |anchor - negative| + margin), of tensors (N, D) or (D) of one shape -> (N) or ().

    |x| is the norm of order p of x + eps over the last dimension. swap: the nearer of anchor and positive counts as the
    distance to the negative. Balntas et al. 2016, http://www.bmva.org/bmvc/2016/papers/paper119.
    """
    name = "triplet_margin_loss"
    check_options(name, reduction, size_average, reduce)
    if margin <= 0:
        raise ArgumentError(f"{name}: margin must be greater than 0, not {margin}.")
    check_same_shape(name, anchor, positive, "positive")
    check_same_shape(name, anchor, negative, "negative")
    if not anchor.shape:
        raise ShapeError(f"{name}: tensors (N, D) or (D) are needed, not {anchor.type}.")
    near, far = _distance(name, anchor, positive, p, eps), _distance(name, anchor, negative, p, eps)
    if swap:
        far = minimum(far, _distance(name, positive, negative, p, eps))
    return reduced(clamp(margin + near - far, 0.0), reduction)


def _distance(name: str, a: Carrier, b: Carrier, p: float, eps: float) -> Carrier:
    return p_norm(name, a - b + eps, p, (len(a.shape) - 1,), False)
