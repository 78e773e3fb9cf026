"""Which backend runs a graph: machine code where this machine can have it, else the reference executor."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from chainrule import backends
from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.graph import Graph
from chainrule.ir.origin import warn
from chainrule.ir.types import Array
from chainrule.threads import get_num_threads

Executor = Callable[[Sequence[Array]], list[Array]]
NAMES = ("native", "reference")


def set_executor(name: str) -> None:
    """Says what runs compiled functions from their next trace on, and heavy calls outside of them.

    "native": machine code for this processor, the default; calls that do not take long outside of compiled functions
    run in NumPy. "reference": NumPy, op by op; compiled functions then give the bits that the same code gives without
    `@compile`. ArgumentError for another name.
    """
    if name not in NAMES:
        raise ArgumentError(f"set_executor: one of {', '.join(NAMES)} is needed, not {name!r}.")
    state.executor.set(name)


def get_executor() -> str:
    """What runs compiled functions that are traced now: "native" or "reference"."""
    return state.executor.get() if native() is not None else "reference"


P = ParamSpec("P")
T = TypeVar("T")


def without_collections(function: Callable[P, T]) -> Callable[P, T]:
    """For what makes many objects that live, as traces and passes do: collections would take long, and find nothing."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:  # no `contextmanager`: its frame would look like the user's
        collecting = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if collecting:
                gc.enable()

    return run


@without_collections
def compile_native(graph: Graph) -> Executor | None:
    """The program of a graph in machine code, None where there is none."""
    backend = native()
    if backend is None:
        return None
    try:
        return backend.compile(graph, get_num_threads, reference.compile)  # type: ignore[no-any-return]
    except (backend.NotCompiledError, backend.NativeUnavailable):
        return None


@without_collections
def compile_graph(graph: Graph) -> Executor:
    """The program of a graph."""
    if state.executor.get() == "native":
        backend = native()
        if backend is not None:
            try:
                return backend.compile(graph, get_num_threads, reference.compile)  # type: ignore[no-any-return]
            except backend.NotCompiledError as error:
                warn_once(f"{error} This function runs on the reference executor.")
            except backend.NativeUnavailable as error:
                warn_once(f"{_in_a_line(error)}. Such functions run on the reference executor, many times slower.")
    return reference.compile(graph)


@functools.cache
def native() -> Any:
    """The native backend, or None, with one warning, where there can be none."""
    slower = "compiled functions run on the reference executor, many times slower"
    try:
        backend: Any = backends.native
        backend.check()
    except Exception as error:  # no llvmlite, or one without its library, or another than expected; no memory for code
        is_missing = isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("llvmlite")
        repair = " Install llvmlite: `pip install llvmlite`." if is_missing else ""
        warn_once(f"{slower}: {_in_a_line(error)}.{repair}")
        return None
    return backend


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def warn_once(message: str) -> None:
    """Warns, the first time that there is this to say; it points to the user's line."""
    if state.count(message) == 0:
        warn(message)
