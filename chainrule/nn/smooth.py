"""Smooth activations. x (*) -> y (*); `inplace=True`, where it exists, writes y to x."""

from __future__ import annotations

from chainrule.nn.functional import activation as functional
from chainrule.nn.module import Module
from chainrule.nn.rectifier import Activation
from chainrule.tensor import Tensor


class GELU(Module):
    """y = x Phi(x), Phi the normal distribution function; approximate="tanh": by a formula with tanh.

    Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return functional.gelu(input, self.approximate)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Activation):
    """y = x sigmoid(x). Elfwing et al. 2017, https://arxiv.org/abs/1702.03118."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.silu(input, self.inplace)


class Mish(Activation):
    """y = x tanh(softplus(x)). Misra 2019, https://arxiv.org/abs/1908.08681."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.mish(input, self.inplace)


class Sigmoid(Module):
    """y = 1 / (1 + e^-x)."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.sigmoid(input)  # type: ignore[no-any-return]


class Tanh(Module):
    """y = (e^x - e^-x) / (e^x + e^-x)."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.tanh(input)  # type: ignore[no-any-return]


class LogSigmoid(Module):
    """y = log(sigmoid(x))."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.logsigmoid(input)  # type: ignore[no-any-return]


class Softplus(Module):
    """y = log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return functional.softplus(input, self.beta, self.threshold)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """y = x / (1 + |x|)."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.softsign(input)  # type: ignore[no-any-return]


class Tanhshrink(Module):
    """y = x - tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.tanhshrink(input)  # type: ignore[no-any-return]


class GLU(Module):
    """y = a sigmoid(b), a and b the halves of x along `dim`. Dauphin et al. 2016, https://arxiv.org/abs/1612.08083."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.glu(input, self.dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
