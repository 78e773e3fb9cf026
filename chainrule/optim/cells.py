"""Dicts whose numbers live in cells, so that a compiled step reads them anew at every call.

Outside a trace they read as Python numbers; inside one as the cells themselves, scalars that combine with tensors as
Python numbers do. Which entries there are, and what in them is no number, shapes the program: writing that counts as a
write to the optimiser.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import float64
from chainrule.ir.value import Carrier, Value
from chainrule.ops.control import detach
from chainrule.ops.creation import full
from chainrule.ops.promotion import cast
from chainrule.tensor import ScalarCell, Tensor

ZERO, ABOVE_HALF = "zero", "above half"
FACTS: dict[str, Callable[[float], bool]] = {
    ZERO: lambda number: bool(number == 0),
    ABOVE_HALF: lambda number: bool(number > 0.5),
}


_FACTS = tuple(FACTS.items())
_INTS = (int, np.integer)  # a union, made at each call, takes longer than the question
_NUMBERS = (int, float, np.integer, np.floating)


class NumberCell(ScalarCell):
    """The cell of one number. `facts` about it may shape a program; those that did are `asked`."""

    __slots__ = ("asked", "facts", "integer")

    def __init__(self, number: float) -> None:
        super().__init__(float(number))
        self.integer = isinstance(number, int | np.integer)
        self.facts = {name: holds(number) for name, holds in FACTS.items()}
        self.asked: set[str] = set()

    def number(self) -> int | float:
        """The number, as it is outside a trace; an int if it was given as one."""
        value: float = self._carrier.array.item()  # it is no view, and a trace writes beside it
        return int(value) if self.integer and value.is_integer() else value

    def fact(self, name: str) -> bool:
        """Whether a fact holds; from now on a write that changes it gives a new cell, which no old program fits."""
        self.asked.add(name)
        return self.facts[name]

    def put(self, number: Any) -> NumberCell:
        """Writes a number or a traced scalar; returns the cell that holds it from now on."""
        if state.trace.get() is not None:
            return self._put_in_trace(number)
        if number.__class__ is float and not self.integer and self._carrier.array.item() == number:
            return self  # as the second of two decay rates when a schedule writes both
        changed = [name for name, holds in _FACTS if holds(number) is not self.facts[name]]
        if changed:
            if self.asked.intersection(changed):
                state.bump_version()
                return NumberCell(number)
            self.facts |= {name: not self.facts[name] for name in changed}
        self.integer = isinstance(number, _INTS)
        self.write(Value(np.asarray(number, np.float64)))
        return self

    def _put_in_trace(self, number: Any) -> NumberCell:
        """Other calls may write other numbers, so the program must not count on zero."""
        cell = self
        if self.facts[ZERO] and ZERO in self.asked:
            state.bump_version()
            cell = NumberCell(self.number())
        cell.facts[ZERO] = False
        cell.write(traced_scalar(number))
        return cell


def traced_scalar(number: Any) -> Carrier:
    """A number or one-element tensor as a node that combines with tensors as a Python number does."""
    if not isinstance(number, Tensor):
        node = full((), float(number), float64)
    else:
        carrier = number.read()
        if carrier.type.size != 1:
            raise ArgumentError(f"a setting of an optimiser must be one number, not a tensor {carrier.type}.")
        node = detach(cast(carrier.reshape(()), float64))
    node.weak = True
    return node


def is_number(value: Any) -> bool:
    """Whether a value goes into a cell: an int or float, no bool."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def is_traced_number(value: Any) -> bool:
    """Whether a value is a tensor that stands for a number of the step that is being traced."""
    return isinstance(value, Tensor) and state.trace.get() is not None and value.shape.numel() == 1


def are_numbers(values: Any) -> bool:
    """Whether a value is one such as `betas`: a tuple of numbers, perhaps with one-element tensors among them."""
    if not isinstance(values, tuple | list) or not any(is_number(part) or is_traced_number(part) for part in values):
        return False
    return all(is_number(part) or (isinstance(part, Tensor) and part.shape.numel() == 1) for part in values)


def put(held: Any, value: Any) -> Any:
    """What a dict holds for `value` after `held`: cells for numbers, anything else as it is.

    A cell that is there is written. In a trace a tensor is a traced number; else it replaces the cell, as in PyTorch.
    """
    if is_number(value) or is_traced_number(value):
        if isinstance(held, NumberCell):
            return held.put(value)
        state.bump_version()
        return NumberCell(value) if is_number(value) else NumberCell(0.0).put(value)
    if are_numbers(value):
        before = held if isinstance(held, tuple) and len(held) == len(value) else (None,) * len(value)
        parts = tuple([put(old, part) for old, part in zip(before, value, strict=True)])
        same_cells = all(map(operator.is_, before, parts))  # then there is nothing for a program to see
        return before if same_cells else parts
    state.bump_version()
    return value


def shown(held: Any) -> Any:
    """What an entry reads as."""
    if isinstance(held, NumberCell):
        return held.number() if state.trace.get() is None else held
    if isinstance(held, tuple):
        return tuple([shown(part) for part in held])
    return held


class CellDict(dict[str, Any]):
    """A dict that shows numbers and holds cells; `dict.items(d)` gives what it holds."""

    __slots__ = ()
    _bumps_version_ = True
    _filled_while_tracing_ = True  # so a compiled function looks at what it holds after the trace

    def __init__(self, entries: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in entries.items():
            self[name] = value

    def __getitem__(self, name: str) -> Any:
        return shown(super().__getitem__(name))

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, put(super().get(name), value))

    def __delitem__(self, name: str) -> None:
        state.bump_version()
        super().__delitem__(name)

    def __iter__(self) -> Iterator[str]:  # because it is defined here, dict(d) and {**d} ask __getitem__
        return super().__iter__()

    # dict's own versions of these would show the cells, or write past them.
    get = Mapping.get  # type: ignore[assignment]
    items = Mapping.items  # type: ignore[assignment]
    values = Mapping.values  # type: ignore[assignment]
    pop = MutableMapping.pop
    setdefault = MutableMapping.setdefault
    update = MutableMapping.update
    clear = MutableMapping.clear
    __eq__ = Mapping.__eq__

    def copy(self) -> dict[str, Any]:
        """A plain dict of what the entries read as."""
        return dict(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)
