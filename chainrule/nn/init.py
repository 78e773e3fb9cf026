"""Initialisers: each fills a tensor in place, outside the tape, and returns it.

Random numbers come from the generator in use, or from the one given as `generator`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.absent import absent
from chainrule.functions.random import normal_carrier, uniform_carrier
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, NotYetError, ShapeError
from chainrule.ir.origin import warn
from chainrule.ir.types import float64, int64
from chainrule.ir.value import Carrier, Value
from chainrule.nn.missing import INIT
from chainrule.ops.creation import full, iota
from chainrule.ops.elementwise import clamp, eq
from chainrule.ops.promotion import cast
from chainrule.ops.special import erfinv
from chainrule.tensor import Tensor

__getattr__: Callable[[str], Any] = absent("nn.init", INIT)


def filled(tensor: Tensor, carrier: Carrier, what: str) -> Tensor:
    """The tensor with new elements, written outside the tape."""
    with state.using(state.gradients_enabled, False):
        return tensor.write_in_place(cast(carrier, tensor.dtype), what)


# Constants ------------------------------------------------------------------------------------------------------------


def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return filled(tensor, full(tensor.read().shape, val, tensor.dtype), "constant_")


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return constant_(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """1 on the diagonal of a matrix, 0 elsewhere."""
    if len(tensor.shape) != 2:
        raise ShapeError(f"eye_: a tensor of 2 dimensions is needed, not {tensor.read().type}.")
    rows, columns = tensor.shape
    return filled(tensor, eq(iota(rows, int64).reshape((rows, 1)), iota(columns, int64)), "eye_")


# Distributions --------------------------------------------------------------------------------------------------------


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Evenly distributed in [a, b)."""
    carrier = uniform_carrier(tensor.read().shape, tensor.dtype, generator)
    return filled(tensor, carrier * (b - a) + a, "uniform_")


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Normally distributed."""
    carrier = normal_carrier(tensor.read().shape, tensor.dtype, generator)
    return filled(tensor, carrier * std + mean, "normal_")


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Normally distributed, but within [a, b]: the inverse of the distribution function at evenly drawn places."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warn(f"trunc_normal_: the mean {mean} lies more than 2 std outside [{a}, {b}]; the result may be inexact.")
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2))) for bound in (a, b))
    place = uniform_carrier(tensor.read().shape, float64, generator) * (high - low) + low
    return filled(tensor, clamp(erfinv(place) * (std * math.sqrt(2)) + mean, a, b), "trunc_normal_")


# By the sizes of a layer ----------------------------------------------------------------------------------------------


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """By how much a nonlinearity makes a signal smaller, inverted; `param` is the slope of leaky_relu."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ArgumentError(f"calculate_gain: the slope must be a number, not {slope!r}.")
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"sigmoid": 1, "linear": 1, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 3 / 4}
    gains |= {f"conv{kind}{n}d": 1 for kind in ("", "_transpose") for n in (1, 2, 3)}
    if nonlinearity not in gains:
        raise ArgumentError(f"calculate_gain: no gain is known for {nonlinearity!r}; known are {', '.join(gains)}.")
    return gains[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many numbers go into, and out of, one unit of a layer with this weight (out, in, ...)."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ShapeError(f"the numbers of inputs and outputs need a weight of 2 dimensions, not {tensor.read().type}.")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    modes = {"fan_in": fan_in, "fan_out": fan_out}
    if mode.lower() not in modes:
        raise ArgumentError(f"kaiming: mode must be 'fan_in' or 'fan_out', not {mode!r}.")
    return modes[mode.lower()]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform in +-gain sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, AISTATS."""
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with the deviation gain sqrt(2 / (fan_in + fan_out)). Glorot & Bengio 2010, AISTATS."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Uniform in +-gain sqrt(3 / fan). He et al. 2015, https://arxiv.org/abs/1502.01852."""
    if 0 in tensor.shape:
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Normal with the deviation gain / sqrt(fan). He et al. 2015, https://arxiv.org/abs/1502.01852."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Rows (or columns, if they are fewer) that are orthonormal, times gain. Saxe et al. 2014, arXiv:1312.6120.

    The orthogonal factor of a normal matrix, its signs chosen so that it is uniformly distributed.
    """
    if len(tensor.shape) < 2:
        raise ShapeError(f"orthogonal_: a tensor of 2 dimensions or more is needed, not {tensor.read().type}.")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    if rows * columns == 0:
        return tensor
    drawn = normal_carrier((max(rows, columns), min(rows, columns)), float64, generator)
    if drawn.__class__ is not Value:
        raise NotYetError("orthogonal_: inside a compiled function it is not available; call it before.")
    q, r = np.linalg.qr(drawn.array)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0) * gain
    return filled(tensor, Value((q if rows >= columns else q.T).reshape(tensor.shape).copy()), "orthogonal_")
