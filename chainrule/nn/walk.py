"""Walks over a tree of modules: what it holds, each under its dotted name, what is shared once.

The public functions here are Module's methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chainrule.tensor import Parameter, Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module


def joined(prefix: str, name: str) -> str:
    """A dotted name."""
    return f"{prefix}.{name}" if prefix else name


# Modules --------------------------------------------------------------------------------------------------------------


def named_modules(
    self: Module, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
) -> Iterator[tuple[str, Module]]:
    """This module and all below it, parents first, each with its dotted name ("" for this one)."""
    memo = set() if memo is None else memo
    if self in memo:
        return
    if remove_duplicate:
        memo.add(self)
    yield prefix, self
    for name, child in self._modules.items():
        if child is not None:
            yield from child.named_modules(memo, joined(prefix, name), remove_duplicate)


def modules(self: Module) -> Iterator[Module]:
    """This module and all below it, each once."""
    for _, module in self.named_modules():
        yield module


def named_children(self: Module) -> Iterator[tuple[str, Module]]:
    """The modules directly below this one, each once."""
    seen: set[Module] = set()
    for name, child in self._modules.items():
        if child is not None and child not in seen:
            seen.add(child)
            yield name, child


def children(self: Module) -> Iterator[Module]:
    """The modules directly below this one, each once."""
    for _, child in self.named_children():
        yield child


def name_within(self: Module, outer: Any) -> str:
    """The dotted name under which `outer` holds this module, "" if it does not."""
    for name, module in outer.named_modules() if hasattr(outer, "named_modules") else ():
        if module is self:
            return str(name)
    return ""


# Parameters and buffers -----------------------------------------------------------------------------------------------


def _named_members(
    module: Module, table: str, prefix: str, recurse: bool, remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    owners = (
        module.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else iter([(prefix, module)])
    )
    for place, owner in owners:
        for name, member in getattr(owner, table).items():
            if member is None or id(member) in seen:
                continue
            if remove_duplicate:
                seen.add(id(member))
            yield joined(place, name), member


def named_parameters(
    self: Module, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Parameter]]:
    """The parameters of this module, and with `recurse` of all below it, with their dotted names."""
    return _named_members(self, "_parameters", prefix, recurse, remove_duplicate)


def parameters(self: Module, recurse: bool = True) -> Iterator[Parameter]:
    """The parameters of this module, and with `recurse` of all below it, each once."""
    for _, parameter in self.named_parameters(recurse=recurse):
        yield parameter


def named_buffers(
    self: Module, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """The buffers of this module, and with `recurse` of all below it, with their dotted names."""
    return _named_members(self, "_buffers", prefix, recurse, remove_duplicate)


def buffers(self: Module, recurse: bool = True) -> Iterator[Tensor]:
    """The buffers of this module, and with `recurse` of all below it, each once."""
    for _, buffer in self.named_buffers(recurse=recurse):
        yield buffer


# By name --------------------------------------------------------------------------------------------------------------


def get_submodule(self: Module, target: str) -> Module:
    """The module of a dotted name; this one for "". AttributeError if there is none."""
    found: Any = self
    for name in target.split(".") if target else ():
        child = found._modules.get(name)
        if child is None:
            known = ", ".join(found._modules) or "none"
            raise AttributeError(f"{type(found).__name__} has no submodule '{name}' (of '{target}'); it has: {known}.")
        found = child
    return found  # type: ignore[no-any-return]


def _member(module: Module, table: str, kind: str, target: str) -> Any:
    place, _, name = target.rpartition(".")
    owner = module.get_submodule(place)
    found = getattr(owner, table).get(name)
    if found is None:
        known = ", ".join(getattr(owner, table)) or "none"
        raise AttributeError(f"{type(owner).__name__} has no {kind} '{name}' (of '{target}'); it has: {known}.")
    return found


def get_parameter(self: Module, target: str) -> Parameter:
    """The parameter of a dotted name. AttributeError if there is none."""
    return _member(self, "_parameters", "parameter", target)  # type: ignore[no-any-return]


def get_buffer(self: Module, target: str) -> Tensor:
    """The buffer of a dotted name. AttributeError if there is none."""
    return _member(self, "_buffers", "buffer", target)  # type: ignore[no-any-return]
