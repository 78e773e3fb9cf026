"""Affine maps: Linear; and Identity, which is none."""

from __future__ import annotations

import math
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.nn import init
from chainrule.nn.empty import new_parameter
from chainrule.nn.functional.affine import linear
from chainrule.nn.module import Module
from chainrule.tensor import Parameter, Tensor


class Linear(Module):
    """y = x W^T + b.

    x (*, in_features) -> y (*, out_features); W `weight` (out_features, in_features), b `bias` (out_features), both
    begin as uniform(-1/sqrt(in_features), 1/sqrt(in_features)).

        nn.Linear(4, 2)(chainrule.ones(3, 4)).shape     # (3, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_size("in_features", in_features)
        check_size("out_features", out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = new_parameter((out_features, in_features), device, dtype)
        self.register_parameter("bias", new_parameter((out_features,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew. (He's initialisation with a = sqrt(5) is this uniform distribution.)"""
        if self.in_features == 0:
            return
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def check_size(name: str, size: Any) -> None:
    """Raises ArgumentError for what is no number of features."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ArgumentError(f"Linear: {name} must be an integer of at least 0, not {size!r}.")


class Identity(Module):
    """y = x. Any arguments are accepted and ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input
