"""What a trace took for granted: every plain Python value that a compiled function can see, and whether it changed.

Tensors are read by handle at each call and need no watching. Everything else that shaped the trace does: attributes of
modules, `training`, globals and closure variables, the contents of containers, settings of plain objects. They are
found from the function's code (the names that it and the functions it reaches can load), before it is traced.

Objects whose class says `_bumps_version_ = True` (modules, optimisers) count their writes, so they are looked at only
when that count has moved; the rest is compared at every call.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.origin import is_ours
from chainrule.ir.types import DType
from chainrule.tensor import Tensor

SCALARS = (bool, int, float, complex, str, bytes, type(None), DType, range, slice, np.generic)
CONTAINERS = (dict, list, tuple, set, frozenset)
MISSING = object()
Read = Callable[[], Any]


class Check:
    """One observed value: where it is read, what it was, and what to call it."""

    __slots__ = ("expected", "label", "read")

    def __init__(self, read: Read, expected: Any, label: str) -> None:
        self.read = read
        self.expected = expected
        self.label = label

    def holds(self) -> bool:
        """Whether the value is still the same."""
        return same(self.read(), self.expected)


def same(now: Any, before: Any) -> bool:
    """Equal and of one type for plain values, the same object for all others."""
    if now is before:
        return True
    return type(now) is type(before) and isinstance(now, SCALARS) and bool(now == before)


class Observations:
    """All checks of one trace."""

    def __init__(self) -> None:
        self.always: list[Check] = []
        self.counted: list[Check] = []
        self.late: list[Any] = []  # optimisers: the trace itself makes their slots, so they are looked at after it
        self._version = state.version()
        self._seen: set[int] = set()
        self._classes: set[type] = set()
        self._kept: list[Any] = []  # holds what is identified by id

    def changed(self) -> Check | None:
        """The first check that fails, None if everything is as it was."""
        for check in self.always:
            if not check.holds():
                return check
        version = state.version()
        if version != self._version:
            for check in self.counted:
                if not check.holds():
                    return check
            self._version = version
        return None

    def finish(self) -> None:
        """Looks at what had to wait for the end of the trace."""
        for thing in self.late:
            self._attributes(thing, type(thing).__name__, self.counted)
        self.late = []
        self._version = state.version()

    # Finding what there is to check

    def function(self, function: Any) -> None:
        """Everything that a callable can see."""
        if isinstance(function, MethodType):
            self.thing(function.__self__, "self", self.always)
            function = function.__func__
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None and not isinstance(function, FunctionType):
            self.thing(wrapped, "function", self.always)
        if not isinstance(function, FunctionType):
            self.thing(function, getattr(function, "__name__", "function"), self.always)
            return
        if id(function) in self._seen or is_ours(function.__module__ or ""):
            return
        self._remember(function)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._observe(lambda cell=cell: _cell_contents(cell), f"{name} (closure)", self.always)  # type: ignore[misc]
        for name in global_names(function.__code__):
            if name in function.__globals__:
                read = lambda scope=function.__globals__, name=name: scope.get(name, MISSING)
                self._observe(read, f"{name} (global)", self.always, attributes_named(function.__code__))
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.thing(default, "default argument", self.always)

    def _observe(self, read: Read, label: str, checks: list[Check], names: Iterable[str] = ()) -> None:
        value = read()
        if isinstance(value, ModuleType):
            self._module(value, names)
            return
        checks.append(Check(read, value, label))
        self.thing(value, label, checks)

    def _module(self, module: ModuleType, names: Iterable[str]) -> None:
        """A Python module of the user's: the names in it that the code may load from it."""
        if is_library(module.__name__) or id(module) in self._seen:
            return
        self._remember(module)
        for name in names:
            if name in vars(module):
                read = lambda name=name: vars(module).get(name, MISSING)
                self._observe(read, f"{module.__name__}.{name}", self.always)

    def thing(self, value: Any, label: str, checks: list[Check]) -> None:
        """What lies inside a value."""
        if isinstance(value, (*SCALARS, Tensor, np.ndarray, BuiltinFunctionType)):
            return
        if getattr(type(value), "_never_traced_", False):  # refuses to be used in a trace, and changes all the time
            return
        if id(value) in self._seen:
            return
        if isinstance(value, FunctionType | MethodType):
            self.function(value)
            return
        self._remember(value)
        if isinstance(value, dict):
            self._contents(value, label, checks)
        elif isinstance(value, CONTAINERS):
            self._elements(value, label, checks)
        elif isinstance(value, type):
            self._class(value)
        elif getattr(type(value), "_slots_appear_while_tracing_", False):
            self.late.append(value)
        elif hasattr(value, "__dict__"):
            counted = getattr(type(value), "_bumps_version_", False)
            self._attributes(value, label, self.counted if counted else self.always)

    def _remember(self, value: Any) -> None:
        self._seen.add(id(value))
        self._kept.append(value)

    def _contents(self, mapping: dict[Any, Any], label: str, checks: list[Check]) -> None:
        checks.append(_Keys(mapping, label))
        for key, value in list(dict.items(mapping)):  # an optimiser's group shows floats; what it holds are cells
            read = lambda key=key: dict.get(mapping, key, MISSING)
            checks.append(Check(read, value, f"{label}[{key!r}]"))
            self.thing(value, f"{label}[{key!r}]", checks)

    def _elements(self, sequence: Any, label: str, checks: list[Check]) -> None:
        if isinstance(sequence, list | set):
            checks.append(_Elements(sequence, label))
        for position, value in enumerate(list(sequence)):
            self.thing(value, f"{label}[{position}]", checks)

    def _attributes(self, thing: Any, label: str, checks: list[Check]) -> None:
        for name, value in list(vars(thing).items()):
            if name in getattr(type(thing), "_unobserved_", ()):
                continue
            read = lambda name=name: vars(thing).get(name, MISSING)
            checks.append(Check(read, value, f"{label}.{name}"))
            plain = isinstance(value, CONTAINERS) and name not in getattr(type(thing), "_counted_tables_", ())
            self.thing(value, f"{label}.{name}", self.always if plain else checks)  # a list does not count its writes
        checks.append(_Keys(vars(thing), label))
        self._class(type(thing))

    def _class(self, kind: type) -> None:
        """The user's classes: their plain attributes and the functions that they define."""
        for base in kind.__mro__:
            if is_library(base.__module__) or base in self._classes:
                continue
            self._classes.add(base)
            for name, value in list(vars(base).items()):
                inner = getattr(value, "__func__", value)
                if isinstance(inner, FunctionType):
                    self.function(inner)
                elif isinstance(value, SCALARS) and not name.startswith("__"):
                    read = lambda base=base, name=name: vars(base).get(name, MISSING)
                    self.always.append(Check(read, value, f"{base.__name__}.{name}"))


