"""Modules made of modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, OutOfRangeError, RegistrationError
from chainrule.nn.module import Module


class Sequence(Module):
    """What Sequential and ModuleList share: modules in order, under their positions as names."""

    def _replace_all(self, modules: Iterable[Module]) -> None:
        """Holds these modules, renumbered."""
        listed = list(modules)
        for module in listed:
            check_module(module)
        self._modules.clear()
        self._modules.update((str(k), module) for k, module in enumerate(listed))
        state.bump_version()

    def _name_at(self, index: int) -> str:
        if not -len(self) <= index < len(self):
            raise OutOfRangeError(f"{type(self).__name__}: index {index} is out of range; it has {len(self)} modules.")
        names: list[str] = list(self._modules)
        return names[index]

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._slice(index)
        return self._modules[self._name_at(index)]

    def _slice(self, index: slice) -> Module:
        return type(self)(list(self)[index])  # type: ignore[call-arg]

    def __setitem__(self, index: int, module: Module) -> None:
        check_module(module)
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        if isinstance(index, int):
            self._name_at(index)
        del modules[index]
        self._replace_all(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._modules.values()))

    def append(self, module: Module) -> Any:
        """Adds a module at the end."""
        check_module(module)
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Adds modules at the end."""
        if not isinstance(modules, Iterable):
            raise RegistrationError(f"extend: modules in an iterable are needed, not {type(modules).__name__}.")
        for module in list(modules):
            self.append(module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> Any:
        return self.extend(modules)

    def pop(self, index: int | slice) -> Any:
        """Takes a module out and returns it."""
        module = self[index]
        del self[index]
        return module


def check_module(module: Any) -> None:
    """Raises RegistrationError for what is no module."""
    if not isinstance(module, Module):
        raise RegistrationError(f"a Module is needed here, not {type(module).__name__}.")


class Sequential(Sequence):
    """Modules in a chain: each is called on the result of the one before.

    nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    nn.Sequential(OrderedDict(hidden=nn.Linear(4, 8), out=nn.Linear(8, 2)))
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def _slice(self, index: slice) -> Module:
        return type(self)(OrderedDict(list(self._modules.items())[index]))

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)[index] if isinstance(index, slice) else [self._name_at(index)]
        for name in names:
            delattr(self, name)
        self._replace_all(self)

    def insert(self, index: int, module: Module) -> Sequential:
        """Puts a module before position `index`."""
        check_module(module)
        if not -len(self) <= index <= len(self):
            raise OutOfRangeError(f"insert: index {index} is out of range; there are {len(self)} modules.")
        modules = list(self)
        modules.insert(index, module)
        self._replace_all(modules)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        check_sequential(other)
        return Sequential(*self, *other)

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*(list(self) * check_count(other)))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Sequential:
        self._replace_all(list(self) * check_count(other))
        return self


def check_sequential(other: Any) -> None:
    """Raises RegistrationError for what is no Sequential."""
    if not isinstance(other, Sequential):
        raise RegistrationError(f"only a Sequential can be added to a Sequential, not {type(other).__name__}.")


def check_count(count: Any) -> int:
    """A number of repetitions, at least 1."""
    if not isinstance(count, int) or count <= 0:
        raise ArgumentError(f"a Sequential can be repeated a positive number of times, not {count!r}.")
    return count


class ModuleList(Sequence):
    """A list of modules, whose parameters are found. It has no forward: call its members."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def insert(self, index: int, module: Module) -> None:
        """Puts a module before position `index`."""
        modules = list(self)
        modules.insert(index, module)
        self._replace_all(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_lines(self) -> list[str]:
        """Equal modules in a row are shown once: `(0-2): 3 x Linear(...)`."""
        runs: list[tuple[int, int, str]] = []
        for k, module in enumerate(self):
            text = module._text()
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], k, text)
            else:
                runs.append((k, k, text))
        return [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in runs
        ]


class ModuleDict(Module):
    """A dict of modules, whose parameters are found; in order of insertion. Call its members."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]
        state.bump_version()

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Takes all modules out."""
        self._modules.clear()
        state.bump_version()

    def pop(self, key: str) -> Any:
        """Takes a module out and returns it."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()  # type: ignore[no-any-return]

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names with their modules."""
        return self._modules.items()  # type: ignore[no-any-return]

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()  # type: ignore[no-any-return]

    def update(self, modules: Any) -> None:
        """Enters the modules of a dict, a ModuleDict, or an iterable of pairs."""
        pairs = modules.items() if isinstance(modules, Mapping | ModuleDict) else modules
        if not isinstance(pairs, Iterable):
            raise RegistrationError(f"update: a dict or pairs are needed, not {type(modules).__name__}.")
        for key, module in pairs:
            self[key] = module
