"""State dicts: a module's tensors under PyTorch's names, and loading them back into the same cells.

Loading checks everything before it writes anything; what does not fit is reported at once, in one error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.ir import state
from chainrule.ir.errors import StateDictError
from chainrule.nn.walk import joined
from chainrule.ops.control import detach
from chainrule.ops.elementwise import cast
from chainrule.tensor import Buffer, Parameter, Tensor, from_array
from chainrule.views import Detached

if TYPE_CHECKING:
    from chainrule.nn.module import Module

EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What loading with `strict=False` left out: names that the state dict lacks, and names that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Slot(NamedTuple):
    """One entry of a module's state: which module holds it, in which table, under which name."""

    owner: Module
    table: str
    name: str
    handle: Tensor


def slots(module: Module, prefix: str = "") -> dict[str, Slot]:
    """All entries, in PyTorch's order: a module's parameters, its persistent buffers, then its children's."""
    found = {}
    for table in ("_parameters", "_buffers"):
        for name, handle in getattr(module, table).items():
            if handle is not None and not (table == "_buffers" and name in module._non_persistent_buffers_set):
                found[joined(prefix, name)] = Slot(module, table, name, handle)
    for name, child in module._modules.items():
        if child is not None:
            found |= slots(child, joined(prefix, name))
    return found


def extra_owners(module: Module, prefix: str = "") -> dict[str, Module]:
    """The modules whose class keeps extra state, by the name of its entry."""
    found = {joined(prefix, EXTRA): module} if module._has_extra_state() else {}
    for name, child in module._modules.items():
        if child is not None:
            found |= extra_owners(child, joined(prefix, name))
    return found


def state_dict(
    self: Module, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
) -> dict[str, Any]:
    """All parameters and persistent buffers, by name. They are the module's own, detached: a later step shows in them.

    `destination` is a dict to add to; with `keep_vars` the tensors are not detached.
    """
    result = {} if destination is None else destination
    for key, slot in slots(self).items():
        result[prefix + key] = slot.handle if keep_vars else slot.handle.view_as_rule(Detached())
    for key, owner in extra_owners(self).items():
        result[prefix + key] = owner.get_extra_state()
    return result


def load_state_dict(
    self: Module, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
) -> IncompatibleKeys:
    """Copies tensors, NumPy arrays or array-likes into the module's own tensors, by name.

    Everything is checked first: StateDictError lists what is missing, unexpected or of another shape, and then nothing
    was written. With strict=False missing and unexpected names are returned instead. `assign` replaces the tensors by
    new ones of the state dict's element types.
    """
    module, given = self, state_dict
    if not isinstance(given, Mapping):
        raise StateDictError(f"load_state_dict: a dict of tensors or arrays is needed, not {type(given).__name__}.")
    expected, extra = slots(module), extra_owners(module)
    known = [*expected, *extra]
    result = IncompatibleKeys([key for key in known if key not in given], [key for key in given if key not in known])
    arrived = {key: as_source(given[key]) for key in expected if key in given}
    problems = [
        f"{key}: {problem}" for key, source in arrived.items() if (problem := misfit(expected[key].handle, source))
    ]
    if problems or (strict and any(result)):
        raise StateDictError(report(module, expected, result if strict else IncompatibleKeys([], []), problems))
    with state.using(state.gradients_enabled, False):
        for key, source in arrived.items():
            write(expected[key], source, assign)
    for key, owner in extra.items():
        if key in given:
            owner.set_extra_state(given[key])
    state.bump_version()
    return result


def as_source(given: Any) -> Tensor | np.ndarray[Any, Any] | None:
    """A tensor or array as it is, an array-like as an array; None if it holds no numbers."""
    if isinstance(given, Tensor):
        return given
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biuf" or array.dtype.name == "bfloat16" else None


def misfit(handle: Tensor, source: Tensor | np.ndarray[Any, Any] | None) -> str:
    """Why a source cannot be copied to a handle, "" if it can."""
    held = handle.read().type
    if source is None:
        return f"the module has {held}, the state dict has no array"
    shape = tuple(source.shape)
    if shape == held.shape:
        return ""
    hint = " (transposed?)" if len(shape) == 2 and shape == held.shape[::-1] else ""
    return f"the module has {held}, the state dict {list(shape)}{hint}"


def report(module: Module, expected: Mapping[str, Slot], keys: IncompatibleKeys, problems: list[str]) -> str:
    """The message of one failed load."""
    parts = [f"load_state_dict: the state dict does not fit {type(module).__name__}; nothing was written."]
    missing = [f"{key} {expected[key].handle.read().type}" if key in expected else key for key in keys.missing_keys]
    for title, lines in (("Missing", missing), ("Unexpected", keys.unexpected_keys), ("Wrong shape", problems)):
        if lines:
            parts.append(f"  {title}:\n" + "\n".join(f"    {line}" for line in lines))
    prefix = common_prefix(keys)
    if prefix:
        parts.append(f"  Every name begins with '{prefix}': strip it, `{{k.removeprefix('{prefix}'): v ...}}`.")
    elif any(keys):
        parts.append("  To load only what fits by name, pass strict=False.")
    return "\n".join(parts)


def common_prefix(keys: IncompatibleKeys) -> str:
    """What stands before every missing name among the unexpected ones ('module.' of DataParallel), "" if nothing."""
    if not keys.missing_keys or not keys.unexpected_keys:
        return ""
    first = keys.missing_keys[0]
    prefixes = [name.removesuffix(first) for name in keys.unexpected_keys if name.endswith(f".{first}")]
    fits = prefixes and {prefixes[0] + name for name in keys.missing_keys} == set(keys.unexpected_keys)
    return prefixes[0] if fits else ""


def write(slot: Slot, source: Any, assign: bool) -> None:
    """Gives one entry its new value: in its cell, or with `assign` in a new cell of the source's element type."""
    if not assign:
        slot.handle.write(copied(slot.handle, source))
        return
    fresh = Tensor(detach(source.read())) if isinstance(source, Tensor) else from_array(source)
    table = getattr(slot.owner, slot.table)
    table[slot.name] = Parameter(fresh, slot.handle.requires_grad) if slot.table == "_parameters" else Buffer(fresh)


def copied(handle: Tensor, source: Any) -> Any:
    """The source as a carrier of the handle's element type."""
    if isinstance(source, Tensor):
        return cast(detach(source.read()), handle.dtype)
    return from_array(source, handle.dtype).read()