class _Keys(Check):
    """The keys of a dict."""

    __slots__ = ()

    def __init__(self, mapping: dict[Any, Any], label: str) -> None:
        super().__init__(lambda: mapping, list(mapping), f"the names in {label}")

    def holds(self) -> bool:
        return bool(list(self.read()) == self.expected)


class _Elements(Check):
    """The elements of a list or a set."""

    __slots__ = ()

    def __init__(self, sequence: Any, label: str) -> None:
        super().__init__(lambda: sequence, list(sequence), f"the contents of {label}")

    def holds(self) -> bool:
        now = list(self.read())
        return len(now) == len(self.expected) and all(map(same, now, self.expected))


def _cell_contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING


def is_library(module_name: object) -> bool:
    """Whether a module is chainrule's, NumPy's or Python's own: what they hold does not change under a program."""
    if not isinstance(module_name, str):  # some of Python's own classes have a descriptor there
        return module_name is not None
    root = module_name.partition(".")[0]
    return is_ours(module_name) or root == "numpy" or (root in sys.stdlib_module_names and root != "__main__")


def global_names(code: CodeType) -> list[str]:
    """The globals that a code object, and those nested in it, load."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names.update(global_names(constant))
    return sorted(names)


def attributes_named(code: CodeType) -> list[str]:
    """The attribute names that a code object, and those nested in it, load."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_ATTR", "LOAD_METHOD")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names.update(attributes_named(constant))
    return sorted(names)
