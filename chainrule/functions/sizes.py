"""Sizes and orders of dimensions as PyTorch takes them: one sequence, or several ints."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import Shape


def integer(what: str, given: Any, argument: str = "a size") -> int:
    """A Python int, of anything that is one."""
    if given.__class__ is int:
        return given
    try:
        return operator.index(given)
    except TypeError as error:
        if not isinstance(error, DTypeError) and type(error) is not TypeError:
            raise
        raise DTypeError(f"{what}: {argument} must be an int, not {given!r} ({type(given).__name__}).") from None


def integers(what: str, given: Sequence[Any], argument: str = "a size") -> Shape:
    """The ints of `f(2, 3)` or `f((2, 3))`."""
    if len(given) == 1:
        if given[0].__class__ is int:
            return (given[0],)
        if isinstance(given[0], list | tuple):
            given = given[0]
    return tuple([one if one.__class__ is int else integer(what, one, argument) for one in given])


def named_too(what: str, given: Sequence[Any], named: dict[str, Any], name: str) -> Sequence[Any]:
    """What was given as `f(2, 3)`, `f((2, 3))` or `f(name=(2, 3))`."""
    if not named:
        return given
    if given or set(named) != {name}:
        raise ArgumentError(f"{what}: give `{name}` once, and no other argument: {[*given, *named]}.")
    return (tuple(named[name]),)


def lengths(what: str, given: Sequence[Any]) -> Shape:
    """A shape: no length is negative."""
    shape = integers(what, given)
    if min(shape, default=0) < 0:
        raise ShapeError(f"{what}: a length cannot be negative: {list(shape)}.")
    return shape


def with_inferred(what: str, shape: Shape, size: int, whole: Any) -> Shape:
    """The shape with -1 replaced by the length that makes `size` elements; `whole` is shown in errors."""
    if min(shape, default=0) >= 0 and math.prod(shape) == size:
        return shape
    unknown = [axis for axis, length in enumerate(shape) if length == -1]
    known = math.prod(length for length in shape if length != -1)
    if len(unknown) > 1:
        raise ArgumentError(
            f"{what}: only one length can be -1 (found from the others), not {len(unknown)}: {list(shape)}."
        )
    if any(length < -1 for length in shape):
        raise ShapeError(f"{what}: a length cannot be negative: {list(shape)}.")
    if unknown:
        if known == 0 or size % known:
            raise ShapeError(f"{what}: {whole} has {size} elements; no length fits for -1 in {list(shape)}.")
        return tuple([size // known if length == -1 else length for length in shape])
    if known != size:
        raise ShapeError(f"{what}: {whole} has {size} elements, {list(shape)} has {known}.")
    return shape
