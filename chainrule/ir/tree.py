"""Nested lists, tuples and dicts of things: flattened and put together again."""

from __future__ import annotations

from typing import Any, NamedTuple


class Structure(NamedTuple):
    """The shape of a nest: its kind, its keys (of a dict) and its parts; a leaf has kind None."""

    kind: Any
    keys: tuple[Any, ...]
    parts: tuple[Structure, ...]


LEAF = Structure(None, (), ())


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves in order, and the structure that `unflatten` needs."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    if isinstance(tree, dict):
        return Structure(type(tree), tuple(tree), tuple([_flatten(part, leaves) for part in tree.values()]))
    if isinstance(tree, list | tuple) and type(tree).__module__ != "chainrule.tensor":
        return Structure(type(tree), (), tuple([_flatten(part, leaves) for part in tree]))
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: list[Any]) -> Any:
    """The nest again, with other leaves."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Any) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    parts = [_unflatten(part, leaves) for part in structure.parts]
    if kind is dict:
        return dict(zip(structure.keys, parts, strict=True))
    if issubclass(kind, dict):
        return _subclass_of_dict(kind, zip(structure.keys, parts, strict=True))
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def _subclass_of_dict(kind: Any, items: Any) -> Any:
    """A dict of a class whose constructor may take anything: a defaultdict (without its default), a user's own."""
    made = kind.__new__(kind)
    for key, value in items:
        made[key] = value
    return made
