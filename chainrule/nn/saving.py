"""State dicts: a module's tensors under PyTorch's names, and loading them back into the same cells.

Loading checks everything before it writes anything; what does not fit is reported at once, in one error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.ir import state
from chainrule.ir.errors import NotYetError, StateDictError
from chainrule.ir.types import DTYPES
from chainrule.ir.value import Carrier
from chainrule.nn.walk import joined
from chainrule.ops.control import detach
from chainrule.ops.promotion import cast
from chainrule.tensor import Buffer, Parameter, Tensor, from_array
from chainrule.views import Detached

if TYPE_CHECKING:
    from chainrule.nn.module import Module

EXTRA = "_extra_state"

Source = Tensor | np.ndarray[Any, Any]


class IncompatibleKeys(NamedTuple):
    """What loading with `strict=False` left out: names that the state dict lacks, and names that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Slot(NamedTuple):
    """One entry of a module's state: which module holds it, in which table, under which name; and its cell."""

    owner: Module
    table: str
    name: str
    handle: Tensor | None  # None for extra state, which is no tensor


def slots(module: Module, prefix: str = "") -> dict[str, Slot]:
    """All entries, in PyTorch's order: a module's parameters, persistent buffers, extra state, then its children's."""
    check_protocol(module)
    found = {}
    for table in ("_parameters", "_buffers"):
        for name, handle in getattr(module, table).items():
            if handle is not None and not (table == "_buffers" and name in module._non_persistent_buffers_set):
                found[joined(prefix, name)] = Slot(module, table, name, handle)
    if module._has_extra_state():
        found[joined(prefix, EXTRA)] = Slot(module, EXTRA, EXTRA, None)
    for name, child in module._modules.items():
        if child is not None:
            found |= slots(child, joined(prefix, name))
    return found


def check_protocol(module: Module) -> None:
    """Raises NotYetError for a class that overrides parts of PyTorch's private protocol: they would not be called."""
    for name in ("_save_to_state_dict", "_load_from_state_dict"):
        if hasattr(type(module), name):
            raise NotYetError(f"{type(module).__name__}.{name} is not called yet; override get_extra_state instead.")


# Saving ---------------------------------------------------------------------------------------------------------------


def state_dict(
    self: Module, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
) -> dict[str, Any]:
    """All parameters and persistent buffers, by name. They are the module's own, detached: a later step shows in them.

    `destination` is a dict to add to; with `keep_vars` the tensors are not detached.
    """
    result = {} if destination is None else destination
    for key, slot in slots(self).items():
        if slot.handle is None:
            result[prefix + key] = slot.owner.get_extra_state()
        else:
            result[prefix + key] = slot.handle if keep_vars else slot.handle.view_as_rule(Detached())
    return result


# Loading --------------------------------------------------------------------------------------------------------------


def load_state_dict(
    self: Module, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
) -> IncompatibleKeys:
    """Copies tensors, NumPy arrays or array-likes into the module's own tensors, by name.

    Everything is checked first: StateDictError lists what is missing, unexpected or of another shape, and then nothing
    was written. With strict=False missing and unexpected names are returned instead. `assign` replaces the tensors by
    new ones of the state dict's element types.
    """
    if not isinstance(state_dict, Mapping):
        raise StateDictError(
            f"load_state_dict: a dict of tensors or arrays is needed, not {type(state_dict).__name__}."
        )
    expected = slots(self)
    result = IncompatibleKeys(
        [key for key, slot in expected.items() if not (key in state_dict or slot.name in slot.owner._may_be_missing_)],
        [key for key in state_dict if key not in expected],
    )
    held = [key for key, slot in expected.items() if slot.handle is not None]
    arrived = {key: as_source(state_dict[key]) for key in held if key in state_dict}
    problems = {key: misfit(expected[key].handle, source, assign) for key, source in arrived.items()}
    wrong = [f"{key}: {problem}" for key, problem in problems.items() if problem]
    if wrong or (strict and any(result)):
        raise StateDictError(report(self, expected, result if strict else IncompatibleKeys([], []), wrong))
    with state.using(state.gradients_enabled, False):
        carriers = {key: as_carrier(source, None if assign else expected[key]) for key, source in arrived.items()}
        for key, carrier in carriers.items():
            write(expected[key], carrier, assign)
    for key, slot in expected.items():
        if slot.handle is None and key in state_dict:
            slot.owner.set_extra_state(state_dict[key])
    state.bump_version()
    return result


def as_source(given: Any) -> Source | None:
    """A tensor or array as it is, an array-like as an array; None if it holds no numbers."""
    if isinstance(given, Tensor):
        return given
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biuf" or array.dtype.name == "bfloat16" else None


def misfit(handle: Tensor | None, source: Source | None, assign: bool) -> str:
    """Why a source cannot be copied to a handle, "" if it can."""
    assert handle is not None
    held = handle.read().type
    if source is None:
        return f"the module has {held}, the state dict has no array"
    shape = tuple(source.shape)
    if shape != held.shape:
        hint = " (transposed?)" if len(shape) == 2 and shape == held.shape[::-1] else ""
        return f"the module has {held}, the state dict {list(shape)}{hint}"
    if assign and isinstance(source, np.ndarray) and source.dtype not in [dtype.numpy for dtype in DTYPES]:
        return f"elements of {source.dtype} are not supported; without assign=True they are converted"
    return ""


def as_carrier(source: Any, slot: Slot | None) -> Carrier:
    """A source as a carrier outside the tape, of the element type of the slot's cell if one is given."""
    dtype = slot.handle.dtype if slot is not None and slot.handle is not None else None
    if not isinstance(source, Tensor):
        return from_array(source, dtype).read()
    carrier = detach(source.read())
    return carrier if dtype is None else cast(carrier, dtype)


def write(slot: Slot, carrier: Carrier, assign: bool) -> None:
    """Gives one entry its new value: in its cell, or with `assign` in a new one."""
    assert slot.handle is not None
    if not assign:
        slot.handle.write(carrier)
        return
    fresh = Tensor(carrier)
    is_parameter = slot.table == "_parameters"
    table = getattr(slot.owner, slot.table)
    table[slot.name] = Parameter(fresh, slot.handle.requires_grad) if is_parameter else Buffer(fresh)


# The report -----------------------------------------------------------------------------------------------------------


def report(module: Module, expected: Mapping[str, Slot], keys: IncompatibleKeys, problems: list[str]) -> str:
    """The message of one failed load."""
    parts = [f"load_state_dict: the state dict does not fit {type(module).__name__}; nothing was written."]
    missing = [
        key if (handle := expected[key].handle) is None else f"{key} {handle.read().type}" for key in keys.missing_keys
    ]
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
    if not prefixes or not {prefixes[0] + name for name in keys.missing_keys} <= set(keys.unexpected_keys):
        return ""
    return prefixes[0] if all(name.startswith(prefixes[0]) for name in keys.unexpected_keys) else ""
