"""What of a call decides which program it runs."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from types import MethodType
from typing import Any

import numpy as np

from chainrule.checks import SCALARS
from chainrule.ir import state
from chainrule.ir.tree import Structure
from chainrule.ir.value import Leaf
from chainrule.tensor import Buffer, Parameter, Tensor

Key = tuple[Any, ...]
SETTINGS = 5  # how many entries stand before those of the arguments


def call_key(leaves: list[Any], structure: Structure) -> Key:
    """What of a call decides which program it runs. What is no tensor and no plain value counts by identity."""
    recording = state.gradients_enabled.get()
    transformed = state.transform_depth.get() > 0
    first: dict[int, int] = {}
    parts: list[Any] = [structure, recording, state.default_dtype.get(), transformed, state.executor.get()]
    for position, leaf in enumerate(leaves):
        kind = leaf.__class__
        if isinstance(leaf, np.ndarray):
            parts.append((leaf.shape, leaf.dtype))
        elif is_float(leaf):
            parts.append(float)
        elif isinstance(leaf, Parameter | Buffer):
            parts.append(id(leaf))
        elif isinstance(leaf, Tensor):
            parts.append((*_tensor_part(leaf, recording), first.setdefault(id(leaf), position)))
        elif kind is slice:
            parts.append((kind, repr(leaf)))  # its like can be looked up from Python 3.12 on
        elif isinstance(leaf, SCALARS):
            parts.append((kind, leaf))
        elif isinstance(leaf, MethodType):  # a new object each time that it is asked for
            parts.append((kind, id(leaf.__self__), id(leaf.__func__)))
        else:
            parts.append((kind, id(leaf)))
    return tuple(parts)


def _tensor_part(tensor: Tensor, recording: bool) -> Key:
    carrier = tensor.read()
    needs_grad = recording and carrier.needs_grad
    return carrier.type, needs_grad, is_computed(carrier), hooks_of(carrier.leaf) if needs_grad else ()


def is_float(leaf: Any) -> bool:
    """Whether an argument is a float, which is an input of the program."""
    return leaf.__class__ is float or isinstance(leaf, np.floating)


def is_computed(carrier: Any) -> bool:
    """Whether a value was computed from something that requires a gradient."""
    return bool(carrier.needs_grad) and carrier.primitive is not None


def hooks_of(leaf: Leaf | None) -> tuple[Any, ...]:
    """The hooks of a leaf: they are traced with the backward pass, so other hooks need another trace."""
    return () if leaf is None or leaf.hooks is None else tuple(leaf.hooks)


def by_identity(leaves: list[Any]) -> Iterator[Any]:
    """What of the arguments a key holds by identity, which means nothing once the object is gone."""
    for leaf in leaves:
        if isinstance(leaf, MethodType):
            yield leaf.__self__
            yield leaf.__func__
        elif isinstance(leaf, Parameter | Buffer) or not isinstance(leaf, (*SCALARS, np.ndarray, Tensor)):
            yield leaf


def weakly(thing: Any, gone: Any) -> Any:
    """A weak reference that calls gone(...) when the object goes; the object itself where there is no such thing."""
    try:
        return weakref.ref(thing, gone)
    except TypeError:
        return thing


def difference(key: Key, other: Key) -> str:
    """What differs between two keys, in words."""
    if key[0] != other[0]:
        return "the structure of the arguments"
    if key[1:SETTINGS] != other[1:SETTINGS]:
        return "whether gradients are recorded, the default dtype or the executor"
    for position, (part, before) in enumerate(zip(key[SETTINGS:], other[SETTINGS:], strict=True)):
        if part != before:
            return f"argument {position} ({_in_words(before)}, then {_in_words(part)})"
    for position, part in enumerate(key[SETTINGS:]):
        if _is_identity(part):  # the keys are equal and yet there was no program: it took the place of one that is gone
            return f"argument {position} ({_in_words(part)}, then {_in_words(part)})"
    return "its surroundings"


def _is_identity(part: Any) -> bool:
    """Whether this part of a key is an object of a class of the user's, known by its address."""
    return (
        isinstance(part, tuple)
        and len(part) == 2
        and isinstance(part[0], type)
        and part[0] is not slice
        and not issubclass(part[0], SCALARS)
    )


def _in_words(part: Any) -> str:
    if isinstance(part, tuple) and part and isinstance(part[0], type):
        return repr(part[1]) if issubclass(part[0], SCALARS) else f"another {part[0].__name__} object"
    return str(part[0]) if isinstance(part, tuple) and part else str(part)
