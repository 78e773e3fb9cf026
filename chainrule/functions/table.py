"""How an operation on carriers becomes a function on tensors and a method of Tensor.

    @function("exp", method=True, in_place_too=True)
    def exp(input): ...carrier code...

`functions.exp` then takes and returns tensors, `Tensor.exp` and `Tensor.exp_` exist. Arguments that are tensors, NumPy
arrays, or lists and tuples of them arrive as carriers; everything else arrives as it is. `@on_handle` enters what needs
the handles themselves: views, writes, conversions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.ir import state
from chainrule.ir.errors import DTypeError, NotYetError
from chainrule.ir.types import dtype_of
from chainrule.ir.value import Carrier, Node, Value
from chainrule.tensor import Tensor, aligned_copy

FUNCTIONS: dict[str, Callable[..., Any]] = {}
METHODS: dict[str, Any] = {}

Operation = Callable[..., Any]

# NumPy's names of arguments, which PyTorch takes too.
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def unwrap(thing: Any) -> Any:
    """The carrier of a tensor or array; lists and tuples are searched; anything else is itself."""
    if isinstance(thing, Tensor):
        return thing.read()
    kind = thing.__class__
    if kind is int or kind is float or kind is bool or kind is str or thing is None:
        return thing
    if kind is list or kind is tuple:
        return kind([unwrap(part) for part in thing])
    if isinstance(thing, np.ndarray):
        return array_carrier(thing)
    return thing


def array_carrier(array: np.ndarray[Any, Any]) -> Carrier:
    """The carrier of a user's array: a copy, since the user may write to it; in a trace, that array at every call."""
    dtype = dtype_of(array.dtype)
    trace = state.trace.get()
    return Value(aligned_copy(array, dtype)) if trace is None else trace.lift_foreign(array)


def wrap(thing: Any) -> Any:
    """A tensor on a carrier; tuples (named ones too) and lists are searched."""
    if thing.__class__ is Value or thing.__class__ is Node:
        return Tensor(thing)
    if isinstance(thing, tuple):
        parts = [Tensor(part) if part.__class__ is Value else wrap(part) for part in thing]
        return tuple(parts) if thing.__class__ is tuple or not hasattr(thing, "_fields") else type(thing)(*parts)
    if thing.__class__ is list:
        return [wrap(part) for part in thing]
    return thing


def is_carrier(thing: Any) -> bool:
    """Whether it is a value or a node."""
    return thing.__class__ is Value or thing.__class__ is Node


def needs_tensor(what: str, thing: Any, argument: str = "input") -> Carrier:
    """The carrier of what must be a tensor (or a NumPy array)."""
    carrier = unwrap(thing)
    if is_carrier(carrier):
        return carrier
    raise DTypeError(
        f"{what}: `{argument}` must be a Tensor, not {type(thing).__name__}. Make one: `chainrule.tensor(...)`."
    )


def tensor_or_number(what: str, thing: Any, argument: str = "other") -> Any:
    """The carrier of a tensor or array, or a Python number."""
    carrier = unwrap(thing)
    if is_carrier(carrier) or isinstance(carrier, bool | int | float | np.bool | np.integer | np.floating):
        return carrier
    raise DTypeError(f"{what}: `{argument}` must be a Tensor or a number, not {type(thing).__name__}.")


# On carriers ----------------------------------------------------------------------------------------------------------


def on_tensors(operation: Operation, name: str = "", tensor_first: bool = True) -> Operation:
    """An operation on carriers as one on tensors. With `tensor_first`, its first argument must be a tensor."""
    what = name or operation.__name__

    @functools.wraps(operation)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = [value.read() if isinstance(value, Tensor) else unwrap(value) for value in args]
        if tensor_first and arguments and not is_carrier(arguments[0]):
            needs_tensor(what, args[0])
        if not kwargs:
            result = operation(*arguments)
            return Tensor(result) if result.__class__ is Value else wrap(result)
        out = kwargs.pop("out", None)
        result = wrap(operation(*arguments, **keywords(kwargs)))
        return result if out is None else put_out(what, result, out)

    return call


