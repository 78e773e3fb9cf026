"""Losses of predictions against classes, of probabilities against probabilities."""

from __future__ import annotations

from typing import Any

from chainrule.functions.arithmetic import xlogy
from chainrule.functions.table import needs_tensor, on_tensors, unwrap
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import INTEGER, Array, int64
from chainrule.ir.value import Carrier, Value
from chainrule.nn.functional.probability import warn_of_probabilities
from chainrule.nn.functional.reduction import check_options, check_same_shape, reduced
from chainrule.ops import losses as ops
from chainrule.ops.elementwise import eq, exp, logical_not, softplus, where, zero_where
from chainrule.ops.indexing import gather, index_select
from chainrule.ops.movement import broadcast_shapes
from chainrule.ops.probabilities import binary_cross_entropy as log_loss
from chainrule.ops.promotion import cast, floating
from chainrule.ops.reduction import sum_
from chainrule.tensor import Tensor

# Of classes -----------------------------------------------------------------------------------------------------------


def cross_entropy(
    input: Tensor | Array,
    target: Tensor | Array,
    weight: Tensor | Array | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log(softmax(input)[target]), the classes in dimension 1; or of probabilities as target -sum(target log softmax).

    input: logits (C), (N, C) or (N, C, d1, ...); target: class numbers without the dimension C, or probabilities of the
    input's shape. weight (C): of each class, also in the mean. Targets of class `ignore_index` do not count.
    label_smoothing: that much of each target is spread over all classes (Szegedy et al. 2016,
    https://arxiv.org/abs/1512.00567).
    """
    check_options("cross_entropy", reduction, size_average, reduce)
    logits, classes = needs_tensor("cross_entropy", input), needs_tensor("cross_entropy", target, "target")
    if logits.shape and logits.dtype.is_floating_point:
        warn_of_probabilities("cross_entropy", logits, min(1, len(logits.shape) - 1))
    smoothing = unwrap(label_smoothing)
    return Tensor(ops.cross_entropy(logits, classes, unwrap(weight), ignore_index, smoothing, reduction))


@on_tensors
def nll_loss(
    input: Carrier,
    target: Carrier,
    weight: Carrier | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Carrier:
    """-input[target], of logarithms of probabilities (C), (N, C) or (N, C, d1, ...) and class numbers without C.

    weight (C): of each class, also in the mean. Targets of class `ignore_index` do not count.
    """
    check_options("nll_loss", reduction, size_average, reduce)
    axis = _check_classes(input, target, weight)
    ignored = eq(target, ignore_index)
    chosen = where(ignored, 0, cast(target, int64))
    index = chosen.reshape((*target.shape[:axis], 1, *target.shape[axis:]))
    losses = zero_where(ignored, -gather(input, index, axis).reshape(target.shape))
    share = cast(logical_not(ignored), input.dtype)
    if weight is not None:
        flat = chosen.reshape((chosen.type.size,))
        share = zero_where(ignored, index_select(weight, flat, 0).reshape(target.shape))
        losses = losses * share
    if reduction != "mean":
        return reduced(losses, reduction)
    axes = tuple(range(len(target.shape)))
    return sum_(losses, axes) / sum_(share, axes)


def _check_classes(input: Carrier, target: Carrier, weight: Carrier | None) -> int:
    """Raises unless the arguments of nll_loss fit; returns the axis of the classes."""
    if not input.shape or not input.dtype.is_floating_point:
        raise ShapeError(f"nll_loss: the input must be floating, (C), (N, C) or (N, C, d1, ...); it is {input.type}.")
    axis = min(1, len(input.shape) - 1)
    wanted = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != wanted:
        raise ShapeError(
            f"nll_loss: the input {input.type} needs class numbers of shape {list(wanted)}, not {target.type}."
        )
    if target.dtype.category != INTEGER:
        raise DTypeError(f"nll_loss: class numbers must be integers, not {target.type}. Convert them: `target.long()`.")
    if weight is not None and weight.shape != (input.shape[axis],):
        raise ShapeError(
            f"nll_loss: the weight must have shape [{input.shape[axis]}], one number per class; it is {weight.type}."
        )
    return axis


# Of yes or no ---------------------------------------------------------------------------------------------------------


@on_tensors
def binary_cross_entropy(
    input: Carrier,
    target: Carrier,
    weight: Carrier | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Carrier:
    """-(target log(input) + (1 - target) log(1 - input)), of probabilities and targets of one shape.

    Logarithms are at least -100, as in PyTorch. weight: multiplies the losses, broadcast to them.
    Raises ArgumentError for an input outside [0, 1]; inside a compiled function the loss is then NaN.
    """
    check_options("binary_cross_entropy", reduction, size_average, reduce)
    check_same_shape("binary_cross_entropy", input, target)
    if input.__class__ is Value and not ((input.array >= 0) & (input.array <= 1)).all():
        raise ArgumentError(
            "binary_cross_entropy: the input must be probabilities, in [0, 1], and some are not. "
            "For logits use binary_cross_entropy_with_logits."
        )
    return _weighted("binary_cross_entropy", log_loss(floating(input), target), weight, reduction)


@on_tensors
def binary_cross_entropy_with_logits(
    input: Carrier,
    target: Carrier,
    weight: Carrier | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Carrier | None = None,
) -> Carrier:
    """-(pos_weight target log(p) + (1 - target) log(1 - p)) with p = sigmoid(input), without overflow.

    input: logits, and targets, of one shape. weight multiplies the losses, pos_weight their positive part; both are
    broadcast to them.
    """
    name = "binary_cross_entropy_with_logits"
    check_options(name, reduction, size_average, reduce)
    check_same_shape(name, input, target)
    logits = floating(input)
    warn_of_probabilities(name, logits, None)
    positive = target if pos_weight is None else target * _fitting(name, "pos_weight", pos_weight, target)
    # both sides exact where one is nearly certain: log(p) = -softplus(-x), log(1 - p) = -softplus(x)
    losses = positive * softplus(-logits) + (1 - target) * softplus(logits)
    return _weighted(name, losses, weight, reduction)


def _fitting(name: str, argument: str, weight: Carrier, losses: Carrier) -> Carrier:
    """A weight that broadcasts to the losses, and does not make them larger."""
    if broadcast_shapes(weight.shape, losses.shape, what=f"{name}: {argument}") != losses.shape:
        raise ShapeError(f"{name}: {argument} {weight.type} must broadcast to the losses, {list(losses.shape)}.")
    return weight


def _weighted(name: str, losses: Carrier, weight: Carrier | None, reduction: str) -> Carrier:
    return reduced(losses if weight is None else losses * _fitting(name, "weight", weight, losses), reduction)


# Of distributions -----------------------------------------------------------------------------------------------------


@on_tensors
def kl_div(
    input: Carrier,
    target: Carrier,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Carrier:
    """target (log(target) - input): input holds logarithms of probabilities, target probabilities, or their logarithms.

    The divergence itself is reduction="batchmean", the sum divided by the length of dimension 0; "mean" divides by the
    number of elements.
    """
    check_options("kl_div", reduction, size_average, reduce, "batchmean")
    check_same_shape("kl_div", input, target)
    losses = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    if reduction != "batchmean":
        return reduced(losses, reduction)
    return reduced(losses, "sum") / (input.shape[0] if input.shape else 1)
