"""Movement: the same elements in other places. No arithmetic happens here."""

from __future__ import annotations

from functools import lru_cache
from operator import index

import numpy as np

from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.operators import operator
from chainrule.ir.primitive import Primitive
from chainrule.ir.types import Array, Shape, Type
from chainrule.ir.value import Carrier
from chainrule.ops.creation import Number, full


def normalise_axis(axis: int, ndim: int, what: str) -> int:
    """A dimension counted from the end, counted from the front; ShapeError if there is none such."""
    count = ndim or 1
    if -count <= axis < count:
        return axis % count if axis.__class__ is int else index(axis % count)
    raise ShapeError(f"{what}: dimension {axis} does not exist: the tensor has {ndim} (-{count} to {count - 1}).")


@lru_cache(maxsize=4096)
def normalise_axes(axes: int | tuple[int, ...] | None, ndim: int, what: str) -> tuple[int, ...]:
    """Dimensions, each counted from the front, sorted; None means all."""
    if axes is None:
        return tuple(range(ndim))
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    result = sorted(normalise_axis(axis, ndim, what) for axis in given)
    if len(set(result)) != len(result):
        raise ShapeError(f"{what}: a dimension is named twice in {given}.")
    return tuple(axis for axis in result if axis < ndim)


# broadcast_to ---------------------------------------------------------------------------------------------------------


def _broadcast_reference(x: Array, *, shape: Shape) -> Array:
    try:  # a tenth of the time of np.broadcast_to
        return np.ndarray(shape, x.dtype, x, 0, _stretched_strides(x.shape, x.strides, shape))
    except ValueError:  # memory that is not in one piece has no buffer
        return np.broadcast_to(x, shape)


@lru_cache(maxsize=4096)
def _stretched_strides(before: Shape, strides: Shape, shape: Shape) -> Shape:
    """The strides of the view that repeats an array of shape `before`: 0 along every axis that is new or stretched."""
    kept = tuple(0 if length == 1 else stride for length, stride in zip(before, strides, strict=True))
    return (0,) * (len(shape) - len(before)) + kept


def _infer_broadcast(x: Type, *, shape: Shape) -> Type:
    check_broadcast(x.shape, shape)
    return Type(shape, x.dtype)


@lru_cache(maxsize=4096)
def check_broadcast(from_shape: Shape, shape: Shape) -> None:
    """Raises ShapeError unless `from_shape` broadcasts to exactly `shape`."""
    fits = len(from_shape) <= len(shape) and all(
        a in (1, b) for a, b in zip(reversed(from_shape), reversed(shape), strict=False)
    )
    if not fits:
        raise ShapeError(f"broadcast_to: {list(from_shape)} cannot be repeated to {list(shape)}.")


def _broadcast_vjp(g: Carrier, y: Carrier, x: Carrier, *, shape: Shape) -> tuple[Carrier]:
    new = len(shape) - len(x.shape)
    stretched = tuple(axis for axis, length in enumerate(shape) if axis < new or x.shape[axis - new] != length)
    return (g.sum(stretched).reshape(x.shape) if stretched else g,)


BROADCAST_TO = Primitive(
    "broadcast_to",
    _broadcast_reference,
    _infer_broadcast,
    _broadcast_vjp,
    samples=lambda rng: [
        ((rng.standard_normal(before),), {"shape": after})
        for before, after in (((), (2, 3)), ((3,), (2, 3)), ((2, 1, 3), (2, 4, 3)), ((1,), (0,)), ((2, 3), (2, 3)))
    ],
    computes=False,
)


@operator("broadcast_to")
def broadcast_to(x: Carrier, shape: Shape) -> Carrier:
    """x repeated along new leading axes and along axes of length 1."""
    before = x.shape
    if before == shape:
        return x
    check_broadcast(before, shape)
    return BROADCAST_TO(x, shape=shape)


@lru_cache(maxsize=4096)
def broadcast_shapes(*shapes: Shape, what: str = "broadcast") -> Shape:
    """The shape that all broadcast to, by NumPy's rule."""
    result: list[int] = []
    for position in range(1, max(map(len, shapes), default=0) + 1):
        lengths = {shape[-position] for shape in shapes if len(shape) >= position} - {1}
        if len(lengths) > 1:
            shown = " and ".join(str(list(shape)) for shape in shapes)
            raise ShapeError(
                f"{what}: the shapes {shown} do not broadcast: dimension -{position} has lengths "
                f"{' and '.join(map(str, sorted(lengths)))}; they must be equal, or one of them 1."
            )
        result.append(lengths.pop() if lengths else 1)
    return tuple(reversed(result))


# reshape, permute -----------------------------------------------------------------------------------------------------


def _infer_reshape(x: Type, *, shape: Shape) -> Type:
    if Type(shape, x.dtype).size != x.size or any(length < 0 for length in shape):
        raise ShapeError(f"reshape: {x} has {x.size} elements, {list(shape)} has {Type(shape, x.dtype).size}.")
    return Type(shape, x.dtype)