def keywords(given: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments under PyTorch's names, with carriers for tensors."""
    return {NUMPY_NAMES.get(name, name): unwrap(value) for name, value in given.items()}


def put_out(what: str, result: Any, out: Any) -> Tensor:
    """What `out=` asks for: the result written to a tensor that is there."""
    if not isinstance(out, Tensor) or not isinstance(result, Tensor):
        raise NotYetError(f"{what}: `out` is supported for one result and one Tensor only.")
    return out.write_in_place(result.read(), f"{what}(out=)")


def in_place(name: str, operation: Operation) -> Callable[..., Tensor]:
    """The method that writes the result of an operation to its own tensor."""

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result: Carrier = operation(self.read(), *[unwrap(value) for value in args], **keywords(kwargs))
        return self.write_in_place(result, name)

    write.__name__ = name
    write.__doc__ = f"`{name[:-1]}`, written to the tensor itself."
    return write


def function(
    *names: str, method: bool = False, in_place_too: bool = False, free: bool = True, tensor_first: bool = True
) -> Callable[[Operation], Operation]:
    """Enters an operation on carriers in the table, under one or more names."""

    def enter(operation: Operation) -> Operation:
        public = on_tensors(operation, names[0], tensor_first)
        for name in names:
            if free:
                FUNCTIONS[name] = public
            if method:
                METHODS[name] = public
            if in_place_too:
                METHODS[f"{name}_"] = in_place(f"{name}_", operation)
        return public

    return enter


# On handles -----------------------------------------------------------------------------------------------------------


def as_handle(what: str, thing: Any) -> Tensor:
    """A tensor, made of an array if need be."""
    return thing if isinstance(thing, Tensor) else Tensor(needs_tensor(what, thing))


def on_handle(*names: str, method: bool = True, free: bool = True) -> Callable[[Operation], Operation]:
    """Enters what takes the Tensor itself: a view, a write, a conversion."""

    def enter(operation: Operation) -> Operation:
        @functools.wraps(operation)
        def call(input: Any, *args: Any, **kwargs: Any) -> Any:
            named = {NUMPY_NAMES.get(name, name): value for name, value in kwargs.items()} if kwargs else kwargs
            return operation(as_handle(names[0], input), *args, **named)

        for name in names:
            if method:
                METHODS[name] = operation
            if free:
                FUNCTIONS[name] = call
        return operation

    return enter


# Rows of one and of two operands: thin, since programs that run eagerly spend their time here -------------------------


def unary(*names: str, operation: Operation, formula: str, in_place_too: bool = True, method: bool = True) -> None:
    """Enters f(input) as a function, a method and an in-place method."""
    first = names[0]

    def call(input: Any, *, out: Tensor | None = None) -> Tensor:
        carrier = input.read() if isinstance(input, Tensor) else needs_tensor(first, input)
        result = Tensor(operation(carrier))
        return result if out is None else put_out(first, result, out)

    def write(input: Tensor) -> Tensor:
        return input.write_in_place(operation(input.read()), f"{first}_")

    if in_place_too:
        FUNCTIONS.update({f"{name}_": write for name in names})
    _enter_rows(names, call, write if in_place_too else None, formula, method)


def binary(*names: str, operation: Operation, formula: str, in_place_too: bool = True, method: bool = True) -> None:
    """Enters f(input, other), of tensors or numbers, as a function, a method and an in-place method."""
    first = names[0]

    def call(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        a = input.read() if isinstance(input, Tensor) else tensor_or_number(first, input, "input")
        b = other.read() if isinstance(other, Tensor) else tensor_or_number(first, other)
        if not is_carrier(a) and not is_carrier(b):
            needs_tensor(first, input)
        result = Tensor(operation(a, b))
        return result if out is None else put_out(first, result, out)

    def write(self: Tensor, other: Any) -> Tensor:
        b = other.read() if isinstance(other, Tensor) else tensor_or_number(first, other)
        return self.write_in_place(operation(self.read(), b), f"{first}_")

    _enter_rows(names, call, write if in_place_too else None, formula, method)


def _enter_rows(names: tuple[str, ...], call: Operation, write: Operation | None, formula: str, method: bool) -> None:
    call.__name__ = call.__qualname__ = names[0]
    call.__doc__ = formula
    if write is not None:
        write.__name__ = write.__qualname__ = f"{names[0]}_"
        write.__doc__ = f"`{names[0]}`, written to the tensor itself."
    for name in names:
        FUNCTIONS[name] = call
        if method:
            METHODS[name] = call
            if write is not None:
                METHODS[f"{name}_"] = write
