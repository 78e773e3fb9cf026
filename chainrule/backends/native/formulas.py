"""Formulas over vectors, written as formulas: operators on a `Reg` and the `Function` that it belongs to.

A number next to `Lanes` becomes a constant of their type. Each operator is one instruction with one rounding; nothing
is contracted or reordered, so scalars and vectors of any lane count get the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from chainrule.backends.native.text import Function, Reg, element_of, lanes_of, with_element

Term = Any  # Lanes of the same type, or a Python number

_OF_FLOATS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INTEGER_OF = {"float": "i32", "double": "i64"}
MANTISSA = {"float": 23, "double": 52}
BIAS = {"float": 127, "double": 1023}


class Lanes(NamedTuple):
    """A vector (or a scalar) with operators."""

    f: Function
    reg: Reg

    # The operators of Python. Integers wrap; `>>` is the logical shift; comparisons of floats are ordered.

    def __add__(self, other: Term) -> Lanes:
        return self.binary("add", other)

    def __radd__(self, other: Term) -> Lanes:
        return self.like(other).binary("add", self)

    def __sub__(self, other: Term) -> Lanes:
        return self.binary("sub", other)

    def __rsub__(self, other: Term) -> Lanes:
        return self.like(other).binary("sub", self)

    def __mul__(self, other: Term) -> Lanes:
        return self.binary("mul", other)

    def __rmul__(self, other: Term) -> Lanes:
        return self.like(other).binary("mul", self)

    def __truediv__(self, other: Term) -> Lanes:
        return self.binary("div", other)

    def __rtruediv__(self, other: Term) -> Lanes:
        return self.like(other).binary("div", self)

    def __neg__(self) -> Lanes:
        return Lanes(self.f, self.f.neg(self.reg)) if self.floating else 0 - self

    def __and__(self, other: Term) -> Lanes:
        return self.binary("and", other)

    def __or__(self, other: Term) -> Lanes:
        return self.binary("or", other)

    def __xor__(self, other: Term) -> Lanes:
        return self.binary("xor", other)

    def __invert__(self) -> Lanes:
        return self.binary("xor", -1)

    def __lshift__(self, other: Term) -> Lanes:
        return self.binary("shl", other)

    def __rshift__(self, other: Term) -> Lanes:
        return self.binary("lshr", other)

    def __lt__(self, other: Term) -> Lanes:  # type: ignore[override]
        return self.compare("olt", "slt", other)

    def __le__(self, other: Term) -> Lanes:  # type: ignore[override]
        return self.compare("ole", "sle", other)

    def __gt__(self, other: Term) -> Lanes:  # type: ignore[override]
        return self.compare("ogt", "sgt", other)

    def __ge__(self, other: Term) -> Lanes:  # type: ignore[override]
        return self.compare("oge", "sge", other)

    # What they are made of

    @property
    def element(self) -> str:
        """float, double, i32, ..."""
        return element_of(self.reg.type)

    @property
    def lanes(self) -> int:
        """How many."""
        return lanes_of(self.reg.type)

    def type_with(self, element: str) -> str:
        """The type of as many lanes of another element."""
        return with_element(self.reg.type, element)

    @property
    def floating(self) -> bool:
        """Whether the lanes are floats."""
        return self.element in _INTEGER_OF

    def like(self, value: Term) -> Lanes:
        """A number as a constant of this type; Lanes as they are."""
        return value if isinstance(value, Lanes) else Lanes(self.f, self.f.const(value, self.reg.type))

    def binary(self, name: str, other: Term) -> Lanes:
        """One instruction on two operands."""
        name = _OF_FLOATS.get(name, name) if self.floating else name
        return Lanes(self.f, self.f.op(name, self.reg, self.like(other).reg))

    def compare(self, of_floats: str, of_integers: str, other: Term) -> Lanes:
        """One comparison."""
        predicate = f"fcmp {of_floats}" if self.floating else f"icmp {of_integers}"
        return Lanes(self.f, self.f.compare(predicate, self.reg, self.like(other).reg))

    def equals(self, other: Term) -> Lanes:
        """==; false for NaN."""
        return self.compare("oeq", "eq", other)

    def differs(self, other: Term) -> Lanes:
        """!=; true for NaN."""
        return self.compare("une", "ne", other)

    def is_nan(self) -> Lanes:
        """Whether it is NaN."""
        return self.compare("uno", "", self)

    def converted(self, how: str, element: str) -> Lanes:
        """sitofp, fpext, trunc, ... to lanes of another element."""
        return Lanes(self.f, self.f.convert(how, self.reg, element))

    def intrinsic(self, name: str, *others: Term) -> Lanes:
        """llvm.NAME of lanes of one type."""
        return Lanes(self.f, self.f.intrinsic(name, self.reg, *(self.like(other).reg for other in others)))

    # Floats as their bits

    def bits(self) -> Lanes:
        """The bits as integers."""
        return self.converted("bitcast", _INTEGER_OF[self.element])

    def floats(self) -> Lanes:
        """The floats of these bits."""
        return self.converted("bitcast", {"i32": "float", "i64": "double"}[self.element])

    def sign_bit(self) -> Lanes:
        """The sign bit alone, as integers."""
        return self.bits() & (1 << (31 if self.element == "float" else 63))

    def abs(self) -> Lanes:
        """|x|: the sign bit cleared."""
        return (self.bits() & ((1 << (31 if self.element == "float" else 63)) - 1)).floats()

    def signed_as(self, other: Lanes) -> Lanes:
        """A value >= 0 (or one of `other`'s sign already) with the sign of `other`; zeros and NaN too."""
        return (self.bits() | other.sign_bit()).floats()

    # Choices. All let NaN of `self` through.

    def at_most(self, bound: Term) -> Lanes:
        """The smaller one: one instruction where the bound is no NaN."""
        return where(self > bound, self.like(bound), self)

    def at_least(self, bound: Term) -> Lanes:
        """The larger one."""
        return where(self < bound, self.like(bound), self)

    # Rounding to integers, in floats

    def rounded(self) -> Lanes:
        """To the nearest, half to even."""
        return self.intrinsic("roundeven") if rounds(self) else _rounded_by_adding(self)

    def floor(self) -> Lanes:
        """Downwards."""
        if rounds(self):
            return self.intrinsic("floor")
        near = _rounded_by_adding(self)
        return _with_sign(where(near > self, near - 1, near), self)

    def ceil(self) -> Lanes:
        """Upwards."""
        if rounds(self):
            return self.intrinsic("ceil")
        near = _rounded_by_adding(self)
        return _with_sign(where(near < self, near + 1, near), self)

    def trunc(self) -> Lanes:
        """Towards zero."""
        if rounds(self):
            return self.intrinsic("trunc")
        return _with_sign(self.abs().floor(), self)


def where(condition: Lanes, a: Term, b: Term) -> Lanes:
    """a where the condition holds, else b; one of them may be a number."""
    if not isinstance(a, Lanes):
        a = b.like(a)
    return Lanes(condition.f, condition.f.select(condition.reg, a.reg, a.like(b).reg))


def fma(a: Lanes, b: Term, c: Term) -> Lanes:
    """a b + c, with one rounding where the level has it."""
    return Lanes(a.f, a.f.fma(a.reg, a.like(b).reg, a.like(c).reg))


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """Horner's rule, highest power first."""
    result = x.like(coefficients[0])
    for coefficient in coefficients[1:]:
        result = fma(result, x, coefficient)
    return result


def split_polynomial(x: Lanes, square: Lanes, coefficients: Sequence[float]) -> Lanes:
    """The same by even and odd powers side by side: half the latency for one product more, which others often need."""
    first, second = coefficients[-1::-2], coefficients[-2::-2]
    return fma(polynomial(square, second[::-1]), x, polynomial(square, first[::-1]))


def rational(x: Lanes, table: tuple[Sequence[float], Sequence[float]]) -> Lanes:
    """A quotient of polynomials."""
    numerator, denominator = table
    return polynomial(x, numerator) / polynomial(x, denominator)


def any_lane(condition: Lanes) -> Reg:
    """Whether a condition holds in some lane, as one i1."""
    if condition.lanes == 1:
        return condition.reg
    return condition.f.intrinsic("vector.reduce.or", condition.reg, result="i1")


def rounds(x: Lanes) -> bool:
    """Whether the level has an instruction that rounds to integers; without one LLVM calls libm for each lane."""
    level = x.f.level
    return not level.triple.startswith(("x86_64", "amd64")) or "sse4.1" in level.features


def _rounded_by_adding(x: Lanes) -> Lanes:
    # Above 2^mantissa there are no fractions, so adding it rounds them off in the processor's own way: half to even.
    limit = 2.0 ** MANTISSA[x.element]
    magnitude = x.abs()
    return where(magnitude < limit, _with_sign((magnitude + limit) - limit, x), x)


def _with_sign(x: Lanes, other: Lanes) -> Lanes:
    return x.abs().signed_as(other)
