"""PyTorch's switches between speed and exactness: here sums are those of the type, and repeatable, whatever is set."""

from __future__ import annotations

from chainrule.functions.table import FUNCTIONS
from chainrule.ir.errors import ArgumentError

PRECISIONS = ("highest", "high", "medium")


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Has no effect: same seed, same bits, always."""


def are_deterministic_algorithms_enabled() -> bool:
    """True."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Has no effect: products of float32 are computed in float32."""
    if precision not in PRECISIONS:
        raise ArgumentError(f"set_float32_matmul_precision: one of {PRECISIONS} is needed, not {precision!r}.")


def get_float32_matmul_precision() -> str:
    """'highest'."""
    return PRECISIONS[0]


FUNCTIONS.update(
    use_deterministic_algorithms=use_deterministic_algorithms,
    are_deterministic_algorithms_enabled=are_deterministic_algorithms_enabled,
    set_float32_matmul_precision=set_float32_matmul_precision,
    get_float32_matmul_precision=get_float32_matmul_precision,
)
