"""Names of PyTorch's that are not here yet: told from names that never were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.ir.errors import NotYetError


def absent(path: str, names: str, instead: str = "") -> Callable[[str], Any]:
    """The `__getattr__` of a module that stands for PyTorch's module `path`.

    names: PyTorch's public names, separated by spaces; it is asked only about those that are not found, so whoever adds
    one need not touch the list. instead: what to use meanwhile.
    """
    known = frozenset(names.split())

    def __getattr__(name: str) -> Any:
        if name in known:
            raise NotYetError(
                f"{path}.{name} is part of PyTorch's interface that chainrule does not have yet.{instead}"
            )
        raise AttributeError(f"module 'chainrule.{path}' has no attribute '{name}'")

    return __getattr__
