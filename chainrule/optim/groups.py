"""A parameter group: the parameters that are updated alike, and the settings of their update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.ir import state
from chainrule.ir.errors import NotYetError
from chainrule.optim.cells import ABOVE_HALF, ZERO, CellDict, NumberCell
from chainrule.tensor import Tensor

LISTS = ("params", "param_names")


def was_put(held: Any, value: Any) -> bool:
    """Writes a float, or a tuple of them, to the cells that are there: the short way, which each step of a schedule
    takes. False where it is something else, or another cell is needed."""
    if held.__class__ is NumberCell:
        return value.__class__ is float and held.put(value) is held
    if held.__class__ is not tuple or value.__class__ is not tuple or len(held) != len(value):
        return False
    for cell, part in zip(held, value, strict=True):
        if cell.__class__ is not NumberCell or part.__class__ is not float or cell.put(part) is not cell:
            return False
    return True


class ParamGroup(CellDict):
    """An entry of `optimizer.param_groups`: a dict with `params` and the settings, whose numbers read as floats."""

    __slots__ = ("changes",)

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.changes = 0  # counts the writes that shape a program: all but those of numbers to their cells
        super().__init__(entries)

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "differentiable" and value:
            raise NotYetError("optimiser: differentiable=True is not there yet; leave it out.")
        held = dict.get(self, name)
        if was_put(held, value):
            return
        if name in LISTS:
            state.bump_version()
            dict.__setitem__(self, name, value)
        elif isinstance(value, Tensor) and value.shape and value.shape.numel() == 1:
            super().__setitem__(name, value.reshape(()))  # a view: who writes the tensor writes the setting
        else:
            super().__setitem__(name, value)
        self.changes += dict.get(self, name) is not held

    def is_zero(self, name: str, index: int = 0) -> bool:
        """Whether a setting is exactly zero. An update may branch on it, also while it is traced: a write that changes
        the answer makes a compiled step be traced again. index: the entry of a tuple."""
        return self._fact(ZERO, name, index)

    def is_above_half(self, name: str, index: int = 0) -> bool:
        """Whether a setting is above 0.5; as `is_zero`."""
        return self._fact(ABOVE_HALF, name, index)

    def _fact(self, fact: str, name: str, index: int) -> bool:
        held = dict.__getitem__(self, name)
        cell = held[index] if isinstance(held, tuple) else held
        return isinstance(cell, NumberCell) and cell.fact(fact)
