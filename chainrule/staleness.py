"""What a trace took for granted: every plain Python value that a compiled function can see, and whether it changed.

Tensors are read by handle at each call and need no watching. Everything else that shaped the trace does: attributes of
modules, `training`, globals and closure variables, the contents of containers, settings of plain objects. They are
found from the function's code (the names that it and the functions it reaches can load), before it is traced.

Objects whose class says `_bumps_version_ = True` (modules, optimisers) count their writes, so they are looked at only
when that count has moved; the rest is compared at every call.
"""

from __future__ import annotations

import array
import builtins
import functools
import itertools
import pickle
import random
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.checks import (
    SCALARS,
    Check,
    Closure,
    Elements,
    Entries,
    Globals,
    Numbers,
    Result,
    Scope,
    Slots,
    contents,
    in_words,
    remaining,
)
from chainrule.code_names import Names, names_in
from chainrule.glance import Glance, Seen
from chainrule.ir import state
from chainrule.ir.origin import is_ours
from chainrule.tensor import Tensor

# Who loads one of these may read any attribute, whatever names the code spells out.
READS_BY_NAME = {"getattr", "hasattr", "vars", "dir", "__dict__", "eval", "exec", "globals", "attrgetter", "asdict",
                 "astuple", "fields", "copy", "deepcopy"}  # fmt: skip
READS_NOTHING = {"builtins", "abc", "typing", "types", "argparse"}  # base classes from there ask for no attribute
INSTALLED = {"site-packages", "dist-packages"}  # the folders that installers put packages into
BOOKKEEPING = {  # what Python writes into classes for itself, some of it late
    "__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__annotate__", "__annotations_cache__",
    "__slots__", "__qualname__", "__dataclass_fields__", "__dataclass_params__", "__match_args__",
    "__static_attributes__", "__firstlineno__", "_abc_impl", "__abstractmethods__", "__parameters__", "__orig_bases__",
}  # fmt: skip


def random_sources() -> tuple[type, ...]:
    """The classes of random numbers that are not ours; those of NumPy only if the program has loaded them."""
    if "numpy.random" not in sys.modules:
        return (random.Random,)
    return (random.Random, np.random.Generator, np.random.RandomState)


