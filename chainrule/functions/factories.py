"""tensor, as_tensor, from_numpy: Python's and NumPy's data as tensors, always copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.functions.filled import finished
from chainrule.functions.table import FUNCTIONS, METHODS, as_handle
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import DType, bool_, dtype_of, int64
from chainrule.ir.value import Carrier, Value
from chainrule.ops.control import alias, detach
from chainrule.ops.creation import default_dtype, full, number_dtype
from chainrule.ops.movement import concatenate
from chainrule.ops.promotion import cast, result_dtype
from chainrule.tensor import Tensor, aligned_copy, constant


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new leaf on a copy of the data: numbers, nested lists of them, NumPy arrays, tensors.

    Without dtype ints become int64, floats the default floating type, bools bool; arrays and tensors keep theirs.
    """
    return finished(carrier_of(data, None if dtype is None else dtype_of(dtype)), requires_grad, device)


def carrier_of(data: Any, dtype: DType | None) -> Carrier:
    """The carrier of a copy of the data, outside the tape."""
    if isinstance(data, Tensor):
        carrier = data.read()
        own = default_dtype() if carrier.weak else carrier.dtype  # a traced float is still Python's
        return cast(detach(carrier), dtype or own)
    trace = state.trace.get()
    if isinstance(data, np.ndarray) and trace is not None:
        return cast(trace.lift_foreign(data), dtype or dtype_of(data.dtype))  # read anew at every call
    if isinstance(data, np.ndarray | np.generic):
        return constant(aligned_copy(np.asarray(data), dtype or dtype_of(data.dtype)))
    if number_dtype(data) is not None:
        return _of_number(data, dtype)
    if isinstance(data, list | tuple | range):
        if holds_tensors(data):
            return _of_tensors(data, dtype)
        return _of_list(data, dtype)
    if hasattr(data, "__array__"):
        return carrier_of(np.asarray(data), dtype)
    raise DTypeError(f"tensor: numbers, lists of numbers, arrays or tensors are needed, not {type(data).__name__}.")


def _of_number(data: Any, dtype: DType | None) -> Carrier:
    wanted = dtype or number_dtype(data)
    assert wanted is not None
    try:
        array = np.array(data).astype(wanted.numpy) if isinstance(data, float) else np.array(data, wanted.numpy)
    except OverflowError:
        raise ArgumentError(f"tensor: {data} does not fit into {wanted.name}.") from None
    return full((), array.item(), wanted) if state.trace.get() is not None else Value(array)


def _of_list(data: Any, dtype: DType | None) -> Carrier:
    """Nested lists of numbers. NumPy's scalars and arrays in them keep their type, as in PyTorch."""
    try:
        array = np.array(data)
    except ValueError:
        raise ShapeError(f"tensor: the lists of one level must be equally long: {_shown(data)}.") from None
    kind = array.dtype.kind
    if kind not in "biuf":
        what = "an integer in it does not fit into int64" if kind == "O" and _all_numbers(data) else "it has others"
        raise DTypeError(f"tensor: lists may hold bools, ints and floats only, and {what}: {_shown(data)}.")
    if dtype is None:
        dtype = dtype_of(array.dtype) if isinstance(_first(data), np.ndarray | np.generic) else _kind_dtype(array)
    return constant(aligned_copy(array, dtype))


def _kind_dtype(array: np.ndarray[Any, Any]) -> DType:
    if array.size == 0:
        return default_dtype()
    return {"b": bool_, "i": int64, "u": int64, "f": default_dtype()}[array.dtype.kind]


def _shown(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _first(data: Any) -> Any:
    """The first element of nested lists."""
    while isinstance(data, list | tuple) and len(data):
        data = data[0]
    return data


def _all_numbers(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return all(map(_all_numbers, data))
    return isinstance(data, bool | int | float)


def holds_tensors(data: Any) -> bool:
    """Whether a tensor stands somewhere in nested lists."""
    if data.__class__ is list or data.__class__ is tuple:
        return any(map(holds_tensors, data))
    return isinstance(data, Tensor)


def _of_tensors(data: Any, dtype: DType | None) -> Carrier:
    """Nested lists in which tensors of one element stand for numbers; a compiled step may have computed them."""
    leaves: list[Any] = []
    shape = _collect(data, leaves)
    wanted = dtype or result_dtype(*[leaf if not isinstance(leaf, Tensor) else leaf.read() for leaf in leaves])
    parts = []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            carrier = detach(leaf.read())
            if carrier.type.size != 1:
                raise ShapeError(
                    f"tensor: tensors in a list must have one element, this one is {carrier.type}. Use `stack`."
                )
            parts.append(cast(carrier.reshape((1,)), wanted))
        else:
            parts.append(full((1,), leaf, wanted))
    return (concatenate(parts, 0) if len(parts) > 1 else parts[0]).reshape(shape)


def _collect(data: Any, leaves: list[Any]) -> tuple[int, ...]:
    """Appends the elements of nested lists, in order, and returns their shape."""
    if not isinstance(data, list | tuple):
        leaves.append(data)
        return ()
    shapes = {_collect(part, leaves) for part in data}
    if len(shapes) > 1:
        raise ShapeError(f"tensor: the lists of one level must be equally long: {_shown(data)}.")
    return (len(data), *shapes.pop())


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor as it is (in another element type if asked); anything else as `tensor` makes it: copied."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on a copy of the array, in aligned memory: unlike PyTorch's, later writes to the array do not show."""
    if not isinstance(ndarray, np.ndarray):
        raise DTypeError(f"from_numpy: a NumPy array is needed, not {type(ndarray).__name__}; see `tensor`.")
    return tensor(ndarray)


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`tensor(data)` of self's type."""
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, through which the gradient flows."""
    return Tensor(alias(as_handle("clone", input).read()))


FUNCTIONS.update(
    tensor=tensor, as_tensor=as_tensor, asarray=as_tensor, from_numpy=from_numpy, clone=clone, scalar_tensor=tensor
)
METHODS.update(new_tensor=new_tensor, clone=clone)
