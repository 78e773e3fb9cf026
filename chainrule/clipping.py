"""Clipping of gradients. No Python branch asks for a value, so it works inside a compiled step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import GeneratorType
from typing import Any

from chainrule.functions.norms import p_norm
from chainrule.functions.table import unwrap
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, GradientError, TracedValueError
from chainrule.ir.origin import warn
from chainrule.ir.value import Carrier, Value
from chainrule.ops.creation import default_dtype, full
from chainrule.ops.elementwise import abs_, clamp, maximum, pow_, sqrt, square
from chainrule.ops.promotion import cast
from chainrule.ops.reduction import sum_
from chainrule.tensor import Tensor

Tensors = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients by min(1, max_norm / (norm + 1e-6)); returns the norm of them all together.

    norm_type: 2, 1, inf, or any p > 0. `foreach` is accepted and has no effect. Raises GradientError for a norm that is
    NaN or infinite if `error_if_nonfinite`. Pascanu et al. 2013, https://arxiv.org/abs/1211.5063.
    """
    listed = _listed(parameters)
    if isinstance(parameters, GeneratorType) and not listed:
        warn("clip_grad_norm_: the generator of parameters is empty: nothing is clipped.")
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Holds every element of the gradients between -clip_value and clip_value."""
    with state.using(state.gradients_enabled, False):
        for gradient in _gradients(_listed(parameters)):
            bound = unwrap(clip_value)
            gradient.write(cast(clamp(gradient.read(), -bound, bound), gradient.dtype))


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scales the gradients by min(1, max_norm / (total_norm + 1e-6))."""
    with state.using(state.gradients_enabled, False):
        coefficient = clamp(unwrap(max_norm) / (total_norm.read() + 1e-6), None, 1.0)
        for gradient in _gradients(_listed(parameters)):
            gradient.write(gradient.read() * cast(coefficient, gradient.dtype))


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of the elements of all tensors together, as if they were one vector; 0 of no tensors."""
    order = float(norm_type)
    if not (order > 0):
        raise ArgumentError(f"get_total_norm: norm_type must be greater than 0 (inf is), not {norm_type}.")
    with state.using(state.gradients_enabled, False):
        total = _total_norm([tensor.read() for tensor in _listed(tensors)], order)
    if error_if_nonfinite:
        _check_finite(total, norm_type)
    return Tensor(total)


def _total_norm(carriers: list[Carrier], order: float) -> Carrier:
    """Element sums are added up first, then the root is taken once: the sums are ready when the gradients are."""
    if not carriers:
        return full((), 0.0, default_dtype())
    parts = [_part(carrier, order) for carrier in carriers if carrier.type.size]
    if not parts:
        return full((), 0.0, carriers[0].dtype)
    total = parts[0]
    for part in parts[1:]:
        total = maximum(total, part) if order == math.inf else total + part
    if order == 2:
        return sqrt(total)
    return total if order in (1, math.inf) else pow_(total, 1 / order)


def _part(carrier: Carrier, order: float) -> Carrier:
    axes = tuple(range(len(carrier.shape)))
    if order in (1, math.inf):
        return p_norm("clip_grad_norm_", carrier, order, axes, False)
    return sum_(square(carrier) if order == 2 else pow_(abs_(carrier), order), axes)


def _check_finite(total: Carrier, norm_type: float) -> None:
    if total.__class__ is not Value:
        raise TracedValueError(
            "error_if_nonfinite: inside a compiled function the norm has no value yet. Return it from the function and "
            "check it there: `if not norm.isfinite(): ...`."
        )
    if not math.isfinite(total.array.item()):
        raise GradientError(
            f"the norm of order {norm_type} of the gradients is {total.array.item()}, so they cannot be clipped. "
            "Look for the first layer whose gradient is not finite, or pass error_if_nonfinite=False."
        )


def _listed(tensors: Any) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradients that are there."""
    return [gradient for parameter in parameters if (gradient := parameter.grad) is not None]
