"""An optimiser's state in PyTorch's layout: packing it, checking one against an optimiser, and taking it over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.ir import state as process
from chainrule.ir.errors import NotYetError, StateDictError, TracedValueError
from chainrule.ir.types import Type, dtype_of
from chainrule.optim.cells import are_numbers, is_number
from chainrule.optim.groups import LISTS, ParamGroup
from chainrule.tensor import Tensor, from_array

if TYPE_CHECKING:
    from chainrule.optim.optimizer import Optimizer


def packed(optimizer: Optimizer) -> dict[str, Any]:
    """The state dict, with parameters numbered in the order of the groups. Slots named _x are ours alone."""
    numbers: dict[int, int] = {}
    groups = []
    start = 0
    for group in optimizer.param_groups:
        for position, p in enumerate(group["params"], start):
            numbers.setdefault(id(p), position)
        start += len(group["params"])
        settings = {name: value for name, value in group.items() if name != "params"}
        groups.append(settings | {"params": [numbers[id(p)] for p in group["params"]]})
    slots = {numbers.get(id(key), key): without_ours(kept) for key, kept in optimizer.state.items()}
    return {"state": slots, "param_groups": groups}


def without_ours(kept: Any) -> Any:
    """The slots of a parameter that PyTorch has too."""
    return {name: value for name, value in kept.items() if name[:1] != "_"} if isinstance(kept, dict) else kept


def load(optimizer: Optimizer, given: Any) -> None:
    """Checks everything, then writes everything."""
    what = f"{type(optimizer).__name__}.load_state_dict"
    if process.trace.get() is not None:
        raise TracedValueError(f"{what}: not inside a compiled function; load before the step is called.")
    if not isinstance(given, dict) or not {"state", "param_groups"} <= given.keys():
        raise StateDictError(f"{what}: a dict with 'state' and 'param_groups' is needed.")
    parameters = numbered_parameters(optimizer, given["param_groups"])
    pairs = zip(optimizer.param_groups, given["param_groups"], strict=True)
    groups = [new_settings(optimizer, group, saved) for group, saved in pairs]
    loaded: dict[Any, Any] = {}
    for key, entries in given["state"].items():
        if key in parameters:
            p, group = parameters[key]
            loaded[p] = new_slots(optimizer, p, groups[group], entries, f"state[{key}]")
        elif isinstance(key, str):
            loaded[key] = entries  # a custom optimiser's own
        else:
            raise StateDictError(f"{what}: state[{key!r}] belongs to no parameter of any group.")
    for held, settings in zip(optimizer.param_groups, groups, strict=True):
        write_group(held, settings)
    write_state(optimizer, loaded)


def numbered_parameters(optimizer: Optimizer, saved: list[dict[str, Any]]) -> dict[int, tuple[Tensor, int]]:
    """Which parameter, of which group, each number of the state dict means."""
    what = f"{type(optimizer).__name__}.load_state_dict"
    held = optimizer.param_groups
    if len(saved) != len(held):
        raise StateDictError(f"{what}: it has {len(saved)} parameter groups, this optimiser has {len(held)}.")
    found: dict[int, tuple[Tensor, int]] = {}
    for position, (group, entries) in enumerate(zip(held, saved, strict=True)):
        numbers = entries.get("params", ())
        if len(numbers) != len(group["params"]):
            raise StateDictError(
                f"{what}: group {position} has {len(numbers)} parameters there and {len(group['params'])} here. "
                "Was it saved by an optimiser of another model, or of other groups?"
            )
        found |= {number: (p, position) for number, p in zip(numbers, group["params"], strict=True)}
    return found


def new_settings(optimizer: Optimizer, group: ParamGroup, saved: dict[str, Any]) -> ParamGroup:
    """The settings that a group is to have. What only chooses a variant may be missing, as in older state dicts."""
    what = f"{type(optimizer).__name__}.load_state_dict"
    settings = {name: as_setting(what, name, value) for name, value in saved.items() if name != "params"}
    for name, default in optimizer.defaults.items():
        if name in settings:
            continue
        if is_number(default) or are_numbers(default):
            known = ", ".join(sorted(settings)) or "none"
            raise StateDictError(f"{what}: no setting {name!r}; there are {known}. Is it another optimiser's?")
        settings[name] = default
    if "param_names" in group:
        settings.setdefault("param_names", group["param_names"])
    return ParamGroup({"params": group["params"]} | settings)


def as_setting(what: str, name: str, value: Any) -> Any:
    """A setting as ours: one-element tensors and arrays of others become numbers."""
    if name == "differentiable" and value:
        raise NotYetError(f"{what}: differentiable=True is not there yet.")
    if isinstance(value, Tensor):
        return Tensor(value.read())  # the other optimiser keeps its own
    if value is None or isinstance(value, str | bool) or name in LISTS:
        return value
    if isinstance(value, tuple | list):
        return type(value)([as_setting(what, name, part) for part in value])
    if not is_number(value) and hasattr(value, "__array__") and np.size(np.asarray(value)) == 1:
        return np.asarray(value).item()
    return value


def new_slots(optimizer: Optimizer, p: Tensor, group: ParamGroup, saved: Any, where: str) -> dict[str, Any]:
    """The slots that a parameter is to have: values of the types that its optimiser makes them."""
    what = f"{type(optimizer).__name__}.load_state_dict"
    if not isinstance(saved, dict):
        raise StateDictError(f"{what}: {where} must be a dict of tensors by name, not {type(saved).__name__}.")
    entries = {name: value for name, value in saved.items() if value is not None}
    if not entries:
        return {}
    types = {name: tensor.read().type for name, tensor in optimizer.init(p, group).items() if name[:1] != "_"}
    missing = types.keys() - entries.keys()
    if missing:
        names = ", ".join(map(repr, sorted(missing)))
        raise StateDictError(f"{what}: {where} lacks {names}; it has {', '.join(map(repr, sorted(entries)))}.")
    wanted = {name: types.get(name) or unknown_type(name, value, p) for name, value in entries.items()}
    return {name: as_slot(f"{what}: {where}[{name!r}]", value, wanted[name]) for name, value in entries.items()}


def unknown_type(name: str, value: Any, p: Tensor) -> Type | None:
    """What a slot that the optimiser does not make becomes; None for what is no array. As PyTorch does."""
    if isinstance(value, bool | str) or is_number(value) or not hasattr(value, "shape"):
        return None
    if name != "step" and p.dtype.is_floating_point:
        return Type(tuple(value.shape), p.dtype)
    return Type(tuple(value.shape), value.dtype if isinstance(value, Tensor) else dtype_of(np.asarray(value).dtype))


def as_slot(what: str, value: Any, type: Type | None) -> Any:
    """One slot, copied to the type that is wanted."""
    if type is None:
        return value
    try:
        array = value.read().array if isinstance(value, Tensor) else np.asarray(value)
        found = from_array(array, type.dtype)
    except (RuntimeError, TypeError, ValueError) as error:
        raise StateDictError(f"{what} is no array of numbers: {error}") from error
    if found.shape != type.shape:
        raise StateDictError(f"{what} is {found.read().type}, but this parameter needs {type}.")
    return found


def write_state(optimizer: Optimizer, loaded: dict[Any, Any]) -> None:
    """Puts what was loaded in place, in the Buffers that are there where they fit; forgets everything else."""
    for key in [key for key in optimizer.state if not loaded.get(key)]:
        del optimizer.state[key]
    for key, entries in loaded.items():
        if not isinstance(key, Tensor):
            optimizer.state[key] = entries
        elif entries:
            held = optimizer.state[key]
            for name in [name for name in held if name not in entries and name[:1] != "_"]:
                del held[name]
            held.update(entries)
            optimizer.complete(held)


def write_group(group: ParamGroup, settings: ParamGroup) -> None:
    """Makes a group's settings those of another; numbers are written to the cells that are there."""
    for name in [name for name in group if name not in settings]:
        del group[name]
    for name, value in settings.items():
        if name != "params" and not same_setting(group.get(name), value):
            group[name] = value


def same_setting(held: Any, value: Any) -> bool:
    """Whether a write would change nothing. (Writing what is no number makes compiled steps look again.)"""
    return type(held) is type(value) and not isinstance(held, Tensor) and bool(held == value)
