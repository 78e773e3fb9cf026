"""Reductions in vectors: what an accumulator holds, how values come in, and how accumulators join.

An accumulator's state is a list of vectors. Which values go into which accumulator, and in which order accumulators
join, is the generator's to decide, by shapes alone; `joined` and `across` are the fixed trees that it uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.backends.native.lanes import positions
from chainrule.backends.native.text import Function, Index, Reg, element_of, vector
from chainrule.ir.types import DType

State = list[Reg]


class Fold:
    """sum, prod, max, min, any, all: one vector, which starts from the identity."""

    def __init__(self, f: Function, operation: str, dtype: DType, element: str, lanes: int) -> None:
        self.f, self.operation, self.dtype, self.lanes = f, operation, dtype, lanes
        self.element = "i32" if operation in ("any", "all") else element
        # Rounding depends on the order: such sums are made in blocks, so that their error grows slowly.
        self.ordered = dtype.is_floating_point and operation in ("sum", "prod")
        self._identity = _identity(operation, dtype)

    @property
    def types(self) -> list[str]:
        """The types of a state."""
        return [vector(self.lanes, self.element)]

    def start(self, first: Sequence[int]) -> State:
        """The state before the first value. `first` has the position of each lane's first value."""
        return [self.f.const(self._identity, self.types[0])]

    def step(self, state: State, value: Reg, position: Index, count: int) -> State:
        """The state after one more vector of values, of which the first `count` lanes count.

        `position` is that of its first lane.
        """
        if self.operation in ("any", "all"):
            value = _truth(self.f, value)
        return self.join(state, [self._masked(value, self._identity, count)])

    def _masked(self, value: Reg, other: Any, count: int) -> Reg:
        if count >= self.lanes:
            return value
        mask = self.f.consts([lane < count for lane in range(self.lanes)], "i1")
        return self.f.select(mask, value, self.f.const(other, value.type))

    def join(self, a: State, b: State) -> State:
        """Two states as one; `a` is of earlier values."""
        return [_combined(self.f, self.operation, self.dtype, a[0], b[0])]

    # Totals of blocks, for what is `ordered`

    def opened(self) -> State:
        """A total of no blocks: of a sum with what rounding has taken from it so far."""
        zero = self.f.const(self._identity, self.types[0])
        return [zero, zero] if self.operation == "sum" else [zero]

    def added(self, total: State, block: State) -> State:
        """A total with one more block. A sum's rounding error is found exactly (Knuth's two-sum) and added up too."""
        if self.operation != "sum":
            return self.join(total, block)
        f, (a, lost), b = self.f, total, block[0]
        s = f.op("fadd", a, b)
        of_b = f.op("fsub", s, a)
        of_a = f.op("fsub", s, of_b)
        error = f.op("fadd", f.op("fsub", a, of_a), f.op("fsub", b, of_b))
        return [s, f.op("fadd", lost, error)]

    def closed(self, total: State) -> State:
        """A total as a state. An infinite sum has a NaN for its error, which does not count."""
        if self.operation != "sum":
            return total
        f, (s, lost) = self.f, total
        return [f.select(f.compare("fcmp ord", lost, lost), f.op("fadd", s, lost), s)]

    def value(self, state: State) -> Reg:
        """The result, from the state that is left."""
        if self.operation in ("any", "all"):
            return self.f.compare("icmp ne", state[0], self.f.const(0, state[0].type))
        return state[0]


class PositionFold(Fold):
    """argmax, argmin: the best value and its position; the first NaN is better than all."""

    def __init__(
        self, f: Function, operation: str, dtype: DType, element: str, lanes: int, length: int, stride: int
    ) -> None:
        super().__init__(f, operation, dtype, "i8" if element == "i1" else element, lanes)
        self.ordered = False
        self.stride = stride  # from one lane's position to the next one's
        self.position = "i32" if length < 2**31 else "i64"
        extreme = "max" if operation == "argmax" else "min"
        self._identity = _identity(extreme, dtype)
        signed = "u" if dtype.name in ("bool", "uint8") else "s"
        order = "gt" if extreme == "max" else "lt"
        self._better = f"fcmp u{order}" if dtype.is_floating_point else f"icmp {signed}{order}"

    @property
    def types(self) -> list[str]:
        """The types of a state."""
        return [vector(self.lanes, self.element), vector(self.lanes, self.position)]

    def start(self, first: Sequence[int]) -> State:
        """The worst value, at the position of the lane's first value: right if that one is no better."""
        at = self.f.consts(first, self.position) if self.lanes > 1 else self.f.const(first[0], self.position)
        return [self.f.const(self._identity, self.types[0]), at]

    def step(self, state: State, value: Reg, position: Index, count: int) -> State:
        """The state after one more vector of values, of which the first `count` lanes count."""
        value = self._masked(
            self.f.convert("zext", value, "i8") if self._is_bool(value) else value, self._identity, count
        )
        better = self._is_better(value, state[0])
        return self._chosen(better, [value, self._positions(position)], state)

    def join(self, a: State, b: State) -> State:
        """Two states as one: of equal values, the one at the smaller position."""
        f = self.f
        same = f.compare("fcmp oeq" if self.dtype.is_floating_point else "icmp eq", b[0], a[0])
        if self.dtype.is_floating_point:
            same = f.op("or", same, f.op("and", f.compare("fcmp uno", a[0], a[0]), f.compare("fcmp uno", b[0], b[0])))
        before = f.compare("icmp slt", b[1], a[1])
        better = f.op("or", self._is_better(b[0], a[0]), f.op("and", same, before))
        return self._chosen(better, b, a)

    def value(self, state: State) -> Reg:
        """The position."""
        return self.f.convert("sext", state[1], "i64")

    def _positions(self, first: Index) -> Reg:
        return positions(self.f, first, 0, self.stride, self.position, self.lanes)

    def _is_better(self, value: Reg, best: Reg) -> Reg:
        better = self.f.compare(self._better, value, best)
        if self.dtype.is_floating_point:  # true beside a NaN on either side: but nothing is better than a NaN
            better = self.f.op("and", better, self.f.compare("fcmp ord", best, best))
        return better

    def _chosen(self, condition: Reg, a: State, b: State) -> State:
        return [self.f.select(condition, x, y) for x, y in zip(a, b, strict=True)]

    @staticmethod
    def _is_bool(value: Reg) -> bool:
        return element_of(value.type) == "i1"


