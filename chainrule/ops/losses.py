"""Cross entropy: the primitive takes class numbers; the constructor has all that PyTorch's loss has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import FLOATING, INTEGER, Array, DType, Shape, Type, int64
from chainrule.ir.value import Carrier
from chainrule.ops.creation import full, iota
from chainrule.ops.elementwise import eq, exp, log, ne, over, times, where, zero_where
from chainrule.ops.indexing import gather
from chainrule.ops.movement import broadcast_to
from chainrule.ops.normalise import from_the_top, log_softmax, softmax
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import amax, sum_

REDUCTIONS = ("none", "mean", "sum")

# The primitive: logits [*rows, C], class numbers [*rows] -> -log(softmax(logits)[class]) of each row, reduced ---------


def _reference(logits: Array, target: Array, *, ignore_index: int, reduction: str) -> Array:
    count = logits.shape[-1]
    classes = target if target.ndim == 1 else target.reshape(-1)
    ignored = _ignored_rows(classes, count, ignore_index)
    if ignored is not None:
        _check_range(target, target == ignore_index, count)
        classes = np.where(ignored, 0, classes)
    losses = _losses(logits if logits.ndim == 2 else logits.reshape(classes.size, count), classes)
    if ignored is not None:
        losses[ignored] = 0
    if reduction == "none":
        return losses.reshape(target.shape)
    total = np.add.reduce(losses)
    if reduction == "mean":
        total = total / (classes.size if ignored is None else int(np.count_nonzero(~ignored)))
    return np.asarray(total)


def _ignored_rows(classes: Array, count: int, ignore_index: int) -> Array | None:
    """Which rows are ignored; None if a glance shows that none is, and that all class numbers lie in [0, count)."""
    if not 0 <= ignore_index < count and classes.size and np.maximum.reduce(classes.view(np.uint64)) < count:
        return None  # as unsigned numbers, negative ones are the largest
    return np.asarray(classes == ignore_index)


def _losses(logits: Array, classes: Array) -> Array:
    """log(sum(exp(row))) - row[class], of each row."""
    if not logits.size:  # no classes, so that all rows are ignored, or no rows
        return np.zeros(len(classes), logits.dtype)
    shifted = from_the_top(logits, 1)
    chosen = shifted[np.arange(len(classes)), classes]
    return np.asarray(np.log(np.add.reduce(np.exp(shifted), axis=1)) - chosen)


def _check_range(target: Array, ignored: Array, count: int) -> None:
    wrong = np.argwhere(~ignored & ((target < 0) | (target >= count)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        at = f" at position {list(place)}" if place else ""
        raise OutOfRangeError(
            f"cross_entropy: the class number {target[place]}{at} of the target is not in [0, {count}): the logits "
            f"have {count} classes. Number the classes from 0, give the last layer as many outputs as there are "
            "classes, or name the class to leave out as ignore_index."
        )


def _infer(logits: Type, target: Type, *, ignore_index: int, reduction: str) -> Type:
    if logits.shape[:-1] != target.shape or not logits.shape or target.dtype is not int64:
        raise ShapeError(
            f"cross_entropy: logits [*rows, C] and targets i64[*rows] are needed, not {logits} and {target}."
        )
    return Type(target.shape if reduction == "none" else (), logits.dtype)


def _vjp(
    g: Carrier, y: Carrier, logits: Carrier, target: Carrier, *, ignore_index: int, reduction: str
) -> tuple[Carrier, None]:
    if reduction == "mean":
        g = over(g, sum_(_share(target, ignore_index, g.dtype), _axes(target)))
    rows = zero_where(eq(target, ignore_index), broadcast_to(g, target.shape)).reshape((*target.shape, 1))
    return times(rows, softmax(logits, -1) - cast(_is_class(target, logits.shape[-1]), g.dtype)), None


def _is_class(target: Carrier, count: int) -> Carrier:
    """[*rows, C]: whether it is the row's class."""
    return eq(target.reshape((*target.shape, 1)), iota(count, int64))


def _share(target: Carrier, ignore_index: int, dtype: DType) -> Carrier:
    """The share of each row in the mean: 0 of those that are ignored, 1 of the others."""
    return cast(ne(target, ignore_index), dtype)


def _axes(x: Carrier) -> tuple[int, ...]:
    return tuple(range(len(x.shape)))


