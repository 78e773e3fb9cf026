"""The process state, all of it: each a context variable, so threads and async tasks do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import ref

if TYPE_CHECKING:
    from chainrule.ir.heavy import Accelerator
    from chainrule.ir.trace import Trace
    from chainrule.ir.types import DType


class Layer(Protocol):
    """What the layer path needs of a module."""

    def name_within(self, outer: Any) -> str:
        """The dotted name under which `outer` holds this layer."""


T = TypeVar("T")

# The innermost layer call, linked to the one around it. Weak: programs remember where their nodes come from, and must
# not keep models alive.
Layers = tuple["Layers", "ref[Layer]"] | None

gradients_enabled: ContextVar[bool] = ContextVar("gradients_enabled", default=True)
trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
layers: ContextVar[Layers] = ContextVar("layers", default=None)
default_dtype: ContextVar[DType | None] = ContextVar("default_dtype", default=None)
transform_depth: ContextVar[int] = ContextVar("transform_depth", default=0)
write_log: ContextVar[list[Any] | None] = ContextVar("write_log", default=None)
generator: ContextVar[Any] = ContextVar("generator", default=None)
executor: ContextVar[str] = ContextVar("executor", default="native")
SETTINGS: tuple[ContextVar[Any], ...] = (
    gradients_enabled,
    default_dtype,
    generator,
    executor,
)  # that user code can set

DECIDING: tuple[ContextVar[Any], ...] = (
    gradients_enabled,
    default_dtype,
    transform_depth,
    executor,
    write_log,
)  # which program a call runs

# Counts writes to modules and optimisers. A compiled function compares it once per call; it is shared by all threads
# on purpose: a write anywhere must make every compiled function look again.
_version = [0]
_cell_uses = [0]
_threads = [0]
_counts: dict[str, int] = {}
_cache_folder: list[str | None] = [None]
_accelerator: list[Accelerator | None] = [None]

PLACES = {
    "version": _version,
    "cell_uses": _cell_uses,
    "threads": _threads,
}  # each holds the object that stands for now


def deciding() -> tuple[Any, ...]:
    """What of this state decides which program a call runs."""
    return tuple([variable.get() for variable in DECIDING])


def bump_version() -> None:
    """Says that a module or an optimiser was written to."""
    _version[0] += 1


def version() -> int:
    """The number of writes to modules and optimisers so far."""
    return _version[0]


def count_cell_use() -> None:
    """Says that a parameter or buffer was read, or written, outside of a compiled program."""
    _cell_uses[0] += 1


def cell_uses() -> int:
    """How often that was, so far."""
    return _cell_uses[0]


def set_threads(count: int) -> None:
    """Stores the number of threads of compiled programs; 0 means all cores of this process."""
    _threads[0] = count


def threads() -> int:
    """The number of threads that was set, 0 if none was."""
    return _threads[0]


def set_cache_folder(path: str | None) -> None:
    """Says where compiled code is kept from now on; None means the user's folder for such things."""
    _cache_folder[0] = path


def cache_folder() -> str | None:
    """The folder for compiled code that was set, None if none was."""
    return _cache_folder[0]


def set_accelerator(accelerator: Accelerator | None) -> None:
    """Says who computes heavy eager calls (`heavy.py`)."""
    _accelerator[0] = accelerator


def accelerator() -> Accelerator | None:
    """Who that is, None if NumPy computes them."""
    return _accelerator[0]


def count(what: str) -> int:
    """How often this was asked about `what` before: for what is done the first few times only, a warning for one."""
    _counts[what] = _counts.get(what, 0) + 1
    return _counts[what] - 1


@contextmanager
def using(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Sets a context variable for the length of a `with` block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
