"""x[key], and picking and placing elements by index or mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.functions.arithmetic import scaled
from chainrule.functions.table import METHODS, function, is_carrier, tensor_or_number, unwrap
from chainrule.functions.traced import array_of
from chainrule.ir.errors import ArgumentError, DTypeError, NotYetError, ShapeError
from chainrule.ir.value import Carrier, Value
from chainrule.ops import elementwise as ops
from chainrule.ops import indexing, keys, masking, promotion
from chainrule.ops.creation import full
from chainrule.ops.key_stages import Chosen
from chainrule.ops.movement import broadcast_shapes, broadcast_to, normalise_axis
from chainrule.ops.points import put_points, take_points
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor
from chainrule.views import Indexed, Strides, contiguous_strides

# x[key] ---------------------------------------------------------------------------------------------------------------


def carriers_in(key: Any) -> Any:
    """A key with carriers for its tensors, those in its slices too."""
    if key.__class__ is tuple:
        return tuple([carriers_in(item) for item in key])
    if key.__class__ is slice:
        return slice(unwrap(key.start), unwrap(key.stop), unwrap(key.step))
    return unwrap(key)


class Picked(Indexed):
    """A key with an integer that only a compiled step knows: a view too."""

    def strides(self, shape: Any, strides: Strides) -> Strides:
        return contiguous_strides(shape)


def getitem(self: Tensor, key: Any) -> Tensor:
    """x[key]: a view for ints, slices, None and Ellipsis; a copy for arrays and masks."""
    carrier = self.read()
    shape = carrier.shape
    parsed = keys.parse_plain(shape, key) or keys.parse(shape, carriers_in(key))
    stages = parsed.stages
    if not stages:
        return self.view_as_rule(Indexed(parsed.basic), carrier)
    if stages[-1].__class__ is Chosen:  # arrays would come behind
        return self.view_as_rule(Picked(parsed), carrier)
    return Tensor(parsed.read(carrier))


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, in place: the value is cast to x's type and broadcast."""
    new = tensor_or_number("x[key] = value", value, "value")
    self.write_in_place(keys.index_put(self.read(), carriers_in(key), new), "x[key] = value")


METHODS["__getitem__"] = getitem
METHODS["__setitem__"] = setitem


@function("index_put", method=True, in_place_too=True)
def index_put(input: Carrier, indices: tuple[Any, ...], values: Any, accumulate: bool = False) -> Carrier:
    """x with x[indices] replaced by the values, or with them added."""
    return keys.index_put(input, tuple(indices), values, accumulate)


# One dimension --------------------------------------------------------------------------------------------------------


@function("gather", method=True)
def gather(input: Carrier, dim: int, index: Carrier, *, sparse_grad: bool = False) -> Carrier:
    """y[i][j][k] = input[i][index[i][j][k]][k] for dim 1."""
    return indexing.gather(input, index, dim)