def _expand(logits: Carrier, target: Carrier, *, ignore_index: int, reduction: str) -> Carrier:
    ignored = eq(target, ignore_index)
    if logits.type.size == 0:  # no classes, so that all rows are ignored, or no rows
        losses = full(target.shape, 0, logits.dtype)
    else:
        axis = len(target.shape)
        top = amax(logits, (axis,), True)
        total = log(sum_(exp(logits - top), (axis,), True))
        chosen = gather(logits, where(ignored, 0, target).reshape((*target.shape, 1)), axis)  # raises if outside [0, C)
        losses = zero_where(ignored, (total - (chosen - top)).reshape(target.shape))
    return _reduced(losses, reduction, _share(target, ignore_index, logits.dtype))


def _samples(rng: np.random.Generator) -> list[Any]:
    return [
        (
            (rng.standard_normal((*rows, count)), rng.integers(0, count, rows)),
            {"ignore_index": ignore_index, "reduction": reduction},
        )
        for rows, count, ignore_index, reduction in (
            ((5,), 3, -100, "none"),
            ((5,), 3, -100, "mean"),
            ((5,), 3, 1, "none"),
            ((5,), 3, 1, "mean"),
            ((2, 2), 4, -1, "none"),
            ((2, 2), 4, -1, "sum"),
            ((), 3, -100, "none"),
            ((), 3, -100, "mean"),
            ((2,), 1, -100, "none"),
            ((0,), 3, -100, "none"),
            ((0,), 3, -100, "sum"),
        )
    ]


_cross_entropy = Primitive(
    "cross_entropy",
    _reference,
    _infer,
    _vjp,
    cost=lambda logits, target: 3 * logits.size,
    expand=_expand,
    samples=_samples,
)


# The loss -------------------------------------------------------------------------------------------------------------


