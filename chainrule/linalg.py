"""PyTorch's `torch.linalg`, as far as it is here."""

from __future__ import annotations

from typing import Any

from chainrule.functions import LINALG
from chainrule.ir.errors import NotYetError

# so that what is not here yet is told from what never was
PYTORCH = """
cholesky cholesky_ex cond cross det diagonal eig eigh eigvals eigvalsh householder_product inv inv_ex ldl_factor
ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matmul matrix_exp matrix_norm matrix_power matrix_rank
multi_dot norm pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve vander vecdot
vector_norm
"""


def __getattr__(name: str) -> Any:
    if name in LINALG:
        return LINALG[name]
    if name in PYTORCH.split():
        raise NotYetError(f"linalg.{name}: PyTorch has it, chainrule does not have it yet.")
    raise AttributeError(f"module 'chainrule.linalg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(LINALG)