@function("scatter", method=True, in_place_too=True)
def scatter(
    input: Carrier, dim: int, index: Carrier, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Carrier:
    """input with input[i][index[i][j][k]][k] = src[i][j][k] for dim 1; of several in one place the last stays."""
    source = value if src is None else src
    if source is None:
        raise ArgumentError("scatter: give `src`, a tensor, or `value`, a number.")
    if reduce == "add":
        return indexing.scatter_add(input, index, source, dim)
    if reduce is not None:
        raise NotYetError(f"scatter: reduce={reduce!r} is not there yet; there is 'add'.")
    return indexing.scatter(input, index, source, dim)


@function("scatter_add", method=True, in_place_too=True)
def scatter_add(input: Carrier, dim: int, index: Carrier, src: Carrier) -> Carrier:
    """input with input[i][index[i][j][k]][k] += src[i][j][k] for dim 1."""
    return indexing.scatter_add(input, index, src, dim)


@function("index_select", method=True)
def index_select(input: Carrier, dim: int, index: Carrier) -> Carrier:
    """The slices along `dim` that a vector of integers names, in its order."""
    picked = indexing.index_select(input, index, dim)
    return picked if input.shape else picked.reshape(())


@function("index_add", method=True, in_place_too=True)
def index_add(input: Carrier, dim: int, index: Carrier, source: Carrier, *, alpha: Any = 1) -> Carrier:
    """input with alpha source added to the slices along `dim` that the index names."""
    return indexing.index_add(input, index, scaled("index_add", alpha, source, source.dtype.category), dim)


def _placed(what: str, x: Carrier, dim: int, index: Carrier, source: Any) -> Carrier:
    axis = normalise_axis(dim, len(x.shape), what)
    if len(index.shape) > 1 or not x.shape:
        raise ShapeError(f"{what}: the index must be a vector, not {index.type}, and input have dimensions: {x.type}.")
    return put_points(x, source, index if index.shape else index.reshape((1,)), axis=axis)


@function("index_copy", method=True, in_place_too=True)
def index_copy(input: Carrier, dim: int, index: Carrier, source: Carrier) -> Carrier:
    """input with the slices along `dim` that the index names replaced by those of source."""
    if len(source.shape) != len(input.shape):
        raise ShapeError(f"index_copy: source {source.type} needs as many dimensions as input {input.type}.")
    return _placed("index_copy", input, dim, index, source)


@function("index_fill", method=True, in_place_too=True)
def index_fill(input: Carrier, dim: int, index: Carrier, value: Any) -> Carrier:
    """input with the slices along `dim` that the index names filled with a number."""
    return _placed("index_fill", input, dim, index, cast(value, input.dtype) if is_carrier(value) else value)


@function("take", method=True)
def take(input: Carrier, index: Carrier) -> Carrier:
    """The elements of the flattened input that the index names."""
    return take_points(input.reshape((input.type.size,)), indexing.as_indices("take", index))


@function("take_along_dim", method=True)
def take_along_dim(input: Carrier, indices: Carrier, dim: int | None = None) -> Carrier:
    """The elements along `dim` that `indices` names, broadcast against the input; of the flattened input if None."""
    if dim is None:
        flat = indices.reshape((indices.type.size,))
        return indexing.gather(input.reshape((input.type.size,)), flat, 0)
    axis = normalise_axis(dim, len(input.shape), "take_along_dim")
    if len(indices.shape) != len(input.shape):
        raise ShapeError(f"take_along_dim: indices {indices.type} need as many dimensions as input {input.type}.")
    rest = [tuple(1 if k == axis else n for k, n in enumerate(x.shape)) for x in (input, indices)]
    shape = broadcast_shapes(*rest, what="take_along_dim")
    wide = [
        broadcast_to(x, tuple(x.shape[axis] if k == axis else n for k, n in enumerate(shape))) for x in (input, indices)
    ]
    return indexing.gather(wide[0], wide[1], axis)


# Masks ----------------------------------------------------------------------------------------------------------------


@function("masked_fill", method=True)
def masked_fill(input: Carrier, mask: Carrier, value: Any) -> Carrier:
    """input with `value` (a number, or a tensor without dimensions) where the mask holds."""
    return masking.masked_fill(input, mask, value)


def masked_fill_(self: Tensor, mask: Any, value: Any) -> Tensor:
    """`masked_fill`, written to the tensor itself."""
    carrier = self.read()
    where = broadcast_to(unwrap(mask), carrier.shape)
    return self.write_in_place(masking.masked_fill(carrier, where, unwrap(value)), "masked_fill_")


METHODS["masked_fill_"] = masked_fill_


@function("masked_select", method=True)
def masked_select(input: Carrier, mask: Carrier) -> Carrier:
    """The elements where the mask holds, as a vector. Not inside a compiled function: their number is not known."""
    shape = broadcast_shapes(input.shape, mask.shape, what="masked_select")
    array_of("masked_select", mask)
    return keys.index(broadcast_to(input, shape), broadcast_to(mask, shape))


@function("tril", method=True, in_place_too=True)
def tril(input: Carrier, diagonal: int = 0) -> Carrier:
    """The lower triangle of the last two dimensions, up to and with that diagonal; zero above it."""
    return masking.tril(input, diagonal)


@function("triu", method=True, in_place_too=True)
def triu(input: Carrier, diagonal: int = 0) -> Carrier:
    """The upper triangle of the last two dimensions, from that diagonal on; zero below it."""
    return masking.triu(input, diagonal)


@function("one_hot")
def one_hot(input: Carrier, num_classes: int = -1) -> Carrier:
    """1 at the class that each integer names, 0 at the others, along a new last dimension; int64.

    num_classes=-1 takes one more than the largest class; inside a compiled function it must be given.
    """
    if num_classes == -1:
        array = array_of("one_hot", input)
        if array.size == 0:
            raise ArgumentError("one_hot: of no elements the number of classes cannot be told; give num_classes.")
        num_classes = int(array.max()) + 1
    return masking.one_hot(input, num_classes)


@function("where", tensor_first=False)
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, else other. `where(condition)` alone is `nonzero(as_tuple=True)`."""
    if not is_carrier(condition):
        raise DTypeError(f"where: the condition must be a Tensor of bools, not {type(condition).__name__}.")
    if input is None and other is None:
        return places_of(condition, True)
    for argument, x in (("input", input), ("other", other)):
        tensor_or_number("where", x, argument)
    if not is_carrier(input) and not is_carrier(other):
        input = full((), input, promotion.result_dtype(input, other))
    return ops.where(condition, input, other)


@function("where", method=True, free=False)
def where_method(self: Carrier, condition: Carrier, other: Any) -> Carrier:
    """self where the condition holds, else other."""
    return ops.where(condition, self, tensor_or_number("where", other))


# What depends on the values, and so is eager only ---------------------------------------------------------------------


def places_of(input: Carrier, as_tuple: bool) -> Any:
    """Where elements are not 0: one row per element, or (`as_tuple`) one vector per dimension."""
    places = np.nonzero(np.atleast_1d(array_of("nonzero", input)))
    if as_tuple:
        return tuple(Value(np.asarray(place, np.int64)) for place in places)
    return Value(np.stack(places, 1)[:, : len(input.shape)].astype(np.int64))


@function("nonzero", method=True)
def nonzero(input: Carrier, *, as_tuple: bool = False) -> Any:
    """Where elements are not 0: one row per element, or (`as_tuple`) one vector per dimension."""
    return places_of(input, as_tuple)


@function("argwhere", method=True)
def argwhere(input: Carrier) -> Carrier:
    """Where elements are not 0, one row per element."""
    return places_of(input, False)


@function("unique", method=True)
def unique(input: Carrier, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The different elements in order; with the place of each element among them, and how often each occurs."""
    array = array_of("unique", input)
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    found = [Value(values)]
    if return_inverse:
        found.append(Value(inverse.reshape(array.shape)))
    if return_counts:
        found.append(Value(counts))
    return found[0] if len(found) == 1 else tuple(found)


@function("bincount", method=True)
def bincount(input: Carrier, weights: Carrier | None = None, minlength: int = 0) -> Carrier:
    """How often each of 0, 1, 2, ... occurs in a vector; with weights, their sums."""
    array = array_of("bincount", input)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and array.min() < 0):
        raise ArgumentError(f"bincount: a vector of integers that are at least 0 is needed, not {input.type}.")
    length = max(minlength, int(array.max()) + 1 if array.size else 0)
    if weights is None:
        return Value(np.bincount(array, minlength=length))
    return indexing.scatter_add(full((length,), 0, weights.dtype), input, weights, 0)
