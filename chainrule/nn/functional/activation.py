"""Activations: a function of each element. `inplace=True` writes the result to the input itself, as PyTorch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.functions.table import needs_tensor, on_tensors, unwrap
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops.elementwise import expm1, where
from chainrule.ops.movement import normalise_axis, slice_axis
from chainrule.ops.promotion import floating
from chainrule.ops.special import gelu as gelu_of
from chainrule.tensor import Tensor

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def applied(name: str, input: Any, inplace: bool, operation: Callable[..., Carrier], *settings: Any) -> Tensor:
    """operation(input, *settings), written to the input if `inplace`."""
    carrier = input.read() if isinstance(input, Tensor) else needs_tensor(name, input)
    result = operation(carrier, *[unwrap(setting) for setting in settings])  # a traced float is a tensor
    if not inplace:
        return Tensor(result)
    return needs_handle(name, input).write_in_place(result, f"{name}(inplace=True)")


def needs_handle(name: str, input: Any) -> Tensor:
    """The input, if it is a Tensor and so can be written."""
    if not isinstance(input, Tensor):
        raise ArgumentError(f"{name}: inplace=True needs a Tensor to write to, not {type(input).__name__}.")
    return input


# Rectifiers -----------------------------------------------------------------------------------------------------------


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0). Its derivative at 0 is 0."""
    return applied("relu", input, inplace, ops.relu)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return applied("relu6", input, inplace, _hardtanh, 0.0, 6.0)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope x."""
    return applied("leaky_relu", input, inplace, _leaky_relu, negative_slope)


def _leaky_relu(x: Carrier, slope: Any) -> Carrier:
    return where(x > 0, x, x * slope)


@on_tensors
def prelu(input: Carrier, weight: Carrier) -> Carrier:
    """x where x > 0, else weight x; the weight has one element, or one per channel (dimension 1).

    He et al. 2015, https://arxiv.org/abs/1502.01852.
    """
    channels = input.shape[1] if len(input.shape) > 1 else 1
    if len(weight.shape) > 1 or weight.type.size not in (1, channels):
        raise ShapeError(
            f"prelu: the weight {weight.type} must have 1 element, or one for each of the {channels} channels of the "
            f"input {input.type}."
        )
    if weight.type.size > 1:
        weight = weight.reshape((channels, *(1,) * (len(input.shape) - 2)))
    else:
        weight = weight.reshape(())
    return _leaky_relu(input, weight)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (e^x - 1). Clevert et al. 2016, https://arxiv.org/abs/1511.07289."""
    return applied("elu", input, inplace, _elu, alpha)