def fold(f: Function, operation: str, dtype: DType, element: str, lanes: int, length: int, stride: int = 1) -> Fold:
    """The fold of a reduction of `length` values of an element type; `stride` is how far lanes stand apart in it."""
    if operation in ("argmax", "argmin"):
        return PositionFold(f, operation, dtype, element, lanes, length, stride)
    return Fold(f, operation, dtype, element, lanes)


def joined(one: Fold, states: Sequence[State]) -> State:
    """States joined as a fixed tree: neighbours first."""
    states = list(states)
    while len(states) > 1:
        pairs = [one.join(states[k], states[k + 1]) for k in range(0, len(states) - 1, 2)]
        states = pairs + states[len(states) - len(states) % 2 :]
    return states[0]


def ended(one: Fold, total: State | None, last: State) -> State:
    """The state of a total, if there are blocks, and of what comes behind them."""
    return last if total is None else one.closed(one.added(total, last))


def across(one: Fold, state: State) -> Reg:
    """The result over all lanes: the upper half onto the lower, until one lane is left."""
    f, lanes = one.f, one.lanes
    while lanes > 1:
        lanes //= 2
        halves = [[_part(f, v, begin, lanes) for v in state] for begin in (0, lanes)]
        state = one.join(*halves)
    return one.value(state)


def _part(f: Function, value: Reg, begin: int, lanes: int) -> Reg:
    return f.lane(value, begin) if lanes == 1 else f.shuffle(value, value, range(begin, begin + lanes))


def _identity(operation: str, dtype: DType) -> Any:
    """What changes nothing. A sum starts from +0, as NumPy's does: a sum of -0s is +0."""
    if operation in ("sum", "any"):
        return 0
    if operation in ("prod", "all"):
        return -1 if operation == "all" else 1
    if dtype.is_floating_point:
        return float("-inf") if operation == "max" else float("inf")
    if dtype.name == "bool":
        return operation == "min"
    bits, signed = 8 * dtype.itemsize, dtype.name != "uint8"
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return least if operation == "max" else most


def _truth(f: Function, value: Reg) -> Reg:
    """All bits set where a value is not zero."""
    element = element_of(value.type)
    if element != "i1":
        predicate = "fcmp une" if element in ("float", "double") else "icmp ne"
        value = f.compare(predicate, value, f.const(0, value.type))
    return f.convert("sext", value, "i32")


def _combined(f: Function, operation: str, dtype: DType, a: Reg, b: Reg) -> Reg:
    floating = dtype.is_floating_point
    if operation in ("any", "all"):
        return f.op("or" if operation == "any" else "and", a, b)
    if operation in ("sum", "prod"):
        word = {"sum": "add", "prod": "mul"}[operation]
        return f.op(f"f{word}" if floating else word, a, b)
    if floating:
        best = f.select(f.compare("fcmp ogt" if operation == "max" else "fcmp olt", a, b), a, b)  # b beside a NaN
        return f.select(f.compare("fcmp uno", a, a), a, best)
    if dtype.name == "bool":
        return f.op("or" if operation == "max" else "and", a, b)
    return f.intrinsic(f"{'u' if dtype.name == 'uint8' else 's'}{operation}", a, b)


def flat(states: Sequence[Mapping[int, State]]) -> list[Reg]:
    """States by number, as the registers that a loop carries."""
    return [register for state in states for k in sorted(state) for register in state[k]]


def unflat(registers: Sequence[Reg], like: Sequence[Mapping[int, State]]) -> list[dict[int, State]]:
    """The states again."""
    waiting = iter(registers)
    return [{k: [next(waiting) for _ in state[k]] for k in sorted(state)} for state in like]
