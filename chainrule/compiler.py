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
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

from chainrule.call_key import Key, by_identity, call_key, difference, weakly
from chainrule.explanation import Explanation
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.graph import Graph
from chainrule.ir.origin import user_frame
from chainrule.ir.tree import Structure, flatten
from chainrule.program import Program
from chainrule.short_call import NOT_SHORT, ShortCall
from chainrule.tracing import traced

MANY_TRACES = 8  # past so many, something varies that should not
KEPT = 16  # programs for one key, the latest
SHORT = 4  # programs that are tried without making a key


def compile(function: Callable[..., Any] | None = None, *, keep_grads: bool = False, **speed_only: Any) -> Any:
    """Turns a function of tensors (a training step, a module) into one program. Also a decorator, with or without ().

    function: ordinary chainrule code without Python branches on tensor values. Arguments: tensors, NumPy arrays and
    floats are inputs; int, bool, str and None are part of the key, so another value is another trace.
    keep_grads: store `.grad` after a step that calls an optimiser (otherwise such a step lets them go).
    PyTorch's options are accepted: `disable=True` leaves the function as it is; fullgraph, dynamic, mode, backend and
    options have no effect.

    `compiled.traces` counts the traces made; `compiled.graph` is the last program, printable as text;
    `compiled.explain()` tells what became of it.
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

    # Calls change all of these but the function; a step may hold itself.
    _own_ = (
        "_function", "_keep_grads", "_programs", "_shorts", "_keys_of", "_lock", "_warned", "_before", "traces", "last",
    )  # fmt: skip
    _unobserved_ = _own_[1:]

    def __init__(self, function: Callable[..., Any], keep_grads: bool) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._keep_grads = keep_grads
        self._programs: dict[Key, list[Program]] = {}
        self._shorts: list[ShortCall] = []  # the latest first
        self._keys_of: dict[int, tuple[Any, set[Key]]] = {}  # the keys that an object's identity stands in
        self._lock = threading.RLock()
        self._warned = False
        self._before: Key | None = None  # of the last trace
        self.traces = 0
        self.last: Program | None = None

    @property
    def graph(self) -> Graph:
        """The graph of the program that ran last."""
        if self.last is None:
            raise ArgumentError("compile: this function was not called yet, so it has no graph.")
        return self.last.graph

    def explain(self, *, times: bool = False) -> Explanation:
        """What became of the program that ran last: print it. Its kernels, what was fused into each, what was not and
        why, bytes moved, FLOPs, memory. With `times`, each kernel is also run alone for about a millisecond and timed.
        """
        if self.last is None:
            raise ArgumentError("compile: this function was not called yet, so there is nothing to explain.")
        with self._lock:
            return self.last.explain(times)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._own_ or name.startswith("__"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._function, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self._function, self._keep_grads)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.trace.get() is not None:  # inside another compiled function: part of its program
            return self._function(*args, **kwargs)
        with self._lock:
            for short in () if kwargs else self._shorts:
                result = short(args)
                if result is not NOT_SHORT:
                    if self.last is not short.program:  # a write that is not needed costs half a microsecond
                        self.last = short.program
                    return result
            leaves, structure = flatten((args, kwargs))
            program = self._program(leaves, structure)
            way = self._short_way(program, leaves, args, kwargs)
            result = NOT_SHORT if way is None else way(args)  # writes cells where they are: no memory for new ones
            return program.run(leaves) if result is NOT_SHORT else result

    def _short_way(
        self, program: Program, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ShortCall | None:
        """The short way to call the program, which is taken from now on; None if there is none."""
        if program.short is None:
            program.short = ShortCall.of(program, leaves, args, kwargs) or False
        if program.short:
            self._shorts = [program.short, *[short for short in self._shorts if short is not program.short]][:SHORT]
        return program.short or None

    def _program(self, leaves: list[Any], structure: Structure) -> Program:
        key = call_key(leaves, structure)
        programs = self._programs.setdefault(key, [])
        stale: str | None = None
        for program in programs:
            stale = program.observations.changed()
            if stale is None and program.fits(leaves):
                self.last = program
                return program
        program = traced(self._function, leaves, structure, self._keep_grads)
        programs.insert(0, program)
        del programs[KEPT:]
        self._keep_while_alive(key, leaves)
        self.traces += 1
        self.last = program
        if self.traces > MANY_TRACES and not self._warned:
            self._warn(key, stale)
        self._before = key
        return program

    def _keep_while_alive(self, key: Key, leaves: list[Any]) -> None:
        """Programs go when an object goes that stands in their key: another one may get its identity."""
        for thing in by_identity(leaves):
            if id(thing) not in self._keys_of:
                self._keys_of[id(thing)] = weakly(thing, _forgetting(weakref.ref(self), id(thing))), set()
            self._keys_of[id(thing)][1].add(key)

    def _forget(self, identity: int) -> None:
        _, keys = self._keys_of.pop(identity, (None, set()))
        for key in keys:
            programs = self._programs.pop(key, [])
            self._shorts = [short for short in self._shorts if short.program not in programs]
            if self.last in programs:
                self.last = None

    def _warn(self, key: Key, stale: str | None) -> None:
        self._warned = True
        varies = stale or ("its surroundings" if self._before is None else difference(key, self._before))
        frame = user_frame()
        warnings.warn_explicit(
            f"{getattr(self._function, '__name__', 'the compiled function')} was traced {self.traces} times: "
            f"{varies} varies from call to call. Pass what varies as a tensor or a float, or pad to few shapes.",
            UserWarning,
            frame.f_code.co_filename if frame else "chainrule",
            frame.f_lineno if frame else 0,
        )


def _forgetting(compiled: weakref.ref[Compiled], identity: int) -> Callable[[Any], None]:
    """What is called when an object is gone: without a hold on the compiled function, which holds this."""

    def gone(_: Any) -> None:
        found = compiled()
        if found is not None:
            found._forget(identity)

    return gone
