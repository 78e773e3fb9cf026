"""Dropout: elements dropped at random, so that no unit can rely on another being there."""

from __future__ import annotations

from chainrule.functions.random import bernoulli_carrier
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import bool_, float32
from chainrule.ir.value import Carrier
from chainrule.nn.functional.activation import applied
from chainrule.ops.creation import full
from chainrule.ops.elementwise import where
from chainrule.tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training each element is 0 with probability p, else x / (1 - p); otherwise the input as it is.

    Takes one draw of the generator in use. Srivastava et al. 2014, JMLR 15.
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    return applied("dropout", input, inplace, dropped, p)


def dropped(x: Carrier, p: float) -> Carrier:
    """x with elements dropped, the others scaled up so that the mean stays."""
    if p == 1:
        return x * 0.0
    keep = bernoulli_carrier(full(x.shape, 1 - p, float32), bool_)
    return where(keep, x * (1 / (1 - p)), 0.0)


def check_probability(name: str, p: float) -> None:
    """Raises ArgumentError for what is no probability."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: the probability of being dropped lies between 0 and 1; it is {p}.")
