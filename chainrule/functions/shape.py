"""Shapes: what is a view in PyTorch is one here, so that a write through it reaches the tensor that it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from chainrule.functions.sizes import integers, lengths, named_too, with_inferred
from chainrule.functions.table import FUNCTIONS, METHODS, as_handle, on_handle
from chainrule.ir.errors import ArgumentError, NotYetError, ShapeError
from chainrule.ir.types import Shape
from chainrule.ops.control import alias
from chainrule.ops.movement import broadcast_shapes, check_broadcast, normalise_axis
from chainrule.tensor import Size, Tensor
from chainrule.views import Expanded, Permuted, Reshaped, contiguous_strides, strides_after_reshape

# The same elements in another shape -----------------------------------------------------------------------------------


def reshaped(what: str, x: Tensor, shape: Shape, must_view: bool = False) -> Tensor:
    """x in another shape: a view if the elements lie so that one is possible, else (unless `must_view`) a copy."""
    carrier = x.read()
    before = carrier.shape
    if not _fits(before, shape):
        shape = with_inferred(what, shape, math.prod(before), carrier.type)
    if x._view is None or strides_after_reshape(before, x.strides_in_elements(), shape) is not None:
        return x.view_as_rule(Reshaped(shape), carrier)
    if must_view:
        raise ShapeError(
            f"{what}: the elements of {carrier.type} do not lie in the order of {list(shape)} (it is a view with "
            f"strides {x.strides_in_elements()}), so no view can show them. Use `x.reshape(...)`, which copies."
        )
    return Tensor(carrier.reshape(shape))


@lru_cache(maxsize=4096)
def _fits(before: Shape, shape: Shape) -> bool:
    """Whether a shape, written out, has as many elements as the one before."""
    return min(shape, default=0) >= 0 and math.prod(shape) == math.prod(before)


@on_handle("view", free=False)
def view(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape, one length of which may be -1. Raises ShapeError where a copy is needed."""
    if not shape or not (hasattr(shape[0], "__index__") or isinstance(shape[0], list | tuple)):
        raise NotYetError("view: a view as another element type is not there yet; `x.to(dtype)` converts the values.")
    return reshaped("view", input, integers("view", shape), must_view=True)


@on_handle("reshape")
def reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same elements in another shape, one length of which may be -1: a view if that is possible, else a copy."""
    return reshaped("reshape", input, integers("reshape", named_too("reshape", shape, named, "shape")))


@on_handle("view_as", free=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`x.view(other.shape)`."""
    return reshaped("view_as", input, other.shape, must_view=True)