class Asked:
    """The attributes that the code found so far asks for."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.any = False  # it may ask for any, by a name that it computes

    def ask(self, names: Names) -> None:
        """Adds those of one more function."""
        self.names |= names.attributes
        self.any |= not READS_BY_NAME.isdisjoint(names.attributes | names.globals)

    def matters(self, name: str) -> bool:
        """Whether an attribute may be read."""
        return self.any or name in self.names


class Observations:
    """All checks of one trace."""

    def __init__(self) -> None:
        self.always: list[Check] = []
        self.counted: list[Check] = []
        self._version = state.version()
        self._glance: Glance | None = None  # at `always`, when nothing had changed
        self._late: list[tuple[Any, str]] = []  # dicts of optimisers: the trace itself fills them
        self._traced = False
        self._pending: list[tuple[Any, str, bool]] = []  # a value, what to call it, whether its owner counts writes
        self._scopes: list[Scope] = []
        self._asked = Asked()
        self._home: set[str] = set()
        self._classes: set[type] = set()
        self._seen: dict[int, Any] = {}  # held while it is looked at: it goes by identity

    def changed(self) -> str | None:
        """What has changed, in words; None if everything is as it was."""
        if self._glance is None or not self._glance.same():
            for check in self.always:
                what = check.changed()
                if what is not None:
                    return what
            if self._glance is None:
                self._glance = Glance(self.always)
            self._glance.remember()
        for check in self._glance.rest:
            what = check.changed()
            if what is not None:
                return what
        version = state.version()
        if version != self._version:
            for check in self.counted:
                what = check.changed()
                if what is not None:
                    return what
            self._version = version
        return None

    def seen(self) -> tuple[int, list[Seen]] | None:
        """The number of writes at the last look, and which objects it found; None if they do not tell everything."""
        if self._glance is None or self._glance.rest or (objects := self._glance.seen()) is None:
            return None
        return self._version, objects

    def finish(self, read_as_inputs: Collection[int]) -> None:
        """Looks at what had to wait for the end of the trace. read_as_inputs: ids of arrays that every call reads."""
        self._traced = True
        late, self._late, self._scopes = self._late, [], []
        for mapping, label in late:
            self._mapping(mapping, label, True)
        self._look()
        self.always = [c for c in self.always if not (isinstance(c, Numbers) and id(c.array) in read_as_inputs)]
        self._seen = {}
        self._glance = None

    def observe(self, thing: Any, label: str) -> None:
        """Everything that a value, often a function, can see. The value itself is not kept alive if that can be."""
        of = thing if isinstance(thing, FunctionType | MethodType) else type(thing)
        root = str(of.__module__).partition(".")[0]
        if is_installed(root) and not is_ours(root):
            self._home.add(root)  # the user's own, although it is installed
        self._pending.append((thing, label, False))
        self._look()

    # Finding what there is to check

    def _look(self) -> None:
        """Follows what was found, until nothing new turns up; names found late can matter in scopes met early."""
        while True:
            while self._pending:
                self._value(*self._pending.pop())
            for scope in self._scopes:
                found = scope.discover()
                self._pending += [(value, f"{scope.label}.{name}", name in scope.tables) for name, value in found]
            if not self._pending:
                return

    def _follow(self, label: str, *values: Any) -> None:
        self._pending += [(value, label, False) for value in values]

    def _value(self, value: Any, label: str, counted: bool) -> None:
        """What lies inside a value."""
        kind = type(value)  # isinstance would ask the value itself
        if issubclass(kind, (*SCALARS, Tensor)) or id(value) in self._seen:
            return
        if getattr(kind, "_never_traced_", False):  # refuses to be used in a trace, and changes all the time
            return
        self._seen[id(value)] = value
        if issubclass(kind, FunctionType):
            self._function(value)
        elif issubclass(kind, ModuleType):
            self._module(value)
        elif issubclass(kind, type):
            self._class(value)
        elif issubclass(kind, np.ndarray):
            self.always.append(Numbers(value, label))
        elif issubclass(kind, dict):
            self._mapping(value, label, counted)
            self._object(value, label)
        elif not self._wrapper(value, label) and not self._random(value, label):
            self._container(value, label, counted)
            self._object(value, label)

    def _is_library(self, module_name: object) -> bool:
        return is_library(module_name) and str(module_name).partition(".")[0] not in self._home

    def _mapping(self, mapping: dict[Any, Any], label: str, counted: bool) -> None:
        kind = type(mapping)
        if not self._traced and getattr(kind, "_filled_while_tracing_", False):
            self._late.append((mapping, label))
            return
        counts = counted or getattr(kind, "_bumps_version_", False)
        (self.counted if counts else self.always).append(Entries(mapping, label))
        for key, value in list(dict.items(mapping)):
            self._pending.append((value, f"{label}[{in_words(key)}]", False))

    def _container(self, value: Any, label: str, counted: bool) -> None:
        kind = type(value)
        if issubclass(kind, list | set | deque):
            (self.counted if counted else self.always).append(Elements(value, label))
        if issubclass(kind, list | set | deque | tuple | frozenset):
            self._pending += [(part, f"{label}[{k}]", False) for k, part in enumerate(list(value))]
        elif issubclass(kind, types.MappingProxyType):
            self.always.append(Result(lambda: tuple(value.items()), label))
            self._follow(label, *value.values())
        elif issubclass(kind, bytearray | array.array):
            self.always.append(Result(lambda: bytes(value), label))
        elif issubclass(kind, itertools.count):
            self.always.append(Result(lambda: repr(value), label))
        elif issubclass(kind, Iterator):
            self.always.append(Result(lambda: remaining(value), label))

    def _wrapper(self, value: Any, label: str) -> bool:
        """Follows what is around a function or another value."""
        kind = type(value)
        if issubclass(kind, MethodType):
            self._follow("self", value.__self__)
            self._follow(label, value.__func__)
        elif issubclass(kind, functools.partial | functools.partialmethod):
            self._follow(label, value.func, value.args, value.keywords)
        elif issubclass(kind, staticmethod | classmethod):
            self._follow(label, value.__func__)
        elif issubclass(kind, property):
            self._follow(label, value.fget)
        elif issubclass(kind, functools.cached_property):
            self._follow(label, value.func)
        elif issubclass(kind, weakref.ReferenceType):
            self.always.append(Result(value, label))
            self._follow(label, value())
        elif issubclass(kind, BuiltinFunctionType):
            if not isinstance(value.__self__, ModuleType):
                self._follow(label, value.__self__)
        else:
            return False
        return True

    def _random(self, value: Any, label: str) -> bool:
        """A source of random numbers that are not ours: who draws from it while tracing is traced at every call."""
        if not issubclass(type(value), random_sources()):
            return False
        self.always.append(Result(lambda: random_state(value), f"the state of {type(value).__name__}, {label}"))
        return True

    def _object(self, value: Any, label: str) -> None:
        """The attributes of an object, and its class."""
        kind = type(value)
        if fields_of(value) is not None:
            tables = getattr(kind, "_counted_tables_", ())
            scope = Scope(attributes_of(value), self._matters_in_instance(kind), label, tables)
            (self.counted if getattr(kind, "_bumps_version_", False) else self.always).append(scope)
            self._scopes.append(scope)
        if not self._is_library(kind.__module__):
            slots = Slots(value, label)
            if slots.expected:
                self.always.append(slots)
                self._follow(label, *slots.expected.values())
        self._class(kind)

    def _matters_in_instance(self, kind: type) -> Callable[[str], bool]:
        """Which attributes of an instance may be read: all, if a class from a library that we do not know reads it."""
        hidden = getattr(kind, "_unobserved_", ())
        known: set[str] = set()
        for base in kind.__mro__:
            if self._is_library(base.__module__) and base.__module__ not in READS_NOTHING:
                if "_reads_" not in vars(base):
                    return lambda name: name not in hidden
                known.update(vars(base)["_reads_"])
        asked = self._asked  # not self, which would be held by what it holds
        return lambda name: name not in hidden and (name in known or asked.matters(name))

    def _class(self, kind: type) -> None:
        """The user's classes: what the code may load from them."""
        asked = self._asked
        theirs = [base for base in kind.__mro__ if self._is_library(base.__module__)]

        def matters(name: str) -> bool:
            if name in BOOKKEEPING:
                return False
            special = name.startswith("__") and name.endswith("__")
            return special or asked.matters(name) or any(name in vars(base) for base in theirs)

        for base in kind.__mro__:
            if base not in theirs and base not in self._classes:
                self._classes.add(base)
                scope = Scope(lambda base=base: vars(base), matters, base.__name__)  # type: ignore[misc]
                self.always.append(scope)
                self._scopes.append(scope)

    def _module(self, module: ModuleType) -> None:
        """A Python module: the names in it that the code may load."""
        if module is np:
            read = lambda: {"random": sys.modules.get("numpy.random")}  # NumPy loads it at first use
            self._scopes.append(Scope(read, self._asked.names.__contains__, "numpy"))
            return
        draws = module.__name__ in ("random", "numpy.random")
        if self._is_library(module.__name__) and not draws:
            return
        matters = self._asked.names.__contains__ if draws else self._asked.matters
        scope = Scope(lambda: vars(module), matters, module.__name__)
        self.always.append(scope)
        self._scopes.append(scope)

    def _function(self, function: FunctionType) -> None:
        """What a function's code can load."""
        self._follow("default argument", *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        self._follow("closure", *map(contents, function.__closure__ or ()))
        if is_ours(function.__module__ or ""):
            return
        if function.__closure__:
            self.always.append(Closure(function))
        self._follow(function.__name__, vars(function))
        scope = function.__globals__
        if self._is_library(scope.get("__name__", "")):
            return
        names = names_in(function.__code__)
        self._asked.ask(names)
        loaded = Globals(scope, [name for name in sorted(names.globals) if name in scope or not is_builtin(name)])
        self.always.append(loaded)
        for name, value in loaded.expected:
            self._follow(f"{name} (global)", value)
        self._follow("import", *imported(names.imports, scope.get("__package__")))


def attributes_of(thing: Any) -> Callable[[], dict[str, Any]]:
    """Reads the attributes of an object without keeping it alive, where that is possible."""
    try:
        reference = weakref.ref(thing)
    except TypeError:
        return lambda: fields_of(thing) or {}
    return lambda: fields_of(reference()) or {}


def fields_of(thing: Any) -> dict[str, Any] | None:
    """The dict of an object's attributes, if it has one, past whatever its class makes of reading them."""
    try:
        fields = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return fields if isinstance(fields, dict) else None


def random_state(source: Any) -> int:
    """A number that changes with every draw from a source of random numbers."""
    if isinstance(source, random.Random):
        return hash(source.getstate())
    found = source.bit_generator.state if type(source).__name__ == "Generator" else source.get_state()
    return hash(pickle.dumps(found))


def is_builtin(name: str) -> bool:
    """Whether Python itself has a name for it, which a global may hide; that it comes to do so is not watched."""
    return hasattr(builtins, name)


def imported(names: Collection[str], package: Any) -> list[ModuleType]:
    """The modules that import statements inside functions name."""
    absolute = {".".join(name.split(".")[:k]) for name in names for k in range(1, name.count(".") + 2)}
    relative = {f"{package}.{name}".rstrip(".") for name in names} if package else set()
    return [sys.modules[name] for name in sorted(absolute | relative) if name in sys.modules]


def is_library(module_name: object) -> bool:
    """Whether a module is chainrule's, Python's own or installed: what they hold does not change under a program."""
    if not isinstance(module_name, str):  # some of Python's own classes have a descriptor there
        return module_name is not None
    root = module_name.partition(".")[0]
    return is_ours(module_name) or (root != "__main__" and (root in sys.stdlib_module_names or is_installed(root)))


@functools.cache
def is_installed(root: str) -> bool:
    """Whether a package lies where installers put packages, not where its author works on it."""
    module = sys.modules.get(root)
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(not INSTALLED.isdisjoint(PurePath(place).parts) for place in places)
