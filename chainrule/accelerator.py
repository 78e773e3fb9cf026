"""`torch.accelerator`: there is none, and a script that asks is told so. What would use one raises NotYetError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def current_accelerator(check_available: bool = False) -> None:
    """None, as in PyTorch on such a machine."""


def device_count() -> int:
    """0."""
    return 0


__getattr__: Callable[[str], Any] = absent(
    "accelerator",
    "Graph current_device_idx current_device_index current_stream device_index empty_cache get_device_capability "
    "get_memory_info max_memory_allocated max_memory_reserved memory_allocated memory_reserved memory_stats "
    "reset_peak_memory_stats set_device_idx set_device_index set_stream synchronize",
    " Tensors are on the CPU.",
)
