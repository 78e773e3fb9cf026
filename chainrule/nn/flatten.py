"""Several dimensions made one, and one made several."""

from __future__ import annotations

from typing import Any

from chainrule.functions import FUNCTIONS
from chainrule.ir.errors import RegistrationError
from chainrule.nn.module import Module
from chainrule.tensor import Tensor


class Flatten(Module):
    """Makes the dimensions from start_dim to end_dim one: (N, C, H, W) -> (N, C H W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return FUNCTIONS["flatten"](input, self.start_dim, self.end_dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes one dimension several: with dim=1 and (C, H, W), (N, C H W) -> (N, C, H, W). One of them may be -1."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        super().__init__()
        sizes: Any = unflattened_size
        if not isinstance(sizes, tuple | list) or not all(isinstance(size, int) for size in sizes):
            raise RegistrationError(f"Unflatten: unflattened_size must be a tuple of integers, not {sizes!r}.")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return FUNCTIONS["unflatten"](input, self.dim, self.unflattened_size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
