"""Dropout as a layer."""

from __future__ import annotations

from chainrule.nn.functional.dropping import check_probability, dropout
from chainrule.nn.module import Module
from chainrule.tensor import Tensor


class Dropout(Module):
    """In training y = 0 with probability p, else x / (1 - p), for each element; in evaluation y = x. x (*) -> y (*).

    Srivastava et al. 2014, JMLR 15.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability("Dropout", p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