_reshape = Primitive(
    "reshape",
    lambda x, *, shape: x.reshape(shape),
    _infer_reshape,
    lambda g, y, x, *, shape: (g.reshape(x.shape),),
    samples=lambda rng: [
        ((rng.standard_normal(before),), {"shape": after})
        for before, after in (((2, 6), (3, 4)), ((), (1, 1)), ((0, 3), (3, 0)), ((4,), (4,)))
    ],
    computes=False,
)


@operator("reshape")
def reshape(x: Carrier, shape: Shape) -> Carrier:
    """The elements of x, in their order, in another shape."""
    return x if x.shape == shape else _reshape(x, shape=shape)


def _infer_permute(x: Type, *, axes: tuple[int, ...]) -> Type:
    if _moves(axes, len(x.shape)) is None:
        raise ShapeError(f"permute: {axes} is no order of the {len(x.shape)} dimensions of {x}.")
    return Type(tuple(x.shape[axis] for axis in axes), x.dtype)


@lru_cache(maxsize=4096)
def inverse_order(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


_permute = Primitive(
    "permute",
    lambda x, *, axes: x.transpose(axes),
    _infer_permute,
    lambda g, y, x, *, axes: (g.permute(inverse_order(axes)),),
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"axes": axes})
        for shape, axes in (((2, 3, 4), (2, 0, 1)), ((3, 2), (1, 0)), ((0, 2), (1, 0)), ((), ()))
    ],
    computes=False,
)


@operator("permute")
def permute(x: Carrier, axes: tuple[int, ...]) -> Carrier:
    """The axes of x in the order `axes`."""
    moves = _moves(axes, len(x.shape))
    if moves is None:
        raise ShapeError(f"permute: {axes} is no order of the {len(x.shape)} dimensions of {x.type}.")
    return _permute(x, axes=axes) if moves else x


@lru_cache(maxsize=4096)
def _moves(axes: tuple[int, ...], ndim: int) -> bool | None:
    """Whether an order of `ndim` axes is another than 0, 1, ...; None if it is no order of them."""
    as_they_are = tuple(range(ndim))
    return axes != as_they_are if tuple(sorted(axes)) == as_they_are else None


# slice, pad -----------------------------------------------------------------------------------------------------------


def _infer_slice(x: Type, *, starts: Shape, stops: Shape, steps: Shape) -> Type:
    if not len(starts) == len(stops) == len(steps) == len(x.shape) or any(step < 1 for step in steps):
        raise ShapeError(f"slice: {x} needs {len(x.shape)} starts, stops and steps of at least 1.")
    for start, stop, length in zip(starts, stops, x.shape, strict=True):
        if not 0 <= start <= stop <= length:
            raise ShapeError(f"slice: {start}:{stop} leaves the {length} elements of a dimension of {x}.")
    return Type(tuple(len(range(*bounds)) for bounds in zip(starts, stops, steps, strict=True)), x.dtype)


@lru_cache(maxsize=4096)
def slices_of(starts: Shape, stops: Shape, steps: Shape) -> tuple[slice, ...]:
    """Python's slices with these bounds, one per axis."""
    return tuple(map(slice, starts, stops, steps))


def _slice_vjp(g: Carrier, y: Carrier, x: Carrier, *, starts: Shape, stops: Shape, steps: Shape) -> tuple[Carrier]:
    lengths = [max(0, (length - 1) * step + 1) if length else 0 for length, step in zip(y.shape, steps, strict=True)]
    high = tuple(n - start - length for n, start, length in zip(x.shape, starts, lengths, strict=True))
    return (pad(g, starts, high, tuple(step - 1 for step in steps)),)


_slice = Primitive(
    "slice",
    lambda x, *, starts, stops, steps: x[slices_of(starts, stops, steps)],
    _infer_slice,
    _slice_vjp,
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"starts": starts, "stops": stops, "steps": steps})
        for shape, starts, stops, steps in (
            ((5, 4), (1, 0), (4, 4), (1, 1)),
            ((7,), (1,), (7,), (3,)),
            ((7, 2), (0, 1), (6, 2), (2, 1)),
            ((3, 2), (1, 0), (1, 2), (1, 1)),
            ((), (), (), ()),
        )
    ],
    computes=False,
)


def slice_(x: Carrier, starts: Shape, stops: Shape, steps: Shape | None = None) -> Carrier:
    """x[start:stop:step] along every axis at once; bounds lie inside the axes, steps are at least 1."""
    steps = steps or (1,) * len(x.shape)
    if stops == x.shape and not any(starts) and steps == (1,) * len(steps):
        return x
    return _slice(x, starts=starts, stops=stops, steps=steps)


def slice_axis(x: Carrier, axis: int, start: int, stop: int, step: int = 1) -> Carrier:
    """x[..., start:stop:step, ...] along one axis."""
    n = len(x.shape)
    starts = tuple(start if k == axis else 0 for k in range(n))
    stops = tuple(stop if k == axis else x.shape[k] for k in range(n))
    return slice_(x, starts, stops, tuple(step if k == axis else 1 for k in range(n)))


