"""From the description of a kernel to its functions in LLVM IR."""

from __future__ import annotations

import hashlib

from chainrule.backends.native.columns import emit_columns
from chainrule.backends.native.contraction import emit_product, oriented
from chainrule.backends.native.elementwise import ROWS
from chainrule.backends.native.level import Level
from chainrule.backends.native.product_epilogue import BodyEpilogue
from chainrule.backends.native.rows import emit_rows
from chainrule.backends.native.text import Function
from chainrule.backends.native.whole import WHOLE, emit_whole
from chainrule.passes.fuse import CONSTANT, RANDOM, REDUCTION
from chainrule.passes.kernels import Columns, Kernel, Product, Rows
from chainrule.passes.views import MOVEMENT


def has_row(name: str) -> bool:
    """Whether a primitive becomes machine code as it is; another is expanded first."""
    return name in _HANDLED or name in ROWS or name in WHOLE


_HANDLED = frozenset({"input", "matmul", "index_select", "alias"}) | MOVEMENT | CONSTANT | REDUCTION | RANDOM


def emit(name: str, kernel: Kernel, level: Level) -> tuple[list[Function], int]:
    """The functions of a kernel, one of which is called `name`, and the bytes of scratch memory that it needs."""
    if isinstance(kernel, Rows):
        return emit_rows(name, kernel, level, ROWS)
    if isinstance(kernel, Columns):
        return emit_columns(name, kernel, level, ROWS)
    if isinstance(kernel, Product):
        turned = oriented(kernel)
        return emit_product(name, turned, level, BodyEpilogue(turned, level.width, ROWS))
    return emit_whole(name, kernel, level)


def name_of(kernel: Kernel) -> str:
    """The name of a kernel's function: the same for the same description, whatever program it stands in."""
    return f"kernel_{hashlib.sha256(repr(kernel).encode()).hexdigest()[:24]}"
