"""Rewrites of movement: fewer steps to the same elements. All are exact, whatever the elements are."""

from __future__ import annotations

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import BOOL, FLOATING, INTEGER, DType, Shape
from chainrule.ir.value import Node
from chainrule.ops import elementwise, indexing  # noqa: F401 - enter the primitives named below
from chainrule.ops.creation import Number, full
from chainrule.ops.movement import broadcast_to, concatenate, flip, pad, permute, reshape, slice_, slice_axis
from chainrule.ops.promotion import cast
from chainrule.passes.families import is_rearranging
from chainrule.passes.rewrite import Every, Rule

ADD = REGISTRY["add"]

# reshape, permute, broadcast_to ---------------------------------------------------------------------------------------


def _combined_permute(y: Node, x: Node) -> Node:
    first = x.params["axes"]
    node: Node = permute(x.inputs[0], tuple([first[axis] for axis in y.params["axes"]]))
    return node


def _permute_of_ones(y: Node, x: Node) -> Node | None:
    """The order of axes of length 1 is no order of elements."""
    moved = [axis for axis in y.params["axes"] if x.shape[axis] != 1]
    return reshape(x, y.shape) if moved == sorted(moved) else None


def _without_leading_ones(shape: Shape) -> Shape:
    for k, length in enumerate(shape):
        if length != 1:
            return shape[k:]
    return ()


def _broadcast_of_reshape(y: Node, x: Node) -> Node | None:
    """Broadcasting adds leading axes of length 1 itself."""
    source = x.inputs[0]
    same = _without_leading_ones(source.shape) == _without_leading_ones(x.shape)
    return broadcast_to(source, y.shape) if same and len(source.shape) <= len(y.shape) else None


def _rearranged_scalar(y: Node, x: Node) -> Node | None:
    """One element that is repeated looks the same from everywhere."""
    source = x.inputs[0]
    return broadcast_to(reshape(source, ()), y.shape) if source.type.size == 1 else None


def _repeated_once(y: Node, x: Node) -> Node | None:
    return reshape(x, y.shape) if y.type.size == x.type.size else None


def _nothing_moved(y: Node, x: Node) -> Node | None:
    return x if y.shape == x.shape else None


# slice, flip, pad, concatenate ----------------------------------------------------------------------------------------


def _slice_of_slice(y: Node, x: Node) -> Node:
    inner, outer = x.params, y.params
    starts = [a + start * step for a, start, step in zip(inner["starts"], outer["starts"], inner["steps"], strict=True)]
    steps = [a * b for a, b in zip(inner["steps"], outer["steps"], strict=True)]
    stops = [a + (n - 1) * step + 1 if n else a for a, n, step in zip(starts, y.shape, steps, strict=True)]
    starts = [min(start, length) for start, length in zip(starts, x.inputs[0].shape, strict=True)]
    stops = [max(start, stop) if n else start for start, stop, n in zip(starts, stops, y.shape, strict=True)]
    node: Node = slice_(x.inputs[0], tuple(starts), tuple(stops), tuple(steps))
    return node


def _slice_of_broadcast(y: Node, x: Node) -> Node:
    """Along an axis that is repeated, a slice is fewer repetitions."""
    source = x.inputs[0]
    new = len(x.shape) - len(source.shape)
    kept = [length == x.shape[new + k] for k, length in enumerate(source.shape)]
    starts, stops, steps = [
        tuple([bound if keep else default for bound, keep in zip(y.params[name][new:], kept, strict=True)])
        for name, default in (("starts", 0), ("stops", 1), ("steps", 1))
    ]
    node: Node = broadcast_to(slice_(source, starts, stops, steps), y.shape)
    return node


def _slice_of_pad(y: Node, x: Node) -> Node | None:
    """A slice that reads nothing of what was put around."""
    source, low = x.inputs[0], x.params["low"]
    if any(x.params["interior"]):
        return None
    starts = tuple([start - a for start, a in zip(y.params["starts"], low, strict=True)])
    stops = tuple([stop - a for stop, a in zip(y.params["stops"], low, strict=True)])
    inside = all([0 <= a <= b <= n for a, b, n in zip(starts, stops, source.shape, strict=True)])
    return slice_(source, starts, stops, y.params["steps"]) if inside else None


def _slice_of_concatenate(y: Node, x: Node) -> Node | None:
    """A slice that lies within one of the parts."""
    axis = x.params["axis"]
    start, stop = y.params["starts"][axis], y.params["stops"][axis]
    for part in x.inputs:
        length = part.shape[axis]
        if start >= 0 and stop <= length:
            starts, stops = ([*y.params[name]] for name in ("starts", "stops"))
            starts[axis], stops[axis] = start, stop
            node: Node = slice_(part, tuple(starts), tuple(stops), y.params["steps"])
            return node
        start, stop = start - length, stop - length
    return None


def _flip_of_ones(y: Node, x: Node) -> Node | None:
    axes = tuple([axis for axis in y.params["axes"] if x.shape[axis] > 1])
    return flip(x, axes) if axes != y.params["axes"] else None


def _flip_of_flip(y: Node, x: Node) -> Node:
    node: Node = flip(x.inputs[0], tuple(sorted({*y.params["axes"]} ^ {*x.params["axes"]})))
    return node


def _pad_of_pad(y: Node, x: Node) -> Node | None:
    inner, outer = x.params, y.params
    if any(inner["interior"]) or any(outer["interior"]) or _written(inner["value"]) != _written(outer["value"]):
        return None
    low = tuple([a + b for a, b in zip(inner["low"], outer["low"], strict=True)])
    high = tuple([a + b for a, b in zip(inner["high"], outer["high"], strict=True)])
    node: Node = pad(x.inputs[0], low, high, None, inner["value"])
    return node