def cross_entropy(
    logits: Carrier,
    target: Carrier,
    weight: Carrier | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Carrier:
    """-log(softmax(logits)[target]), or with probabilities as target -sum(target * log(softmax(logits))).

    logits (C,), (N, C) or (N, C, d1, ...); the target has class numbers of any integer type, of that shape without C,
    or probabilities of that very shape. `weight` (C,) multiplies each class. Rows of class `ignore_index` lose nothing
    and are not counted. `label_smoothing` mixes the target with the uniform distribution. The mean of class numbers is
    weighted by `weight`, that of probabilities is over the rows, as PyTorch's are; of no rows it is NaN.

    OutOfRangeError for a class number outside [0, C); ShapeError, DTypeError, ArgumentError for what does not fit.
    """
    if weight is None and label_smoothing == 0 and reduction in REDUCTIONS and _are_rows(logits, target):
        return _cross_entropy(logits, target, ignore_index=ignore_index, reduction=reduction)
    _check_options(label_smoothing, reduction)
    _check_logits(logits.type, target.type, weight)
    if target.shape == logits.shape:
        return _soft(logits, target, weight, ignore_index, label_smoothing, reduction)
    if len(logits.shape) == 1 and target.shape == (1,):
        target = target.reshape(())  # PyTorch takes it so
    _check_classes(logits.type, target.type, weight)
    axis = min(1, len(logits.shape) - 1)
    order = (*(k for k in range(len(logits.shape)) if k != axis), axis)
    return _hard(logits.permute(order), cast(target, int64), weight, ignore_index, label_smoothing, reduction)


def _are_rows(logits: Carrier, target: Carrier) -> bool:
    """Whether they are (N, C) and (N) of the primitive's own types, as nearly always: then there is nothing to do."""
    shape = target.shape
    return (
        len(shape) == 1
        and logits.shape[:-1] == shape
        and target.dtype is int64
        and bool(logits.dtype.category == FLOATING)
    )


def _hard(
    logits: Carrier, target: Carrier, weight: Carrier | None, ignore_index: int, smoothing: float, reduction: str
) -> Carrier:
    """The loss by class numbers; the classes are the last axis."""
    count, last = logits.shape[-1], len(logits.shape) - 1
    if weight is None and smoothing == 0:
        return _cross_entropy(logits, target, ignore_index=ignore_index, reduction=reduction)
    ignored = eq(target, ignore_index)
    losses = _cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")
    share = _share(target, ignore_index, logits.dtype)
    if weight is not None:
        share = zero_where(ignored, sum_(where(_is_class(target, count), weight, 0.0), (last,)))
        losses = losses * share
    loss = _reduced(losses, reduction, share)
    if smoothing == 0:
        return loss
    every = _weighted(log_softmax(logits, last), weight, last)
    uniform = _reduced(zero_where(ignored, -sum_(every, (last,))), reduction, share)
    return loss * (1 - smoothing) + uniform * (smoothing / max(count, 1))


def _soft(
    logits: Carrier, target: Carrier, weight: Carrier | None, ignore_index: int, smoothing: float, reduction: str
) -> Carrier:
    """The loss by probabilities, which have the shape of the logits."""
    if target.dtype.category != FLOATING:
        raise DTypeError(
            f"cross_entropy: a target of the logits' shape {logits.type} holds probabilities, so it must be floating, "
            f"not {target.type}. Convert it, e.g. `target.to({logits.dtype})`, or give class numbers of shape "
            f"{_class_shape(logits.shape)}."
        )
    if ignore_index >= 0:
        raise ArgumentError(
            f"cross_entropy: ignore_index={ignore_index} is for class numbers; the target holds probabilities."
        )
    axis = min(1, len(logits.shape) - 1)
    count = logits.shape[axis]
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / max(count, 1)
    losses = -sum_(_weighted(log_softmax(logits, axis) * target, weight, axis), (axis,))
    return _reduced(losses, reduction, math.prod(losses.shape))


def _weighted(values: Carrier, weight: Carrier | None, axis: int) -> Carrier:
    """values times the weight of their class."""
    if weight is None:
        return values
    return values * weight.reshape((*weight.shape, *(1,) * (len(values.shape) - axis - 1)))


def _reduced(losses: Carrier, reduction: str, share: Any) -> Carrier:
    """The losses as they are, their sum, or that over `share`: the total weight, or the weight of each."""
    if reduction == "none":
        return losses
    axes = _axes(losses)
    total = sum_(losses, axes)
    if reduction == "sum":
        return total
    return total / (share if isinstance(share, int) else sum_(share, axes))


# What it refuses ------------------------------------------------------------------------------------------------------


def _check_options(label_smoothing: float, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"cross_entropy: the reduction is one of {', '.join(REDUCTIONS)}, not {reduction!r}.")
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy: label_smoothing lies between 0 and 1; it is {label_smoothing}.")


def _check_logits(logits: Type, target: Type, weight: Carrier | None) -> None:
    if logits.dtype.category != FLOATING:
        swapped = " Are logits and target exchanged?" if target.dtype.category == FLOATING else ""
        raise DTypeError(f"cross_entropy: the logits must be floating, not {logits}.{swapped}")
    if not logits.shape:
        raise ShapeError(
            f"cross_entropy: the logits need a dimension of classes, (C,) or (N, C, ...); they are {logits}."
        )
    count = logits.shape[min(1, len(logits.shape) - 1)]
    if weight is not None and weight.shape != (count,):
        raise ShapeError(
            f"cross_entropy: the weight must have shape [{count}], one number per class; it is {weight.type}."
        )


def _check_classes(logits: Type, target: Type, weight: Carrier | None) -> None:
    wanted = _class_shape(logits.shape)
    if list(target.shape) != wanted:
        hint = ""
        if target.shape == (*wanted, 1):
            hint = " Remove its last dimension: `target.squeeze(-1)`."
        raise ShapeError(
            f"cross_entropy: logits {logits} need class numbers of shape {wanted} or probabilities of shape "
            f"{list(logits.shape)}; the target is {target}.{hint}"
        )
    if target.dtype.category != INTEGER:
        raise DTypeError(f"cross_entropy: class numbers must be integers, not {target}. Convert them: `target.long()`.")
    if weight is not None and weight.dtype is not logits.dtype:
        raise DTypeError(
            f"cross_entropy: the weight {weight.type} and the logits {logits} must have one element type. "
            f"Convert it, e.g. `weight.to({logits.dtype})`."
        )


def _class_shape(logits: Shape) -> list[int]:
    """The shape of class numbers: that of the logits without the classes."""
    return list(logits[:0] if len(logits) == 1 else logits[:1] + logits[2:])
