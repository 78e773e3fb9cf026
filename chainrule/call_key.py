"""What of a call decides which program it runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.tree import Structure
from chainrule.tensor import Buffer, Parameter, Tensor

Key = tuple[Any, ...]
PLAIN = (bool, int, str, bytes, type(None))


def call_key(leaves: list[Any], structure: Structure) -> Key:
    """What of a call decides which program it runs."""
    recording = state.gradients_enabled.get()
    first: dict[int, int] = {}
    parts: list[Any] = [structure, recording, state.default_dtype.get()]
    for position, leaf in enumerate(leaves):
        kind = leaf.__class__
        if kind is np.ndarray:
            parts.append((leaf.shape, leaf.dtype))
        elif kind is float or isinstance(leaf, np.floating):
            parts.append(float)
        elif isinstance(leaf, Parameter | Buffer):
            parts.append(id(leaf))
        elif isinstance(leaf, Tensor):
            carrier = leaf.read()
            parts.append((carrier.type, recording and carrier.needs_grad, first.setdefault(id(leaf), position)))
        elif isinstance(leaf, PLAIN):
            parts.append((kind, leaf))
        else:
            parts.append((kind, id(leaf)))
    return tuple(parts)


def difference(key: Key, other: Key) -> str:
    """What differs between two keys, in words."""
    if key[0] != other[0]:
        return "the structure of the arguments"
    if key[1:3] != other[1:3]:
        return "whether gradients are recorded, or the default dtype,"
    for position, (part, before) in enumerate(zip(key[3:], other[3:], strict=True)):
        if part != before:
            return f"argument {position} ({_in_words(before)}, then {_in_words(part)})"
    return "its surroundings"


def _in_words(part: Any) -> str:
    if isinstance(part, tuple) and part and isinstance(part[0], type):
        return repr(part[1]) if issubclass(part[0], PLAIN) else f"another {part[0].__name__} object"
    return str(part[0]) if isinstance(part, tuple) and part else str(part)
