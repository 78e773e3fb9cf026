"""`torch.cuda`: there is no such device, and a script that asks is told so. What would use one raises NotYetError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent


def is_available() -> bool:
    """False: tensors are on the CPU."""
    return False


def is_initialized() -> bool:
    """False, as there is nothing to initialise."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Does nothing, as in PyTorch without a GPU; `chainrule.manual_seed` seeds."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Does nothing, as in PyTorch without a GPU."""


__getattr__: Callable[[str], Any] = absent(
    "cuda",
    """
    BoolTensor ByteTensor CUDAGraph CharTensor DoubleTensor Event FloatTensor HalfTensor IntTensor LongTensor
    ShortTensor Stream StreamContext amp current_device current_stream default_stream device device_of get_arch_list
    get_device_capability get_device_name get_device_properties get_rng_state get_rng_state_all graph init initial_seed
    ipc_collect is_bf16_supported make_graphed_callables max_memory_allocated max_memory_reserved mem_get_info memory
    memory_allocated memory_reserved memory_stats memory_summary nvtx profiler random reset_max_memory_allocated
    reset_peak_memory_stats seed seed_all set_device set_per_process_memory_fraction set_rng_state set_rng_state_all
    set_stream stream synchronize temperature utilization
    """,
    " Tensors are on the CPU.",
)