def _written(value: Number) -> str:
    return str(float(value))  # tells -0.0 from 0.0


def _flat_concatenate(y: Node, *parts: Node) -> Node | None:
    """Parts of parts are parts; empty ones are none."""
    axis = y.params["axis"]
    flat: list[Node] = []
    for part in parts:
        if part.primitive is y.primitive and part.params["axis"] == axis:
            flat.extend(part.inputs)
        elif part.shape[axis]:
            flat.append(part)
    if len(flat) == len(parts) or not flat:
        return None
    node: Node = concatenate(flat, axis)
    return node


def _concatenated_slices(y: Node, *parts: Node) -> Node | None:
    """Slices of one thing side by side, put together again."""
    axis, source = y.params["axis"], parts[0].inputs[0]
    first, last = parts[0].params, parts[-1].params
    position = first["starts"][axis]
    for part in parts:
        bounds = part.params
        same = part.inputs[0] is source and bounds["starts"][axis] == position and bounds["steps"][axis] == 1
        if not same or any(
            _without(bounds[name], axis) != _without(first[name], axis) for name in ("starts", "stops", "steps")
        ):
            return None
        position = bounds["stops"][axis]
    stops = (*first["stops"][:axis], last["stops"][axis], *first["stops"][axis + 1 :])
    node: Node = slice_(source, first["starts"], stops, first["steps"])
    return node


def _without(values: Shape, axis: int) -> Shape:
    return values[:axis] + values[axis + 1 :]


# cast, index_select ---------------------------------------------------------------------------------------------------


def holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is one of `wide`."""
    if wide is narrow or narrow.category == BOOL:
        return True
    if wide.category == FLOATING and narrow.category != FLOATING:
        return narrow.itemsize * 2 <= wide.itemsize  # 24 bits hold 16, 53 hold 32
    return wide.category == narrow.category and _range_fits(wide, narrow)


def _range_fits(wide: DType, narrow: DType) -> bool:
    if wide.category == FLOATING:
        return wide.itemsize >= narrow.itemsize
    unsigned = wide.name.startswith("u"), narrow.name.startswith("u")
    return not unsigned[0] and wide.itemsize > narrow.itemsize if any(unsigned) else wide.itemsize >= narrow.itemsize


def _cast_of_cast(y: Node, x: Node) -> Node | None:
    """Through a type that loses nothing, unless a float is made an integer: what does not fit wraps otherwise."""
    before, between, after = x.inputs[0].dtype, x.dtype, y.dtype
    plain = after.category != INTEGER or between.category != FLOATING or holds(after, before)
    return cast(x.inputs[0], after) if holds(between, before) and plain else None


def _select_in_order(y: Node, x: Node, index: Node) -> Node | None:
    """Rows 0, 1, ..., n - 1 of x are a slice."""
    axis, length = y.params["axis"], index.shape[0]
    return slice_axis(x, axis, 0, length) if length <= x.shape[axis] else None


def _add_in_order(y: Node, x: Node, index: Node, source: Node) -> Node | None:
    """Adding to the rows 0, 1, ..., n - 1 of n is adding."""
    axis = y.params["axis"]
    return ADD(x, source) if index.shape[0] == x.shape[axis] else None


def _short_iota(y: Node) -> Node | None:
    return full(y.shape, 0, y.dtype) if y.shape[0] <= 1 else None


# The table ------------------------------------------------------------------------------------------------------------

MOVEMENT = (
    Rule("reshape of reshape", "reshape", ("reshape",), lambda y, x: reshape(x.inputs[0], y.shape)),
    Rule("reshape to the same shape", "reshape", (None,), _nothing_moved),
    Rule("permute of permute", "permute", ("permute",), _combined_permute),
    Rule("permute of axes of length 1", "permute", (None,), _permute_of_ones),
    Rule("broadcast that repeats nothing", "broadcast_to", (None,), _repeated_once),
    Rule("broadcast of broadcast", "broadcast_to", ("broadcast_to",), lambda y, x: broadcast_to(x.inputs[0], y.shape)),
    Rule("broadcast of reshape", "broadcast_to", ("reshape",), _broadcast_of_reshape),
    Rule("rearranged scalar", is_rearranging, ("broadcast_to",), _rearranged_scalar),
    Rule("slice of everything", "slice", (None,), _nothing_moved),
    Rule("slice of slice", "slice", ("slice",), _slice_of_slice),
    Rule("slice of broadcast", "slice", ("broadcast_to",), _slice_of_broadcast),
    Rule("slice of pad", "slice", ("pad",), _slice_of_pad),
    Rule("slice of concatenate", "slice", ("concatenate",), _slice_of_concatenate),
    Rule("flip of flip", "flip", ("flip",), _flip_of_flip),
    Rule("flip of axes of length 1", "flip", (None,), _flip_of_ones),
    Rule("pad by nothing", "pad", (None,), _nothing_moved),
    Rule("pad of pad", "pad", ("pad",), _pad_of_pad),
    Rule("concatenate of one", "concatenate", (None,), lambda y, x: x),
    Rule("concatenate of concatenate, or of nothing", "concatenate", Every(None), _flat_concatenate),
    Rule("concatenate of slices", "concatenate", Every("slice"), _concatenated_slices),
    Rule("cast to the same type", "cast", (None,), lambda y, x: x if x.dtype is y.dtype else None),
    Rule("cast of cast", "cast", ("cast",), _cast_of_cast),
    Rule("rows selected in order", "index_select", (None, "iota"), _select_in_order),
    Rule("rows added in order", "index_add", (None, "iota", None), _add_in_order),
    Rule("iota of one", "iota", (), _short_iota),
)
