"""Numbers of one element type as another, as NumPy on x86 has them.

Floats to integers are truncated; what does not fit, and NaN, becomes the smallest int32 (int64 for int64), of which
narrower types keep the low bits.
"""

from __future__ import annotations

from chainrule.backends.native.elements import ELEMENTS
from chainrule.backends.native.formulas import Lanes, where
from chainrule.backends.native.text import BITS
from chainrule.ir.types import BOOL, FLOATING, DType, uint8


def cast(x: Lanes, source: DType, target: DType) -> Lanes:
    """x, of element type `source`, as `target`."""
    element = ELEMENTS[target.name]
    if source is target:
        return x
    if target.category == BOOL:
        return x.differs(0)
    if source.category == FLOATING:
        return _from_float(x, element)
    if target.category == FLOATING:
        return _to_float(x, source, element)
    if BITS[element] < BITS[x.element]:
        return x.converted("trunc", element)
    return x.converted("zext" if source.category == BOOL or source is uint8 else "sext", element)


def _from_float(x: Lanes, element: str) -> Lanes:
    if element in ("float", "double"):
        return x.converted("fpext" if element == "double" else "fptrunc", element)
    wide = "i64" if element == "i64" else "i32"
    least = -(2.0 ** (BITS[wide] - 1))
    inside = (x < -least) & (x >= least) if wide == "i32" else x.abs() < -least
    whole = where(inside, x, least).converted("fptosi", wide)
    return whole if element == wide else whole.converted("trunc", element)


def _to_float(x: Lanes, source: DType, element: str) -> Lanes:
    if source.category == BOOL:
        one = Lanes(x.f, x.f.const(1.0, x.type_with(element)))
        return where(x, one, 0.0)
    if source is uint8:
        x = x.converted("zext", "i32")
    return x.converted("sitofp", element)
