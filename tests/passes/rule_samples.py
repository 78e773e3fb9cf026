"""For each rule by name, programs on which it fires; `test_rules` holds it to the same bits on them.

`MAY_NOT_FIRE` programs look like it but are none of its business: they must come out with the same bits all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Shape, Type, bool_, float32, float64, int8, int16, int32, int64, uint8
from chainrule.ops import control, indexing, ordering, reduction, special  # noqa: F401 - enter primitives
from chainrule.ops.creation import full, iota
from chainrule.ops.elementwise import logical_not, neg, over, pow_, square, where
from chainrule.ops.movement import broadcast_to, flip, pad, slice_
from chainrule.ops.promotion import cast
from tests.passes.programs import boolean, f32, f64, i64, u8

Sample = tuple[Any, ...]  # a function of nodes, and the types of its arguments
P = REGISTRY  # constructors skip what does nothing: rules about that need the primitive itself


def nested(*shapes: Shape) -> Callable[..., Any]:
    """reshape, again and again."""

    def function(x: Any) -> Any:
        for shape in shapes:
            x = P["reshape"](x, shape=shape)
        return x

    return function


def permuted(*orders: tuple[int, ...]) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        for axes in orders:
            x = P["permute"](x, axes=axes)
        return x

    return function


def repeated(*shapes: Shape) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        for shape in shapes:
            x = P["broadcast_to"](x, shape=shape)
        return x

    return function


def sliced(x: Any, *bounds: tuple[int, int, int]) -> Any:
    starts, stops, steps = zip(*bounds, strict=True)
    return P["slice"](x, starts=starts, stops=stops, steps=steps)


def padded(x: Any, low: Shape, high: Shape, interior: Shape | None = None, value: float = 0) -> Any:
    return P["pad"](x, low=low, high=high, interior=interior or (0,) * len(low), value=value)


def joined(axis: int, *xs: Any) -> Any:
    return P["concatenate"](*xs, axis=axis)


def through(*dtypes: Any) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        for dtype in dtypes:
            x = P["cast"](x, dtype=dtype)
        return x

    return function


def reduced(name: str, axes: tuple[int, ...], keepdims: bool = False) -> Callable[..., Any]:
    return lambda x: P[name](x, axes=axes, keepdims=keepdims)


def with_number(name: str, value: float, first: bool = False) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        constant = full(x.shape, value, x.dtype)
        return P[name](constant, x) if first else P[name](x, constant)

    return function


def constants(name: str, *numbers: float, shape: Shape = (2, 3), dtype: Any = float32, **params: Any) -> Sample:
    return (lambda: P[name](*[full(shape, number, dtype) for number in numbers], **params),)


def no_derivative(*_: Any) -> list[Any]:
    return [None]


SHAPES = ((3, 4), (1,), (0, 2), ())


def on_shapes(function: Callable[..., Any], *dtypes: Callable[..., Type]) -> list[Sample]:
    """On several shapes; on float32 unless other types are given."""
    return [(function, dtype(*shape)) for shape in SHAPES for dtype in dtypes or (f32,)]


def pairs(function: Callable[..., Any], *dtypes: Callable[..., Type]) -> list[Sample]:
    return [(function, dtype(*shape), dtype(*shape)) for shape in SHAPES for dtype in dtypes or (f32,)]


MOVEMENT: dict[str, list[Sample]] = {
    "reshape of reshape": [
        (nested((6, 2), (4, 3)), f32(3, 4)),
        (nested((12,), (3, 4)), f32(3, 4)),
        (nested((2, 0), (5, 0)), f32(0)),
        (nested((1, 1), (1,)), f32()),
    ],
    "reshape to the same shape": [(nested((3, 4)), f32(3, 4)), (nested(()), f32())],
    "permute of permute": [
        (permuted((1, 2, 0), (1, 0, 2)), f32(2, 3, 4)),
        (permuted((1, 0), (1, 0)), f32(3, 4)),
        (permuted((2, 0, 1), (2, 0, 1)), f32(0, 3, 1)),
    ],
    "permute of axes of length 1": [
        (permuted((1, 0)), f32(1, 4)),
        (permuted((0, 2, 1, 3)), f32(3, 4, 1, 2)),
        (permuted((0, 1)), f32(3, 4)),
        (permuted(()), f32()),
    ],
    "broadcast that repeats nothing": [
        (repeated((1, 3)), f32(3)),
        (repeated((3,)), f32(3)),
        (repeated((0, 0)), f32(0)),
        (repeated((1, 1)), f32()),
    ],
    "broadcast of broadcast": [
        (repeated((2, 3), (4, 2, 3)), f32(3)),
        (repeated((3, 1), (3, 5)), f32()),
        (repeated((2, 1), (2, 0)), f32(1)),
    ],
    "broadcast of reshape": [
        (lambda x: repeated((2, 3))(nested((1, 3))(x)), f32(3)),
        (lambda x: repeated((4, 3))(nested((1, 1))(x)), f32()),
        (lambda x: repeated((2, 5, 3))(nested((3,))(x)), f32(1, 1, 3)),
    ],
    "rearranged scalar": [
        (lambda x: nested((6, 1))(repeated((2, 3))(x)), f32()),
        (lambda x: permuted((1, 0))(repeated((2, 3))(x)), f32(1)),
        (lambda x: sliced(repeated((5,))(x), (1, 4, 2)), f32(1)),
        (lambda x: sliced(repeated((5,))(x), (2, 2, 1)), f32(1)),
        (lambda x: flip(repeated((5, 2))(x), (1,)), f32(1, 1)),
    ],
    "slice of everything": [
        (lambda x: sliced(x, (0, 3, 1), (0, 4, 1)), f32(3, 4)),
        (lambda x: sliced(x, (0, 1, 3)), f32(1)),
        (lambda x: sliced(x, (0, 0, 1)), f32(0)),
    ],
    "slice of slice": [
        (lambda x: sliced(sliced(x, (1, 10, 2)), (1, 5, 2)), f32(11)),
        (lambda x: sliced(sliced(x, (0, 4, 1), (1, 3, 1)), (1, 3, 1), (1, 2, 1)), f32(5, 4)),
        (lambda x: sliced(sliced(x, (3, 5, 2)), (1, 1, 4)), f32(5)),
        (lambda x: sliced(sliced(x, (2, 9, 3)), (3, 3, 1)), f32(9)),
        (lambda x: sliced(sliced(x, (5, 5, 1)), (0, 0, 2)), f32(5)),
        (lambda x: sliced(sliced(x, (0, 6, 5)), (0, 2, 1)), f32(6)),
    ],
    "slice of broadcast": [
        (lambda x: sliced(repeated((4, 5))(x), (1, 3, 1), (1, 5, 2)), f32(5)),
        (lambda x: sliced(repeated((4, 5))(x), (1, 3, 1), (1, 5, 2)), f32(4, 1)),
        (lambda x: sliced(repeated((4, 1, 5))(x), (0, 4, 1), (1, 1, 1), (4, 5, 1)), f32(1, 5)),
    ],
    "slice of pad": [
        (lambda x: sliced(padded(x, (2, 0), (1, 3)), (2, 5, 1), (1, 4, 2)), f32(3, 4)),
        (lambda x: sliced(padded(x, (2,), (1,), value=7.0), (3, 5, 1)), f32(3)),
        (lambda x: sliced(padded(x, (2,), (1,)), (2, 2, 1)), f32(0)),
    ],
    "slice of concatenate": [
        (lambda x, y: sliced(joined(1, x, y), (0, 2, 1), (3, 5, 1)), f32(2, 3), f32(2, 4)),
        (lambda x, y: sliced(joined(0, x, y, x), (3, 5, 2)), f32(2), f32(3)),
        (lambda x, y: sliced(joined(0, x, y, x, y), (7, 9, 1)), f32(2), f32(3)),
        (lambda x, y: sliced(joined(0, x, y), (2, 2, 1)), f32(2), f32(3)),
    ],
    "flip of flip": [
        (lambda x: flip(flip(x, (0,)), (0, 1)), f32(2, 3)),
        (lambda x: flip(flip(x, (1,)), (1,)), f32(2, 3)),
    ],
    "flip of axes of length 1": [(lambda x: flip(x, (0, 1)), f32(1, 3)), (lambda x: flip(x, (0,)), f32(1))],
    "pad by nothing": [
        (lambda x: padded(x, (0, 0), (0, 0)), f32(2, 3)),
        (lambda x: padded(x, (0,), (0,), (2,)), f32(1)),
    ],
    "pad of pad": [
        (lambda x: padded(padded(x, (1, 0), (0, 2)), (0, 1), (3, 0)), f32(2, 3)),
        (lambda x: padded(padded(x, (1,), (0,), value=-0.0), (0,), (3,), value=-0.0), f32(2)),
    ],
    "concatenate of one": [(lambda x: joined(0, x), f32(2, 3)), (lambda x: joined(0, x), f32(0))],
    "concatenate of concatenate, or of nothing": [
        (lambda x, y: joined(0, joined(0, x, y), x), f32(2), f32(1)),
        (lambda x, y: joined(1, x, y, x), f32(2, 3), f32(2, 0)),
        (lambda x, y: joined(0, joined(0, x, y, x, y), joined(0, y, y)), f32(2), f32(1)),
    ],
    "concatenate of slices": [
        (lambda x: joined(0, sliced(x, (0, 2, 1)), sliced(x, (2, 5, 1))), f32(5)),
        (lambda x: joined(1, *[sliced(x, (1, 3, 1), (k, k + 1, 1)) for k in range(5)]), f32(4, 6)),
    ],
    "cast to the same type": [(through(float32), f32(3)), (through(bool_), boolean(2))],
    "cast of cast": [
        (through(float64, float32), f32(5)),
        (through(float32, float64), boolean(5)),
        (through(int32, int8), u8(50)),
        (through(float32, bool_), u8(5)),
        (through(int16, float64), u8(5)),
        (through(float64, bool_), f32(9)),
    ],
    "rows selected in order": [
        (lambda x: P["index_select"](x, iota(3, int64), axis=0), f32(3, 2)),
        (lambda x: P["index_select"](x, iota(2, int64), axis=1), f32(3, 4)),
        (lambda x: P["index_select"](x, iota(0, int64), axis=0), f32(3)),
    ],
    "rows added in order": [
        (lambda x, y: P["index_add"](x, iota(3, int64), y, axis=0), f32(3, 2), f32(3, 2)),
        (lambda x, y: P["index_add"](x, iota(2, int64), y, axis=1), i64(3, 2), i64(3, 2)),
    ],
    "iota of one": [(lambda: iota(1, int64),), (lambda: iota(0, float32),)],
}

FOLD: dict[str, list[Sample]] = {
    "rearranged constant": [
        (lambda: broadcast_to(full((), 0.1, float32), (2, 3)),),
        (lambda: permuted((1, 0))(nested((6, 1))(full((2, 3), -0.0, float32))),),
        (lambda: sliced(flip(full((5,), 7, int64), (0,)), (1, 4, 2)),),
    ],
    "elementwise of constants": [
        constants("add", 0.1, 0.2),
        constants("div", 1, 0),
        constants("pow", 2.5, 2),
        constants("exp", 1.5, shape=()),
        constants("log", -1),
        constants("lt", 1, 2, shape=(0,)),
        constants("mul", 200, 2, dtype=uint8),
        (lambda: cast(full((3,), 1.9, float32), int64),),
        constants("neg", 0.0),
    ],
    "anything else of constants": [
        constants("sum", 0.1, shape=(7, 50), axes=(1,), keepdims=True),
        constants("sum", 0.1, shape=(0, 50), axes=(0,), keepdims=False),
        constants("matmul", 0.1, 0.3, shape=(5, 5)),
        constants("pad", 2.0, shape=(2,), low=(1,), high=(0,), interior=(1,), value=2.0),
        constants("concatenate", 2.0, 2.0, shape=(2,), axis=0),
        constants("argmax", 2.0, shape=(4, 3), axis=0),
    ],
}

ARITHMETIC: dict[str, list[Sample]] = {
    "detach": on_shapes(lambda x: P["detach"](x)),
    "alias": on_shapes(lambda x: P["alias"](x)),
    "result of custom": [(lambda x: tuple(control.with_derivative([x * 2.0, x], [x], no_derivative)), f32(3))],
    "neg of neg": on_shapes(lambda x: neg(neg(x)), f32, i64, u8),
    "x + -y": pairs(lambda x, y: P["add"](x, neg(y)), f32, i64, u8),
    "-x + y": pairs(lambda x, y: P["add"](neg(x), y), f32, i64, u8),
    "x - -y": pairs(lambda x, y: P["sub"](x, neg(y)), f32, i64, u8),
    "-x * -y": pairs(lambda x, y: P["mul"](neg(x), neg(y)), f32, i64, u8),
    "-x / -y": pairs(lambda x, y: P["div"](neg(x), neg(y)), f32, f64),
    "square of neg": on_shapes(lambda x: square(neg(x)), f32, i64, u8),
    "abs of neg": on_shapes(lambda x: P["abs"](neg(x))),
    "x + nothing": [*on_shapes(with_number("add", -0.0)), *on_shapes(with_number("add", 0), i64, u8)],
    "nothing + x": [*on_shapes(with_number("add", -0.0, True)), *on_shapes(with_number("add", 0, True), i64, u8)],
    "x - nothing": on_shapes(with_number("sub", 0), f32, f64, i64, u8),
    "sum of pads of one form": [
        (lambda x, y: P["add"](padded(x, (1, 0), (0, 2)), padded(y, (1, 0), (0, 2))), f32(2, 3), f32(2, 3)),
        (lambda x, y: P["add"](padded(x, (1,), (0,), (2,), 0.0), padded(y, (1,), (0,), (2,))), f32(4), f32(4)),
    ],
    "x * number": [
        *on_shapes(with_number("mul", 1), f32, i64, u8),
        *on_shapes(with_number("mul", -1), f32, i64),
        *on_shapes(with_number("mul", True), boolean),
        *on_shapes(lambda x: with_number("mul", 0.3)(neg(x))),
    ],
    "number * x": [
        *on_shapes(with_number("mul", 1, True), f32, i64, u8),
        *on_shapes(lambda x: with_number("mul", 0.3, True)(neg(x))),
    ],
    "x / number": [
        *[
            sample
            for value in (1, -1, 128, 0.25, -2, 2.0**-126, 2.0**126, 2.0**60)
            for sample in on_shapes(with_number("div", value), f32, f64)
        ],
        *on_shapes(lambda x: with_number("div", 3)(neg(x))),
        *on_shapes(lambda x: with_number("div", 0)(neg(x))),
    ],
    "number over x": [
        *on_shapes(lambda x: over(full(x.shape, 1, x.dtype), x)),
        *on_shapes(lambda x: over(full(x.shape, float("nan"), x.dtype), x)),
    ],
    "x to the power of a number": [
        *[s for value in (0, 1, 2, 0.5, -1) for s in on_shapes(with_number("pow", value), f32, f64)],
        *[s for value in (0, 1, 2) for s in on_shapes(with_number("pow", value), i64, u8)],
        (with_number("pow", 2), f32(1000)),
    ],
    "where of one branch": [(lambda c, x: where(c, x, x), boolean(3), f32(3))],
    "where of a constant": [
        (lambda x, y: where(full((3,), True, bool_), x, y), f32(3), f32(3)),
        (lambda x, y: where(full((0,), False, bool_), x, y), f32(0), f32(0)),
    ],
    "where not": [(lambda c, x, y: where(logical_not(c), x, y), boolean(9), f32(9), f32(9))],
    "not not": on_shapes(lambda c: logical_not(logical_not(c)), boolean),
    "x and constant": [
        *on_shapes(with_number("logical_and", True), boolean),
        *on_shapes(with_number("logical_and", False), boolean, f32),
    ],
    "constant and x": on_shapes(with_number("logical_and", True, True), boolean),
    "x or constant": [
        *on_shapes(with_number("logical_or", False), boolean),
        *on_shapes(with_number("logical_or", True), boolean, f32),
    ],
    "constant or x": on_shapes(with_number("logical_or", False, True), boolean),
    "sum of one": [
        (reduced("sum", (1,)), f32(30, 1)),
        (reduced("sum", (0, 2), True), f32(1, 30, 1)),
        (reduced("sum", ()), f32(30)),
        (reduced("sum", (0,)), i64(1, 3)),
        (reduced("sum", (0,)), f32(1, 0)),
    ],
    **{
        f"{name} of one": [(reduced(name, (1,)), f32(30, 1)), (reduced(name, ()), f32(9))]
        for name in ("prod", "max", "min")
    },
    **{
        f"{name} of one": [(reduced(name, (1,), True), f32(30, 1)), (reduced(name, ()), i64(9))]
        for name in ("any", "all")
    },
    "elementwise of broadcasts": [
        (lambda x: cast(broadcast_to(x, (3, 4)), float64), f32()),
        (lambda x, y: broadcast_to(x, (5, 3, 4)) * broadcast_to(y, (5, 3, 4)), f32(4), f32(3, 1)),
        (lambda x: P["exp"](broadcast_to(x, (50, 7))), f32(7)),
        (lambda x: broadcast_to(x, (50, 7)) * full((50, 7), 0.3, float32), f32(50, 1)),
        (lambda x, y: pow_(broadcast_to(x, (9, 7)), broadcast_to(y, (9, 7))), f64(), f64()),
        (lambda x: pow_(broadcast_to(x, (9, 7)), full((9, 7), 2.0, float32)), f32(9, 1)),
        (
            lambda c, x: where(broadcast_to(c, (6, 2)), broadcast_to(x, (6, 2)), full((6, 2), -0.0, float32)),
            boolean(1, 2),
            f32(),
        ),
        (lambda x: P["gelu"](broadcast_to(x, (4, 3)), approximate="none"), f32(3)),
    ],
}

SAMPLES = {**MOVEMENT, **FOLD, **ARITHMETIC}

MAY_NOT_FIRE: dict[str, list[Sample]] = {
    "broadcast of reshape": [
        (lambda x: repeated((3, 5))(nested((3, 1))(x)), f32(3)),
        (lambda x: repeated((2, 3))(nested((3,))(x)), f32(1, 1, 3)),
    ],
    "slice of pad": [
        (lambda x: sliced(padded(x, (2,), (1,)), (1, 5, 1)), f32(3)),
        (lambda x: sliced(padded(x, (0,), (0,), (1,)), (0, 3, 2)), f32(3)),
    ],
    "slice of concatenate": [(lambda x, y: sliced(joined(0, x, y), (1, 3, 1)), f32(2), f32(3))],
    "pad of pad": [(lambda x: padded(padded(x, (1,), (0,), value=-0.0), (0,), (3,)), f32(2))],
    "concatenate of slices": [
        (lambda x: joined(0, sliced(x, (2, 5, 1)), sliced(x, (0, 2, 1))), f32(5)),
        (lambda x: joined(1, sliced(x, (0, 1, 1), (0, 2, 1)), sliced(x, (1, 2, 1), (2, 3, 1))), f32(2, 3)),
        (lambda x, y: joined(0, slice_(x, (0,), (2,)), slice_(y, (2,), (3,))), f32(3), f32(3)),
    ],
    "cast of cast": [
        (through(float32, float64), f64(9)),
        (through(int8, int64), i64(9)),
        (through(int64, float32), f32(9)),
        (through(float32, int8), u8(50)),
    ],
    "rows added in order": [(lambda x, y: P["index_add"](x, iota(2, int64), y, axis=0), f32(3), f32(2))],
    "x + nothing": on_shapes(with_number("add", 0.0)),
    "x - nothing": on_shapes(with_number("sub", -0.0)),
    "sum of pads of one form": [
        (lambda x, y: pad(x, (1,), (0,), None, 1.0) + pad(y, (1,), (0,), None, 1.0), f32(3), f32(3))
    ],
    "x * number": on_shapes(with_number("mul", 0)),
    "x / number": [s for value in (3, 0, 2.0**-149, float("inf")) for s in on_shapes(with_number("div", value))],
    "number over x": on_shapes(lambda x: over(full(x.shape, -0.0, x.dtype), x)),
    "x to the power of a number": on_shapes(with_number("pow", 3.0), f32, i64),
    "not not": on_shapes(lambda c: logical_not(logical_not(c)), f32),
    "where not": [(lambda c, x, y: where(logical_not(c), x, y), f32(9), f32(9), f32(9))],
    "x and constant": on_shapes(with_number("logical_and", True)),
    "sum of one": [(reduced("sum", (0, 1)), f32(30, 1))],
    "elementwise of broadcasts": [
        (lambda x, y: broadcast_to(x, (3, 4)) * broadcast_to(y, (3, 4)), f32(4), f32(3, 1)),
        (lambda x, y: pow_(broadcast_to(x, (5, 3)), broadcast_to(y, (5, 3))), f32(), f32(3)),
    ],
    "anything else of constants": [
        constants("pad", 2.0, shape=(2,), low=(1,), high=(0,), interior=(1,), value=1.0),
        constants("sum", 0.1, shape=(700, 50), axes=(1,), keepdims=True),
        (lambda: P["cumsum"](full((3,), 2.0, float32), axis=0, reverse=False),),
    ],
}