def _elu(x: Carrier, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> Carrier:
    x = floating(x)
    above = x if scale == 1 else x * scale
    return where(x <= 0, expm1(x if inner == 1 else x * inner) * (alpha * scale), above)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale (x where x > 0, else alpha (e^x - 1)). Klambauer et al. 2017, https://arxiv.org/abs/1706.02515."""
    return applied("selu", input, inplace, _elu, SELU_ALPHA, SELU_SCALE)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (e^(x / alpha) - 1). Barron 2017, https://arxiv.org/abs/1704.07483."""
    if alpha == 0:
        raise ArgumentError("celu: alpha cannot be 0.")
    return applied("celu", input, inplace, _elu, alpha, 1.0, 1 / alpha)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value."""
    return applied("threshold", input, inplace, _threshold, threshold, value)


def _threshold(x: Carrier, limit: float, value: float) -> Carrier:
    return where(x <= limit, value, x)


# Bounded --------------------------------------------------------------------------------------------------------------


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x held between min_val and max_val. At a bound the derivative is 0."""
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val {min_val} is greater than max_val {max_val}.")
    return applied("hardtanh", input, inplace, _hardtanh, min_val, max_val)


def _hardtanh(x: Carrier, low: float, high: float) -> Carrier:
    return where(x <= low, low, where(x >= high, high, x))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return applied("hardsigmoid", input, inplace, lambda x: where(x <= -3, 0.0, where(x >= 3, 1.0, (x + 3) / 6)))


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6. Howard et al. 2019, https://arxiv.org/abs/1905.02244."""
    return applied("hardswish", input, inplace, lambda x: where(x <= -3, 0.0, where(x < 3, x * (x + 3) / 6, x)))


@on_tensors
def hardshrink(input: Carrier, lambd: float = 0.5) -> Carrier:
    """x where |x| > lambd, else 0."""
    return where(_within(input, lambd), 0.0, input)


def _within(x: Carrier, bound: float) -> Carrier:
    return ops.logical_and(x >= -bound, x <= bound)


@on_tensors
def softshrink(input: Carrier, lambd: float = 0.5) -> Carrier:
    """x moved towards 0 by lambd, and 0 within lambd of it."""
    if lambd < 0:
        raise ArgumentError(f"softshrink: lambd must be at least 0, not {lambd}.")
    return where(_within(input, lambd), 0.0, where(input > lambd, input - lambd, input + lambd))


# Smooth ---------------------------------------------------------------------------------------------------------------


@on_tensors
def sigmoid(input: Carrier) -> Carrier:
    """1 / (1 + e^-x)."""
    return ops.sigmoid(input)


@on_tensors
def tanh(input: Carrier) -> Carrier:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return ops.tanh(input)


@on_tensors
def gelu(input: Carrier, approximate: str = "none") -> Carrier:
    """x Phi(x), Phi the normal distribution function; "tanh" approximates it. https://arxiv.org/abs/1606.08415."""
    return gelu_of(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x). Elfwing et al. 2017, https://arxiv.org/abs/1702.03118."""
    return applied("silu", input, inplace, lambda x: x * ops.sigmoid(x))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)). Misra 2019, https://arxiv.org/abs/1908.08681."""
    return applied("mish", input, inplace, lambda x: x * ops.tanh(ops.softplus(x)))


@on_tensors
def softplus(input: Carrier, beta: float = 1.0, threshold: float = 20.0) -> Carrier:
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""
    scaled = floating(input) * beta
    return where(scaled > threshold, input, ops.softplus(scaled) / beta)


@on_tensors
def logsigmoid(input: Carrier) -> Carrier:
    """log(sigmoid(x)), without underflow."""
    return -ops.softplus(-input)


@on_tensors
def softsign(input: Carrier) -> Carrier:
    """x / (1 + |x|)."""
    return input / (ops.abs_(input) + 1)


@on_tensors
def tanhshrink(input: Carrier) -> Carrier:
    """x - tanh(x)."""
    return input - ops.tanh(input)


@on_tensors
def glu(input: Carrier, dim: int = -1) -> Carrier:
    """a sigmoid(b), a and b the halves of the input along `dim`. Dauphin et al. 2016, https://arxiv.org/abs/1612.08083."""
    if not input.shape:
        raise ShapeError("glu: the input has no dimension to halve.")
    axis = normalise_axis(dim, len(input.shape), "glu")
    length = input.shape[axis]
    if length % 2:
        raise ShapeError(f"glu: dimension {dim} of {input.type} cannot be halved: its length is odd.")
    first, second = slice_axis(input, axis, 0, length // 2), slice_axis(input, axis, length // 2, length)
    return first * ops.sigmoid(second)


# Written to the input -------------------------------------------------------------------------------------------------


def relu_(input: Tensor) -> Tensor:
    """`relu`, written to the input."""
    return relu(input, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, written to the input."""
    return leaky_relu(input, negative_slope, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, written to the input."""
    return elu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """`selu`, written to the input."""
    return selu(input, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, written to the input."""
    return celu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, written to the input."""
    return hardtanh(input, min_val, max_val, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, written to the input."""
    return applied("threshold", input, True, _threshold, threshold, value)
