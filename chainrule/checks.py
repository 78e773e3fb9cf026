"""What a program can depend on besides tensors, as checks that say whether it is still as it was, and what is not."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.ir.types import DType

SCALARS = (bool, int, float, complex, str, bytes, type(None), DType, range, slice, np.generic)
MISSING = object()
WHOLE = 1 << 20  # bytes of an array that are compared; of a larger one, a sample

Holds = Callable[[str], bool]


def same(now: Any, before: Any) -> bool:
    """Equal and of one type for plain values and tuples of them, the same object for all others."""
    if now is before:
        return True
    if type(now) is not type(before):
        return False
    if isinstance(now, tuple):
        return len(now) == len(before) and all(map(same, now, before))
    return isinstance(now, SCALARS) and (bool(now == before) or bool(now != now and before != before))


class Look(NamedTuple):
    """A place where objects are."""

    kind: str  # "items" of a dict, "elements", a "scope" that a function returns, an "entry" of one, a "variable"
    thing: Any
    names: tuple[str, ...] = ()  # of a scope: those whose values matter; of an entry: its own


class Check:
    """Something that was observed. `changed` names what is no longer as it was, None if all is."""

    __slots__ = ()

    def changed(self) -> str | None:
        """What has changed, in words."""
        raise NotImplementedError

    def glance(self) -> list[Look] | None:
        """Where to look quickly (`glance.py`): as long as the very same objects are there, nothing has changed;
        otherwise something may have. None if there is no quick look.
        """
        return None


class Result(Check):
    """What a function without arguments answers: a summary of something that has no names or elements."""

    __slots__ = ("expected", "label", "read")

    def __init__(self, read: Callable[[], Any], label: str) -> None:
        self.read = read
        self.expected = read()
        self.label = label

    def changed(self) -> str | None:
        return None if same(self.read(), self.expected) else self.label


class Entries(Check):
    """All entries of a dict, in their order."""

    __slots__ = ("expected", "label", "mapping")

    def __init__(self, mapping: dict[Any, Any], label: str) -> None:
        self.mapping = mapping
        self.expected = list(dict.items(mapping))  # an optimiser's group shows floats; what it holds are cells
        self.label = label

    def changed(self) -> str | None:
        now = list(dict.items(self.mapping))
        if len(now) != len(self.expected):
            return f"the names in {self.label}"
        for (key, value), (name, before) in zip(now, self.expected, strict=True):
            if not same(key, name):
                return f"the names in {self.label}"
            if value is not before and not same(value, before):
                return f"{self.label}[{in_words(key)}]"
        return None

    def glance(self) -> list[Look]:
        return [Look("items", self.mapping)]


class Elements(Check):
    """The elements of a list, a set or a deque."""

    __slots__ = ("expected", "label", "sequence")

    def __init__(self, sequence: Iterable[Any], label: str) -> None:
        self.sequence = sequence
        self.expected = list(sequence)
        self.label = label

    def changed(self) -> str | None:
        now = list(self.sequence)
        if len(now) == len(self.expected) and all(map(same, now, self.expected)):
            return None
        return f"the contents of {self.label}"

    def glance(self) -> list[Look]:
        return [Look("elements", self.sequence)]


class Scope(Check):
    """Those names of a scope (of an object, a class, a module) that the code may load; `expected` grows while it looks.

    A name that is not there is observed too: one that appears and matters is a change.
    """

    __slots__ = ("expected", "label", "matters", "read", "tables")

    def __init__(
        self, read: Callable[[], Mapping[str, Any]], matters: Holds, label: str, tables: Collection[str] = ()
    ) -> None:
        self.read = read
        self.matters = matters
        self.label = label
        self.tables = tables  # names of containers whose owner counts the writes to them
        self.expected: dict[str, Any] = {}

    def discover(self) -> list[tuple[str, Any]]:
        """The names and values that matter and were not observed so far; from now on they are."""
        found = [(n, v) for n, v in list(self.read().items()) if n not in self.expected and self.matters(n)]
        self.expected.update(found)
        return found

    def changed(self) -> str | None:
        found = 0
        for name, value in list(self.read().items()):
            before = self.expected.get(name, MISSING)
            if before is MISSING:
                if self.matters(name):
                    return f"{self.label}.{name}"
            elif value is before or same(value, before):
                found += 1
            else:
                return f"{self.label}.{name}"
        return None if found == len(self.expected) else f"the names in {self.label}"

    def glance(self) -> list[Look]:
        return [Look("scope", self.read, tuple(self.expected))]


class Globals(Check):
    """The globals that one function's code loads."""

    __slots__ = ("expected", "scope")

    def __init__(self, scope: dict[str, Any], names: Iterable[str]) -> None:
        self.scope = scope
        self.expected = [(name, scope.get(name, MISSING)) for name in names]

    def changed(self) -> str | None:
        for name, before in self.expected:
            now = self.scope.get(name, MISSING)
            if now is not before and not same(now, before):
                return f"{name} (global)"
        return None

    def glance(self) -> list[Look]:
        return [Look("entry", self.scope, (name,)) for name, _ in self.expected]


class Closure(Check):
    """The variables that a function has from the functions around it."""

    __slots__ = ("cells", "expected")

    def __init__(self, function: Any) -> None:
        self.cells = list(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        self.expected = [contents(cell) for _, cell in self.cells]

    def changed(self) -> str | None:
        for (name, cell), before in zip(self.cells, self.expected, strict=True):
            now = contents(cell)
            if now is not before and not same(now, before):
                return f"{name} (closure)"
        return None

    def glance(self) -> list[Look]:
        return [Look("variable", cell) for _, cell in self.cells]


class Slots(Check):
    """The attributes of an object that has slots."""

    __slots__ = ("expected", "label", "thing")

    def __init__(self, thing: Any, label: str) -> None:
        self.thing = thing
        self.label = label
        self.expected = slots_of(thing)

    def changed(self) -> str | None:
        for name, before in self.expected.items():
            if not same(getattr(self.thing, name, MISSING), before):
                return f"{self.label}.{name}"
        return None


class Numbers(Check):
    """The contents of an array that the traced code may compute with in NumPy."""

    __slots__ = ("array", "expected", "label")

    def __init__(self, array: np.ndarray[Any, Any], label: str) -> None:
        self.array = array
        self.label = label
        self.expected = self._summary()

    def _summary(self) -> tuple[Any, ...]:
        array = self.array
        if array.dtype.hasobject or array.nbytes <= WHOLE:
            content = array.tolist() if array.dtype.hasobject else array.tobytes()
        else:  # a data set; who refills it changes most of it
            content = array.flat[:: array.size // 4096].tobytes()
        return array.shape, array.dtype.str, content

    def changed(self) -> str | None:
        return None if self._summary() == self.expected else f"the contents of {self.label}"


def in_words(key: Any) -> str:
    """What to call a key of a dict: a tensor's text would be long."""
    return repr(key) if isinstance(key, SCALARS) else f"a {type(key).__name__}"


def contents(cell: Any) -> Any:
    """What a variable of an outer function holds."""
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING


def slots_of(thing: Any) -> dict[str, Any]:
    """The attributes that an object keeps in slots."""
    names: list[str] = []
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{kind.__name__.lstrip('_')}{name}" if private else name)
    plain = [name for name in names if name not in ("__dict__", "__weakref__")]
    return {name: getattr(thing, name, MISSING) for name in plain}


def remaining(iterator: Any) -> int:
    """How much an iterator of Python's own has left, -1 if it does not say."""
    return operator.length_hint(iterator, -1)