@on_handle("reshape_as", free=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`x.reshape(other.shape)`."""
    return reshaped("reshape_as", input, other.shape)


@on_handle("flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from start_dim to end_dim as one."""
    shape = input.read().shape
    first, last = normalise_axis(start_dim, len(shape), "flatten"), normalise_axis(end_dim, len(shape), "flatten")
    if first > last:
        raise ArgumentError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} in {list(shape)}.")
    if shape and first == last:
        return input
    return reshaped("flatten", input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@on_handle("ravel")
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshaped("ravel", input, (-1,))


@on_handle("unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several, one length of which may be -1."""
    shape = tuple(input.shape)
    axis = normalise_axis(dim, len(shape), "unflatten")
    found = with_inferred("unflatten", integers("unflatten", (tuple(sizes),)), shape[axis], f"dimension {dim}")
    return reshaped("unflatten", input, (*shape[:axis], *found, *shape[axis + 1 :]), must_view=True)


@on_handle("squeeze")
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of length 1 (those of them that `dim` names)."""
    shape = input.read().shape
    if dim is None:
        return input.view_as_rule(Reshaped(tuple([length for length in shape if length != 1])))
    given = dim if isinstance(dim, list | tuple) else (dim,)
    axes = {normalise_axis(axis, len(shape), "squeeze") for axis in given}
    kept = tuple(length for axis, length in enumerate(shape) if not (axis in axes and length == 1))
    return input.view_as_rule(Reshaped(kept))


@on_handle("unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of length 1 at position `dim`."""
    carrier = input.read()
    shape = carrier.shape
    axis = normalise_axis(dim, len(shape) + 1, "unsqueeze")
    return input.view_as_rule(Reshaped((*shape[:axis], 1, *shape[axis:])), carrier)


@on_handle("contiguous", free=False)
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in row order, else a copy."""
    return input if is_contiguous(input) else Tensor(alias(input.read()))


@on_handle("is_contiguous", free=False)
def is_contiguous(input: Tensor) -> bool:
    """Whether PyTorch's elements would lie in row order."""
    if input._view is None:
        return True
    shape = tuple(input.shape)
    found = zip(shape, input.strides_in_elements(), contiguous_strides(shape), strict=True)
    return 0 in shape or all(length == 1 or stride == wanted for length, stride, wanted in found)


@on_handle("stride", free=False)
def stride(input: Tensor, dim: int | None = None) -> Any:
    """How many elements apart the neighbours along each dimension lie in PyTorch's memory."""
    strides = input.strides_in_elements()
    return strides if dim is None else strides[normalise_axis(dim, len(strides), "stride")]


def shape_at_least(shape: Shape, count: int) -> Shape:
    """The shape with at least so many dimensions."""
    if count == 3 and len(shape) in (1, 2):
        return (*shape, 1) if len(shape) == 2 else (1, *shape, 1)
    return (1,) * (count - len(shape)) + tuple(shape)


def _enter_at_least(count: int) -> None:
    def call(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 else tensors
        if isinstance(given, list | tuple):
            return tuple([call(x) for x in given])
        x = as_handle(call.__name__, given)
        return x if len(x.shape) >= count else x.view_as_rule(Reshaped(shape_at_least(x.shape, count)))

    call.__name__ = call.__qualname__ = f"atleast_{count}d"
    call.__doc__ = f"The tensor, or each of several, with at least {count} dimension{'s' * (count > 1)}."
    FUNCTIONS[call.__name__] = call


for count in (1, 2, 3):
    _enter_at_least(count)

# The axes in another order --------------------------------------------------------------------------------------------


@on_handle("permute")
def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The dimensions in the order `dims`."""
    given = integers("permute", named_too("permute", dims, named, "dims"), "a dimension")
    count = len(input.shape)
    axes = tuple(normalise_axis(dim, count, "permute") for dim in given)
    if sorted(axes) != list(range(count)):
        raise ShapeError(f"permute: {given} must name each of the {count} dimensions of {input.read().type} once.")
    return input.view_as_rule(Permuted(axes))


@on_handle("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    carrier = input.read()
    ndim = len(carrier.shape)
    first, second = normalise_axis(dim0, ndim, "transpose"), normalise_axis(dim1, ndim, "transpose")
    return input.view_as_rule(_exchanging(ndim, first, second), carrier)


@lru_cache(maxsize=1024)
def _exchanging(ndim: int, first: int, second: int) -> Permuted:
    axes = list(range(ndim))
    if axes:
        axes[first], axes[second] = second, first
    return Permuted(tuple(axes))


@lru_cache(maxsize=64)
def _reversing(ndim: int) -> Permuted:
    return Permuted(tuple(reversed(range(ndim))))


@on_handle("t")
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector as it is."""
    ndim = len(input.read().shape)
    if ndim > 2:
        raise ShapeError(f"t: at most 2 dimensions, not {input.read().type}. Use `x.mT` or `x.transpose(-2, -1)`.")
    return input.view_as_rule(_reversing(ndim))


def mT(self: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    if len(self.shape) < 2:
        raise ShapeError(f"mT: at least 2 dimensions are needed, not {self.read().type}.")
    return transpose(self, -2, -1)  # type: ignore[no-any-return]


def T(self: Tensor) -> Tensor:
    """The dimensions in reversed order."""
    carrier = self.read()
    return self.view_as_rule(_reversing(len(carrier.shape)), carrier)


METHODS["T"] = property(T)
METHODS["mT"] = METHODS["mH"] = property(mT)


@on_handle("adjoint")
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    return mT(input)


@on_handle("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The dimensions `source` at the positions `destination`, the others in their order."""
    count = len(input.shape)
    sources, targets = (
        [normalise_axis(dim, count, "movedim") for dim in ((given,) if isinstance(given, int) else given)]
        for given in (source, destination)
    )
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ArgumentError(f"movedim: source {source} and destination {destination} must be as many, each named once.")
    placed = dict(zip(targets, sources, strict=True))
    rest = iter([axis for axis in range(count) if axis not in sources])
    return input.view_as_rule(Permuted(tuple(placed[k] if k in placed else next(rest) for k in range(count))))


# Repeated without a copy ----------------------------------------------------------------------------------------------


@on_handle("expand", free=False)
def expand(input: Tensor, *size: Any, implicit: bool = False, **named: Any) -> Tensor:
    """Repeated along dimensions of length 1 and new leading ones; -1 leaves a length as it is."""
    wanted = integers("expand", named_too("expand", size, named, "size"))
    shape = input.read().shape
    new = len(wanted) - len(shape)
    if new < 0 or -1 in wanted[:new]:
        raise ShapeError(
            f"expand: {list(wanted)} needs a length for each of the {len(shape)} dimensions of {list(shape)}."
        )
    if -1 in wanted:
        wanted = tuple([shape[k - new] if n == -1 else n for k, n in enumerate(wanted)])
    return expanded("expand", input, wanted)


def expanded(what: str, x: Tensor, shape: Shape) -> Tensor:
    """x as a view in which it is repeated to `shape`."""
    try:
        check_broadcast(x.read().shape, shape)
    except ShapeError:
        raise ShapeError(
            f"{what}: {x.read().type} cannot be repeated to {list(shape)}: only dimensions of length 1 are repeated."
        ) from None
    return x.view_as_rule(Expanded(shape))


@on_handle("broadcast_to")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Repeated along dimensions of length 1 and new leading ones."""
    return expand(input, size)  # type: ignore[no-any-return]


@on_handle("expand_as", free=False)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`x.expand(other.shape)`."""
    return expanded("expand_as", input, tuple(other.shape))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors as views of their common shape."""
    handles = [as_handle("broadcast_tensors", x) for x in tensors]
    shape = broadcast_shapes(*(tuple(x.shape) for x in handles), what="broadcast_tensors")
    return tuple(expanded("broadcast_tensors", x, shape) for x in handles)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: for vectors of lengths m, n two views [m, n] ("xy": [n, m])."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    handles = [as_handle("meshgrid", x) for x in given]
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f'meshgrid: indexing must be "ij" or "xy", not {indexing!r}.')
    if any(len(x.shape) > 1 for x in handles):
        raise ShapeError("meshgrid: vectors (or tensors without dimensions) are needed.")
    swap = indexing == "xy" and len(handles) > 1
    if swap:
        handles[:2] = handles[1::-1]
    vectors = [reshaped("meshgrid", x, (-1,)) for x in handles]
    shape = tuple(len(x) for x in vectors)
    found = []
    for axis, x in enumerate(vectors):
        line = reshaped("meshgrid", x, tuple(-1 if k == axis else 1 for k in range(len(shape))))
        found.append(expanded("meshgrid", line, shape))
    if swap:
        found[:2] = found[1::-1]
    return tuple(found)


FUNCTIONS.update(broadcast_tensors=broadcast_tensors, meshgrid=meshgrid)


def common_shape(*shapes: Any) -> Size:
    """The shape that all of the shapes broadcast to."""
    return Size(broadcast_shapes(*[lengths("broadcast_shapes", (shape,)) for shape in shapes]))


FUNCTIONS["broadcast_shapes"] = common_shape
