"""Numbers along a dimension made into probabilities, or their logarithms. x (*) -> y (*)."""

from __future__ import annotations

from chainrule.ir.errors import ShapeError
from chainrule.nn.functional import softmaxes as functional
from chainrule.nn.module import Module
from chainrule.tensor import Tensor


class Softmax(Module):
    """y = e^x / sum(e^x) along `dim`. Before a cross entropy leave it out: that computes it itself, and better."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmax(input, self.dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """y = log(softmax(x)) along `dim`, without underflow."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.log_softmax(input, self.dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """y = softmax(-x) along `dim`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmin(input, self.dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """The softmax over the channels of x (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if len(input.shape) not in (3, 4):
            raise ShapeError(f"Softmax2d: an input (N, C, H, W) or (C, H, W) is needed, not {input.read().type}.")
        return functional.softmax(input, -3)  # type: ignore[no-any-return]
