"""Vectors from and to memory at any stride, and vectors of positions.

In a vector of which only the first `count` lanes are points, the others are not touched in memory; read, they are zero.
"""

from __future__ import annotations

from chainrule.backends.native.text import Function, Index, Reg, element_of, lanes_of, vector


def load_lanes(f: Function, pointer: Reg, type: str, stride: int, count: int) -> Reg:
    """pointer[0], pointer[stride], ... as a vector."""
    lanes, element = lanes_of(type), element_of(type)
    if lanes == 1:
        return f.load(pointer, type)
    if stride == 1:
        return f.load_first(pointer, type, count)
    if stride == 0:
        return f.splat(f.load(pointer, element), lanes)
    if stride == -1 and count == lanes:
        found = f.load(f.pointer(pointer, 1 - lanes, element), type)
        return f.shuffle(found, found, range(lanes - 1, -1, -1))
    return _from_scalars(f, [f.load(f.pointer(pointer, k * stride, element), element) for k in range(count)], type)


def store_lanes(f: Function, value: Reg, pointer: Reg, stride: int, count: int) -> None:
    """A vector to pointer[0], pointer[stride], ..."""
    lanes, element = lanes_of(value.type), element_of(value.type)
    if lanes == 1:
        f.store(value, pointer)
    elif stride == 1:
        f.store_first(value, pointer, count)
    elif stride == 0:
        f.store(f.lane(value, count - 1), pointer)
    else:
        for k in range(count):
            f.store(f.lane(value, k), f.pointer(pointer, k * stride, element))


def gather(f: Function, base: Reg, type: str, stride: int, index: Reg, index_stride: int, count: int) -> Reg:
    """base[k stride + index[k] index_stride] in lane k."""
    lanes, element = lanes_of(type), element_of(type)
    if lanes == 1:
        return f.load(f.pointer(base, f.mul(index, index_stride), element), type)
    found = []
    for k in range(count):
        place = f.add(f.mul(f.lane(index, k), index_stride), k * stride)
        found.append(f.load(f.pointer(base, place, element), element))
    return _from_scalars(f, found, type)


def _from_scalars(f: Function, scalars: list[Reg], type: str) -> Reg:
    value = f.const(0, type)
    for k, scalar in enumerate(scalars):
        value = f.with_lane(value, k, scalar)
    return value


def positions(f: Function, start: Index, inner: Index, stride: int, element: str, lanes: int) -> Reg:
    """start + (inner + lane) stride in each lane, as integers or floats of an element type."""
    whole = element if element in ("i8", "i16", "i32", "i64") else "i64"
    first = f.index(f.add(start, f.mul(inner, stride)))
    first = f.convert("trunc", first, whole) if whole != "i64" else first
    type = vector(lanes, whole)
    found = f.splat(first, lanes)
    if stride and lanes > 1:
        found = f.op("add", found, f.consts([k * stride for k in range(lanes)], whole))
    if element == "i1":
        return f.compare("icmp ne", found, f.const(0, type))
    return found if whole == element else f.convert("sitofp", found, element)