def _pad_reference(x: Array, *, low: Shape, high: Shape, interior: Shape, value: Number) -> Array:
    type = _infer_pad_shape(x.shape, low, high, interior)
    result = np.full(type, value, x.dtype)
    result[_inside(x.shape, low, interior)] = x
    return result


def _inside(shape: Shape, low: Shape, interior: Shape) -> tuple[slice, ...]:
    return tuple(
        slice(a, a + max(0, (n - 1) * (gap + 1) + 1) if n else a, gap + 1)
        for n, a, gap in zip(shape, low, interior, strict=True)
    )


def _infer_pad_shape(shape: Shape, low: Shape, high: Shape, interior: Shape) -> Shape:
    return tuple(a + n + max(0, n - 1) * gap + b for n, a, b, gap in zip(shape, low, high, interior, strict=True))


def _infer_pad(x: Type, *, low: Shape, high: Shape, interior: Shape, value: Number) -> Type:
    if not len(low) == len(high) == len(interior) == len(x.shape) or min((*low, *high, *interior), default=0) < 0:
        raise ShapeError(f"pad: {x} needs {len(x.shape)} widths of at least 0 on each side.")
    return Type(_infer_pad_shape(x.shape, low, high, interior), x.dtype)


def _pad_vjp(
    g: Carrier, y: Carrier, x: Carrier, *, low: Shape, high: Shape, interior: Shape, value: Number
) -> tuple[Carrier]:
    inside = _inside(x.shape, low, interior)
    return (slice_(g, tuple(s.start for s in inside), tuple(s.stop for s in inside), tuple(s.step for s in inside)),)


_pad = Primitive(
    "pad",
    _pad_reference,
    _infer_pad,
    _pad_vjp,
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"low": low, "high": high, "interior": interior, "value": value})
        for shape, low, high, interior, value in (
            ((2, 3), (1, 0), (0, 2), (0, 0), 0.0),
            ((3,), (2,), (1,), (2,), 1.5),
            ((0, 2), (1, 1), (1, 0), (3, 1), 0.0),
            ((), (), (), (), 0.0),
        )
    ],
)


def pad(x: Carrier, low: Shape, high: Shape, interior: Shape | None = None, value: Number = 0) -> Carrier:
    """x with `value` put before, after and (`interior` of them) between its elements, along every axis."""
    interior = interior or (0,) * len(x.shape)
    if not any(low) and not any(high) and not any(interior):
        return x
    return _pad(x, low=low, high=high, interior=interior, value=value)


# concatenate, flip ----------------------------------------------------------------------------------------------------


def _infer_concatenate(*xs: Type, axis: int) -> Type:
    first = xs[0]
    for x in xs:
        same = len(x.shape) == len(first.shape) and all(
            k == axis or x.shape[k] == first.shape[k] for k in range(len(first.shape))
        )
        if not same or x.dtype is not first.dtype:
            raise ShapeError(f"cat: {first} and {x} may differ in dimension {axis} only.")
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return Type(tuple(shape), first.dtype)


def _concatenate_vjp(g: Carrier, y: Carrier, *xs: Carrier, axis: int) -> tuple[Carrier, ...]:
    parts, start = [], 0
    for x in xs:
        parts.append(slice_axis(g, axis, start, start + x.shape[axis]))
        start += x.shape[axis]
    return tuple(parts)


_concatenate = Primitive(
    "concatenate",
    lambda *xs, axis: np.concatenate(xs, axis),
    _infer_concatenate,
    _concatenate_vjp,
    samples=lambda rng: [
        (tuple(rng.standard_normal(shape) for shape in shapes), {"axis": axis})
        for shapes, axis in ((((2, 3), (2, 0), (2, 1)), 1), (((3,), (2,)), 0), (((1, 2),), 0), (((0, 2), (0, 2)), 0))
    ],
    computes=False,
)


def concatenate(xs: list[Carrier], axis: int) -> Carrier:
    """xs one after another along an existing axis."""
    if not xs:
        raise ArgumentError("cat: at least one tensor is needed, none was given.")
    return xs[0] if len(xs) == 1 else _concatenate(*xs, axis=axis)


_flip = Primitive(
    "flip",
    lambda x, *, axes: np.flip(x, axes),
    lambda x, *, axes: x,
    lambda g, y, x, *, axes: (flip(g, axes),),
    samples=lambda rng: [
        ((rng.standard_normal(shape),), {"axes": axes})
        for shape, axes in (((2, 3), (0,)), ((2, 3), (0, 1)), ((0, 2), (1,)), ((1,), (0,)))
    ],
    computes=False,
)


def flip(x: Carrier, axes: tuple[int, ...]) -> Carrier:
    """x with the order of its elements reversed along `axes`."""
    return _flip(x, axes=axes) if axes else x


def fill_from(x: Carrier, value: Number) -> Carrier:
    """`value` in the shape and type of x."""
    return full(x.shape, value, x.dtype)
