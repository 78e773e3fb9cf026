"""What an optimiser remembers of each parameter: `optimizer.state`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from chainrule.ir import state
from chainrule.ops.control import detach
from chainrule.optim.cells import CellDict, NumberCell, is_traced_number
from chainrule.tensor import Buffer, Tensor


class Slots(CellDict):
    """What is remembered of one parameter, by name.

    A tensor that is assigned becomes a Buffer, or is written to the one that is there, so that a compiled step stays
    bound to it.
    """

    __slots__ = ("changes",)

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.changes = -1  # the group's count of changes when these slots were completed for it
        super().__init__(entries)

    def __setitem__(self, name: str, value: Any) -> None:
        held = dict.get(self, name)
        if value is held and held is not None:
            return  # state["step"] += 1 wrote the tensor itself
        if not isinstance(value, Tensor) or (isinstance(held, NumberCell) and is_traced_number(value)):
            super().__setitem__(name, value)
        elif isinstance(held, Buffer) and held.shape == value.shape and held.dtype is value.dtype:
            held.write(detach(value.read()))
        else:
            state.bump_version()
            dict.__setitem__(self, name, value if isinstance(value, Buffer) else Buffer(value))


class State(dict[Any, Any]):
    """The slots of each parameter, by its handle. A parameter without any reads as an empty dict, which is kept."""

    __slots__ = ()
    _bumps_version_ = True
    _filled_while_tracing_ = True

    def __missing__(self, parameter: Any) -> Slots:
        self[parameter] = slots = Slots({})
        return slots

    def __setitem__(self, parameter: Any, slots: Any) -> None:
        state.bump_version()
        is_plain = isinstance(slots, dict) and not isinstance(slots, Slots)
        super().__setitem__(parameter, Slots(slots) if is_plain else slots)

    def __delitem__(self, parameter: Any) -> None:
        state.bump_version()
        super().__delitem__(parameter)

    def pop(self, parameter: Any, *default: Any) -> Any:
        """Forgets a parameter, and returns what was remembered of it."""
        state.bump_version()
        return super().pop(parameter, *default)

    def clear(self) -> None:
        """Forgets everything."""
        state.bump_version()
        super().clear()

    def setdefault(self, parameter: Any, default: Any = None) -> Any:
        """The slots of a parameter, made from `default` if there are none."""
        if parameter not in self:
            self[parameter] = {} if default is None else default
        return self[parameter]

    update = MutableMapping.update
