"""Which names a function's code can load: its globals, the attributes that it asks for, the modules that it imports."""

from __future__ import annotations

import dis
import functools
from types import CodeType
from typing import NamedTuple

GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"}


class Names(NamedTuple):
    """What a code object, and those nested in it, name."""

    globals: frozenset[str]
    attributes: frozenset[str]
    imports: frozenset[str]


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> Names:
    """The names that a code object, and those nested in it, load."""
    found: dict[str, set[str]] = {"globals": set(), "attributes": set(), "imports": set()}
    for step in dis.get_instructions(code):
        if step.opname in GLOBALS:
            found["globals"].add(step.argval)
        elif step.opname in ATTRIBUTES:
            found["attributes"].add(step.argval)
        elif step.opname == "IMPORT_NAME":
            found["imports"].add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for name, more in names_in(constant)._asdict().items():
                found[name] |= more
        elif isinstance(constant, tuple):  # `case Point(x=0)` asks for the attributes that it names in a tuple
            found["attributes"].update(part for part in constant if isinstance(part, str))
    return Names(**{name: frozenset(names) for name, names in found.items()})
