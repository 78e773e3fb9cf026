"""A quick look at what a program took for granted: which objects stand where the checks (`checks.py`) would look."""

from __future__ import annotations

import ctypes
import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from chainrule.checks import MISSING, Check, Look

POINTER = ctypes.sizeof(ctypes.c_void_p)


class Seen(NamedTuple):
    """What was found at one place: of items, all keys and then all values; of a scope, its names and the values."""

    look: Look
    length: int  # of the container
    objects: tuple[Any, ...]


class Glance:
    """A quick look at many things: a single expression, since a loop over the checks takes three times as long."""

    def __init__(self, checks: Iterable[Check]) -> None:
        places = [(check, check.glance()) for check in checks]
        self.rest = [check for check, looks in places if looks is None]  # these have to be looked at in full
        self.looks = [look for _, looks in places for look in looks or ()]
        self._look: Callable[[], tuple[tuple[int, ...], tuple[Any, ...]]] = function_of(self.looks)
        self._lengths: tuple[int, ...] | None = None
        self._objects: tuple[Any, ...] = ()  # held: an object that is gone could be taken for one in its place
        self._which = Identities(())

    def remember(self) -> None:
        """Takes things as they are now."""
        try:
            self._lengths, self._objects = self._look()
        except ValueError:  # a variable that has no value
            self._lengths, self._objects = None, ()
        self._which = Identities(self._objects)

    def same(self) -> bool:
        """Whether the objects are still the very same ones."""
        try:
            lengths, objects = self._look()
        except ValueError:
            return False
        return lengths == self._lengths and self._which.are_of(objects)

    def seen(self) -> list[Seen] | None:
        """What was found when it was last remembered, None if nothing was."""
        if self._lengths is None:
            return None
        found, lengths, objects = [], iter(self._lengths), iter(self._objects)
        for look in self.looks:
            length = 1 if look.kind in ("entry", "variable") else next(lengths)
            count = 2 * length if look.kind == "items" else length + len(look.names) * (look.kind == "scope")
            found.append(Seen(look, length, tuple([next(objects) for _ in range(count)])))
        return found


def function_of(looks: Iterable[Look]) -> Callable[[], tuple[tuple[int, ...], tuple[Any, ...]]]:
    """What looks at all these places. It returns the lengths of the containers, and the objects."""
    known: dict[str, Any] = {"keys": dict.keys, "values": dict.values, "MISSING": MISSING}
    lengths, objects = [], []
    for k, (kind, thing, names) in enumerate(looks):
        known[f"_{k}"], known[f"names_{k}"] = thing, names
        if kind == "items":
            lengths.append(f"len(_{k}),")
            objects.append(f"*keys(_{k}), *values(_{k})," if thing else "")
        elif kind == "elements":
            lengths.append(f"len(_{k}),")
            objects.append(f"*_{k}," if thing else "")
        elif kind == "scope":
            lengths.append(f"len(scope_{k} := _{k}()),")
            objects.append(f"*scope_{k}, *map(scope_{k}.get, names_{k}),")
        elif kind == "entry":
            known[f"_{k}"] = thing.get
            objects.append(f"_{k}({names[0]!r}, MISSING),")
        else:
            objects.append(f"_{k}.cell_contents,")
    look: Callable[[], Any] = eval(f"lambda: (({''.join(lengths)}), ({''.join(objects)}))", known)
    return look


class Identities:
    """Which objects a tuple holds.

    On CPython they are read as the bytes of the tuple's pointers: a loop over `is` takes four times as long.
    """

    def __init__(self, objects: tuple[Any, ...]) -> None:
        self._objects = objects
        self._bytes_at = (ctypes.c_char * (len(objects) * POINTER)).from_address
        self._pointers = self._bytes_at(id(objects) + tuple.__basicsize__).raw if FINDS_POINTERS else b""

    def are_of(self, objects: tuple[Any, ...]) -> bool:
        """Whether another tuple of the same length holds the very same objects."""
        if FINDS_POINTERS:
            return self._bytes_at(id(objects) + tuple.__basicsize__).raw == self._pointers
        return all(map(operator.is_, objects, self._objects))


def _finds_pointers() -> bool:
    """Whether a tuple is laid out as `Identities` takes it to be."""
    if sys.implementation.name != "cpython":
        return False
    some = (object(), object())
    found = (ctypes.c_void_p * len(some)).from_address(id(some) + tuple.__basicsize__)
    return list(found) == list(map(id, some))


FINDS_POINTERS = _finds_pointers()
