"""Writes `Whole` kernels: primitives that move elements to computed places, run along an axis, sort, or go by blocks.

A row of `WHOLE` is `emit(f, kernel) -> bytes of scratch memory`: it writes the body of the kernel's function, exactly
as the primitive's `reference` in `chainrule/ops` means it.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.backends.native import assemble, points, scans, scatter, sorting
from chainrule.backends.native.attention_backward import blocked_attention_gradients
from chainrule.backends.native.attention_forward import blocked_attention
from chainrule.backends.native.body import kernel_function
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function
from chainrule.passes.kernels import Whole

Emitter = Callable[[Function, Whole], int]

WHOLE: dict[str, Emitter] = {
    "concatenate": assemble.concatenate,
    "pad": assemble.pad,
    "slice_update": assemble.slice_update,
    "gather": points.gather,
    "index_select": points.index_select,
    "take_points": points.take_points,
    "pick": points.pick,
    "index_add": scatter.index_add,
    "scatter": scatter.scatter,
    "scatter_add": scatter.scatter_add,
    "put_points": scatter.put_points,
    "cumsum": scans.cumsum,
    "cumprod": scans.cumprod,
    "recurrence": scans.recurrence,
    "argsort": sorting.argsort,
    "permutation": sorting.permutation,
    "blocked_attention": blocked_attention,
    "blocked_attention_gradients": blocked_attention_gradients,
}


def emit_whole(name: str, kernel: Whole, level: Level) -> tuple[list[Function], int]:
    """The kernel's functions, the first of which is to be called, and the bytes of scratch memory that it needs."""
    f = kernel_function(name, level)
    scratch = WHOLE[kernel.primitive](f, kernel)
    f.end()
    return [f], scratch
