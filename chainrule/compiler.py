"""`@compile`: a function is traced once, and from then on run as one program.

What a call does: its arguments give a key (shapes, element types, plain values); among the programs traced for that
key, the first whose observations still hold (`staleness.py`) is run; if there is none, the function is traced again.
Tensors from outside are cells: read by handle at every call, and written when the program has finished, so that an
error in the middle leaves everything as it was.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from chainrule.call_key import Key, call_key, difference
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.graph import Graph
from chainrule.ir.origin import user_frame
from chainrule.ir.tree import Structure, flatten
from chainrule.program import Program
from chainrule.staleness import Check
from chainrule.tracing import Tracing

MANY_TRACES = 8  # past so many, something varies that should not


def compile(function: Callable[..., Any] | None = None, *, keep_grads: bool = False, **speed_only: Any) -> Any:
    """Turns a function of tensors (a training step, a module) into one program. Also a decorator, with or without ().

    function: ordinary chainrule code without Python branches on tensor values. Arguments: tensors, NumPy arrays and
    floats are inputs; int, bool, str and None are part of the key, so another value is another trace.
    keep_grads: store `.grad` after a step that calls an optimiser (otherwise such a step lets them go).
    PyTorch's options are accepted: `disable=True` leaves the function as it is; fullgraph, dynamic, mode, backend and
    options have no effect.

    `compiled.traces` counts the traces made; `compiled.graph` is the last program, printable as text.
    Raises TracedValueError, LeakedTensorError where the function asks for what is not known while tracing.
    """
    unknown = set(speed_only) - {"fullgraph", "dynamic", "mode", "backend", "options", "disable"}
    if unknown:
        raise ArgumentError(f"compile: unknown arguments {sorted(unknown)}; see help(chainrule.compile).")
    if function is None:
        return functools.partial(compile, keep_grads=keep_grads, **speed_only)
    if not callable(function):
        raise ArgumentError(f"compile: a function or a module is needed, not {type(function).__name__}.")
    return function if speed_only.get("disable") else Compiled(function, keep_grads)


class Compiled:
    """A compiled function. Attributes that it does not have itself are those of the function or module."""

    _unobserved_ = ("_programs", "_lock", "_warned", "traces", "last")  # calls change them; a step may hold itself

    def __init__(self, function: Callable[..., Any], keep_grads: bool) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._keep_grads = keep_grads
        self._programs: dict[Key, list[Program]] = {}
        self._lock = threading.RLock()
        self._warned = False
        self.traces = 0
        self.last: Program | None = None

    @property
    def graph(self) -> Graph:
        """The graph of the program that ran last."""
        if self.last is None:
            raise ArgumentError("compile: this function was not called yet, so it has no graph.")
        return self.last.graph

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.trace.get() is not None:  # inside another compiled function: part of its program
            return self._function(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        with self._lock:
            return self._program(leaves, structure).run(leaves)

    def _program(self, leaves: list[Any], structure: Structure) -> Program:
        key = call_key(leaves, structure)
        programs = self._programs.setdefault(key, [])
        stale: Check | None = None
        for program in programs:
            stale = program.observations.changed()
            if stale is None and program.fits(leaves):
                self.last = program
                return program
        program = Tracing(self._function, leaves, structure, self._keep_grads).program
        programs.insert(0, program)
        self.traces += 1
        self.last = program
        if self.traces > MANY_TRACES and not self._warned:
            self._warn(key, stale)
        return program

    def _warn(self, key: Key, stale: Check | None) -> None:
        self._warned = True
        others = [other for other in self._programs if other != key]
        varies = stale.label if stale is not None else difference(key, others[-1]) if others else "its surroundings"
        frame = user_frame()
        warnings.warn_explicit(
            f"{getattr(self._function, '__name__', 'the compiled function')} was traced {self.traces} times: "
            f"{varies} varies from call to call. Pass what varies as a tensor or a float, or pad to few shapes.",
            UserWarning,
            frame.f_code.co_filename if frame else "chainrule",
            frame.f_lineno if frame else 0,
        )
