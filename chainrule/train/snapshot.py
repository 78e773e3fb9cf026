"""All that a run holds in tensors, taken and put back; and settings as JSON values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.ir.errors import StateDictError
from chainrule.ir.types import dtype_of
from chainrule.ir.value import Value
from chainrule.optim import Optimizer
from chainrule.tensor import Tensor, aligned_copy

Arrays = dict[str, npt.NDArray[Any]]


def model_cells(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, those that no state dict holds too."""
    return dict([*model.named_parameters(), *model.named_buffers()])


def bits(tensor: Tensor) -> npt.NDArray[Any]:
    """A copy of what a tensor holds. Looking at a cell this way is not counted as a use of it (`short_call.py`), so
    that programs need not find out anew where its memory is: with short epochs that would take most of the time."""
    if tensor._view is not None or not isinstance(tensor._carrier, Value):
        return np.array(tensor.read_outside().array)
    return np.array(tensor._carrier.array)


def taken(cells: Mapping[str, Tensor], prefix: str = "") -> Arrays:
    """Copies of what cells hold now."""
    return {prefix + name: bits(cell) for name, cell in cells.items()}


def put_back(cells: Mapping[str, Tensor], arrays: Mapping[str, npt.NDArray[Any]], prefix: str = "") -> None:
    """Writes what `taken` gave; all is checked before anything is written."""
    for name, cell in cells.items():
        array = arrays.get(prefix + name)
        if array is None:
            raise StateDictError(f"this state has no {prefix + name}. Is it the state of another model?")
        if array.shape != tuple(cell.shape) or array.dtype != cell.dtype.numpy:
            raise StateDictError(
                f"{prefix + name} is {array.dtype}{list(array.shape)} in this state and {cell.read().type} here. "
                "Is it the state of another model?"
            )
    for name, cell in cells.items():
        array = arrays[prefix + name]
        cell.write(Value(aligned_copy(array, dtype_of(array.dtype))))


def optimizer_state(optimizer: Optimizer) -> tuple[Arrays, dict[str, Any]]:
    """The slots as arrays, and everything else as JSON values."""
    found = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    others: dict[str, dict[str, Any]] = {}
    for key, slots in found["state"].items():
        for name, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{key}/{name}"] = value
            else:
                others.setdefault(str(key), {})[name] = plain(value)
    return taken(tensors), {"groups": plain(found["param_groups"]), "others": others}


def load_optimizer(optimizer: Optimizer, arrays: Mapping[str, npt.NDArray[Any]], meta: dict[str, Any]) -> None:
    """Takes over what `optimizer_state` gave."""
    slots: dict[Any, dict[str, Any]] = {int(key): restored(kept) for key, kept in meta["others"].items()}
    for path, array in arrays.items():
        if path.startswith("optimizer/"):
            _, key, name = path.split("/", 2)
            slots.setdefault(int(key), {})[name] = array
    optimizer.load_state_dict({"state": slots, "param_groups": restored(meta["groups"])})


# JSON -----------------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as JSON has it, such that `restored` gives it back: tuples, counters and odd keys are marked."""
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Tensor):
        return {"__tensor__": plain(value.read_outside().array.tolist()), "dtype": value.dtype.numpy.name}
    if isinstance(value, float) and not np.isfinite(value):
        return {"__float__": repr(value)}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, tuple):
        return {"__tuple__": [plain(part) for part in value]}
    if isinstance(value, Mapping):
        kind = "__counter__" if isinstance(value, Counter) else "__dict__"
        if kind == "__dict__" and all(isinstance(name, str) and name[:2] != "__" for name in value):
            return {name: plain(part) for name, part in value.items()}
        return {kind: [[plain(name), plain(part)] for name, part in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StateDictError(f"a checkpoint cannot hold a {type(value).__name__}: {value!r}.")


def restored(value: Any) -> Any:
    """What `plain` was given."""
    if isinstance(value, list):
        return [restored(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "__tuple__" in value:
        return tuple([restored(part) for part in value["__tuple__"]])
    if "__float__" in value:
        return float(value["__float__"])
    if "__tensor__" in value:
        array = np.asarray(restored(value["__tensor__"]), value["dtype"])
        return Tensor(Value(array))
    for kind, make in (("__counter__", Counter), ("__dict__", dict)):
        if kind in value:
            return make({restored(name): restored(part) for name, part in value[kind]})
    return {name: restored(part) for name, part in value.items()}
