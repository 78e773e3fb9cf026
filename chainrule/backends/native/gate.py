"""Gates: what stands before a program that is called again and again, in machine code.

A call of a small step takes as long as the step if Python looks at everything that it depends on. A gate does so from a
plan, a list of records (`gate_code.py`), in a few hundred nanoseconds, and runs the program. It answers REFUSED if
anything is not as planned: then nothing was run, or an index was out of range, and the call is to be made another way.
It raises what Python's functions raise that it calls to look, Ctrl-C above all; then nothing was run either.

It reads objects where CPython and NumPy keep their fields. Whether that is so here is looked at once: with another
interpreter, or one without its lock, there are no gates.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from chainrule.backends.native import gate_code as layout
from chainrule.backends.native.cache import user_cache
from chainrule.backends.native.gate_code import FIELDS, HEAD, KNOWN, LOOK, PASS, RUN
from chainrule.backends.native.jit import Library, NativeUnavailable, host_level, load
from chainrule.backends.native.pool import Launch

_TAKES_ONE = 8  # METH_O
_word_at = ctypes.c_int64.from_address


class _Method(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("text", ctypes.c_char_p),
    )


class Gate:
    """The gate of one program, on one table. Called with the tuple of arguments."""

    def __init__(
        self, launch: Launch, table: int, failed: int, arguments: int, shared: Sequence[Any], program: Any,
        records: Iterable[Sequence[int]], held: Any, *, runs: bool = True,
    ) -> None:  # fmt: skip
        """With `runs` it runs the program itself. `failed` is the address of the program's error word; `shared` are the
        set of running programs and the list of what was retired; `held` is what the records name, and what needs to be
        there when the program runs.
        """
        running, retired = shared
        head = (arguments, launch.function, launch.address, table, failed, id(running), id(program), id(retired))
        assert len(head) == len(HEAD)
        words = list(head)
        for kind, *rest in records:
            words += kind, 2 + len(rest), *rest
        plan = np.array([*words, RUN if runs else PASS, 2], np.int64)
        self._held = (plan, launch, running, retired, held)
        self._launch = launch
        self.call: Callable[[tuple[Any, ...]], int] = _new_function(ctypes.byref(_method()), plan, None)

    def finish(self, outcome: int) -> None:
        """What is to be done now and then after a run; `outcome` is more than RAN."""
        if outcome & LOOK:
            self._launch.look()


def is_possible() -> bool:
    """Whether objects are laid out as the code takes them to be."""
    return _finds_python() and _finds_arrays()


def offsets_of(sample: Any, names: Iterable[str]) -> list[int] | None:
    """Where an object keeps its slots of these names, None if one is not found."""
    found = []
    for name in names:
        before, mark = getattr(sample, name), object()
        setattr(sample, name, mark)
        places = [k for k in range(0, type(sample).__basicsize__, 8) if _word_at(id(sample) + k).value == id(mark)]
        setattr(sample, name, before)
        found += places[:1]
    return found if len(found) == len(list(names)) else None


def know(tensor: Any, value: Any) -> bool:
    """Tells the code where tensors and values, of which these are samples, keep what it reads."""
    offsets = (offsets_of(tensor, ("_carrier", "_view", "_leaf")), offsets_of(value, ("array", "needs_grad", "leaf")))
    if offsets[0] is None or offsets[1] is None:
        return False
    objects = (np.ndarray, np.dtype(np.float64), type(tensor), type(value), MappingProxyType, None, False)
    functions = [ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0 for name in layout.FUNCTIONS]
    known = [*map(id, objects), *offsets[0], *offsets[1], *functions]
    try:
        code = _code()
    except NativeUnavailable:
        return False
    place = (ctypes.c_int64 * len(KNOWN)).from_address(code.address("known"))
    ctypes.memmove(place, (ctypes.c_int64 * len(KNOWN))(*known), ctypes.sizeof(place))
    return True


@functools.cache
def _code() -> Library:
    level = host_level()
    return load(layout.text(level), level, user_cache()).keep()  # a gate may outlive all that could hold it


@functools.cache
def _method() -> _Method:
    return _Method(b"gate", _code().address("gate"), _TAKES_ONE, None)


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


def _finds_python() -> bool:
    if sys.implementation.name != "cpython" or object.__basicsize__ != 16 or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    if (tuple.__basicsize__, list.__basicsize__, types.CellType.__basicsize__) != (24, 40, 24):
        return False
    thing = object()
    mapping: dict[str, int] = {}
    pair, elements, variable, proxy = (thing, None), [thing, None], types.CellType(thing), MappingProxyType(mapping)
    return (
        _word_at(id(thing) + FIELDS["TYPE"]).value == id(object)
        and _word_at(id(pair) + FIELDS["SIZE"]).value == _word_at(id(elements) + FIELDS["SIZE"]).value == len(pair)
        and _word_at(id(pair) + FIELDS["TUPLE_ITEMS"]).value == id(thing)
        and _word_at(_word_at(id(elements) + FIELDS["LIST_ITEMS"]).value).value == id(thing)
        and _word_at(id(variable) + FIELDS["CELL_CONTENTS"]).value == id(thing)
        and _word_at(id(proxy) + FIELDS["PROXIED"]).value == id(mapping)
    )


def _finds_arrays() -> bool:
    if np.ndarray.__basicsize__ < FIELDS["DTYPE"] + 8:
        return False
    array = np.zeros((3, 8), np.float32)[:, ::2]
    at = {name: _word_at(id(array) + FIELDS[name]).value for name in ("DATA", "SIZES", "STRIDES", "DTYPE")}
    return (
        at["DATA"] == array.ctypes.data
        and ctypes.c_int32.from_address(id(array) + FIELDS["DIMENSIONS"]).value == array.ndim
        and at["DTYPE"] == id(array.dtype)
        and tuple((ctypes.c_int64 * 2).from_address(at["SIZES"])) == array.shape
        and tuple((ctypes.c_int64 * 2).from_address(at["STRIDES"])) == array.strides
    )
