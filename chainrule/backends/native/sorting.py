"""Sorting: argsort along an axis, and random permutations. Lines are shared out; each is sorted by one thread, in its
scratch memory.

What is sorted are words that hold an element and its place: the element, as a signed integer in the same order, in the
upper half, the place below it. So no two words are equal, the order is a stable one by itself, and moving a word moves
both. Words are of 64 bits, or of 128 for elements of 64.

A line is filled up to 2^k blocks of equal length. Blocks are sorted by counting how many of a block's words are
smaller than each, then merged in pairs, from both ends of a pair at once: of equal lengths, neither end runs out of
words before all are placed. There is no branch that depends on the elements.
"""

from __future__ import annotations

from chainrule.backends.native.nests import (
    Dim,
    Places,
    dims_of,
    in_memory,
    merged,
    moved,
    nest,
    pointer_to,
    row_major,
    shared,
)
from chainrule.backends.native.philox import emit_random
from chainrule.backends.native.text import Function, Index, Reg
from chainrule.ir.types import BOOL, FLOATING, DType, int64
from chainrule.passes.kernels import Whole

_LONGEST_BLOCK = 10
_LANES = 4  # random words are made four elements at a time


def argsort(f: Function, kernel: Whole) -> int:
    """Where the smallest (`descending`: the largest) element along an axis stands, and so on; NaN is the largest."""
    (x,) = kernel.inputs
    params = dict(kernel.params)
    axis: int = params["axis"]
    shape, strides = kernel.result.shape, row_major(kernel.result.shape)
    to, from_ = pointer_to(f, kernel.result), pointer_to(f, x)
    sorting = Sorting(f, shape[axis], wide=x.dtype.itemsize == 8)
    element = in_memory(x.dtype)

    def line(to: Reg, from_: Reg) -> None:
        def put(i: Index) -> None:
            value = f.load(f.pointer(from_, f.mul(i, x.strides[axis]), element), element)
            sorting.put(_key(f, value, x.dtype, descending=params["descending"]), i)

        f.range(0, sorting.length, 1, put)
        sorting.sort(to, strides[axis])

    def lines(places: Places, dim: Dim) -> None:
        def one(i: Index) -> None:
            here = moved(f, places, i, dim)
            line(f.pointer(to, here[0], "i64"), f.pointer(from_, here[1], element))

        f.range(dim.start, dim.stop, 1, one)

    others = [(*one[:axis], *one[axis + 1 :]) for one in (strides, x.strides)]
    dims = merged(f, dims_of((*shape[:axis], *shape[axis + 1 :]), *others))
    if shape[axis]:
        nest(f, shared(f, dims, 8), lines)
    return sorting.scratch


def permutation(f: Function, kernel: Whole) -> int:
    """The order of the first wide words of a stream, which are as many as the permutation is long."""
    (state,) = kernel.inputs
    n = kernel.result.shape[0]
    sorting = Sorting(f, n, wide=True)
    to, from_ = pointer_to(f, kernel.result), pointer_to(f, state)
    seed, draw = (f.load(f.pointer(from_, k * state.strides[0], "i64"), "i64") for k in (0, 1))

    def put(start: Index) -> None:
        index = f.op("add", f.splat(f.index(start), _LANES), f.consts(range(_LANES), "i64"))
        # over all 64-bit integers: the wide words less 2^63, which have the same order as signed numbers
        keys = emit_random("randint", f, seed, draw, index, int64, in_order=True, low=-(2**63), high=2**63)
        for k in range(min(_LANES, n - start) if isinstance(start, int) else _LANES):
            sorting.put(f.lane(keys, k), f.add(start, k))

    def alone() -> None:
        whole = n // _LANES * _LANES
        f.range(0, whole, _LANES, put)
        if whole < n:
            put(whole)
        sorting.sort(to, 1)

    if n:
        f.when(f.compare("icmp eq", f.parameters["part"], f.index(0)), alone)
    return sorting.scratch


def _key(f: Function, value: Reg, dtype: DType, *, descending: bool) -> Reg:
    """A signed integer (32 or 64 bits) in the order of the elements; bits alone are looked at, so denormals count."""
    wide = "i64" if dtype.itemsize == 8 else "i32"
    if dtype.category == FLOATING:
        bits = f.convert("bitcast", value, wide)
        key = _float_key(f, bits, infinity=0x7FF << 52 if wide == "i64" else 0xFF << 23)
    else:
        key = f.convert("zext" if dtype.category == BOOL or dtype.name == "uint8" else "sext", value, wide)
    return f.op("xor", key, f.const(-1, wide)) if descending else key


def _float_key(f: Function, bits: Reg, *, infinity: int) -> Reg:
    most = f.const((1 << (63 if bits.type == "i64" else 31)) - 1, bits.type)
    magnitude = f.op("and", bits, most)
    negative = f.compare("icmp slt", bits, f.const(0, bits.type))
    key = f.select(negative, f.op("sub", f.const(0, bits.type), magnitude), magnitude)  # so -0 is 0
    return f.select(f.compare("icmp ugt", magnitude, f.const(infinity, bits.type)), most, key)


class Sorting:
    """Sorts lines of one length, and says where each element stood."""

    def __init__(self, f: Function, length: int, *, wide: bool) -> None:
        self.f, self.length = f, length
        self.word, self.bytes = ("i128", 16) if wide else ("i64", 8)  # `wide`: keys have 64 bits
        blocks = -(-length // _LONGEST_BLOCK)
        self.levels = max(0, blocks - 1).bit_length()
        self.block = -(-length // (1 << self.levels))
        self.filled = self.block << self.levels

    @property
    def scratch(self) -> int:
        """Bytes: two arrays of words."""
        return 2 * self.filled * self.bytes

    def put(self, key: Reg, i: Index) -> None:
        """The key of element i: to be called for each of them before `sort`."""
        self._store(self._packed(key, i), self.f.parameters["scratch"], i)

    def sort(self, to: Reg, stride: int) -> None:
        """Elements 0, 1, ... by their keys: the place of the first into to[0], of the next into to[stride], ..."""
        f = self.f
        one = f.parameters["scratch"]
        other = f.pointer(one, self.filled, self.word)
        most = f.const((1 << (63 if self.word == "i128" else 31)) - 1, "i64" if self.word == "i128" else "i32")
        # behind all others, whose places are smaller
        f.range(self.length, self.filled, 1, lambda i: self.put(most, i))
        f.range(0, self.filled, self.block, lambda start: self._rank(one, other, start))
        sorted = self._merge(other, one)

        def unpack(i: Index) -> None:
            place = f.convert("trunc", self._load(sorted, i), "i64")
            place = place if self.word == "i128" else f.op("and", place, f.index(0xFFFFFFFF))
            f.store(place, f.pointer(to, f.mul(i, stride), "i64"))

        f.range(0, self.length, 1, unpack)

    def _packed(self, key: Reg, place: Index) -> Reg:
        f = self.f
        upper = f.op("shl", f.convert("sext", key, self.word), Reg(str(4 * self.bytes), self.word))
        return f.op("or", upper, f.convert("zext", f.index(place), self.word))

    def _load(self, base: Reg, i: Index) -> Reg:
        return self.f.load(self.f.pointer(base, i, self.word), self.word, self.bytes)

    def _store(self, word: Reg, base: Reg, i: Index) -> None:
        self.f.store(word, self.f.pointer(base, i, self.word), self.bytes)

    def _rank(self, source: Reg, to: Reg, start: Index) -> None:
        """Puts each word of a block behind those that are smaller."""
        f = self.f

        def one(i: Index) -> None:
            word = self._load(source, f.add(start, i))
            rank = self.f.index(start)
            for k in range(self.block):
                smaller = f.compare("icmp slt", self._load(source, f.add(start, k)), word)
                rank = self._more(rank, smaller)
            self._store(word, to, rank)

        f.range(0, self.block, 1, one)

    def _merge(self, source: Reg, to: Reg) -> Reg:
        """Merges blocks until there is one. Where the words are then."""
        f = self.f

        def level(_: Index, carried: list[Reg]) -> list[Reg]:
            source, to, width, pairs = carried
            double = f.op("shl", width, f.index(1))
            f.range(0, pairs, 1, lambda pair: self._merge_pair(source, to, f.op("mul", f.index(pair), double), width))
            return [to, source, double, f.op("lshr", pairs, f.index(1))]

        pairs = f.index(1 << self.levels >> 1)
        return f.loop(0, self.levels, 1, level, [source, to, f.index(self.block), pairs])[0]

    def _merge_pair(self, source: Reg, to: Reg, start: Reg, width: Reg) -> None:
        """Two blocks that stand one behind the other into one, from both ends."""
        f = self.f
        first, second = (f.pointer(source, at, self.word) for at in (start, f.add(start, width)))
        low = f.pointer(to, start, self.word)
        last = f.add(width, -1)
        high = f.pointer(to, f.add(start, f.add(width, last)), self.word)

        def step(i: Reg, carried: list[Reg]) -> list[Reg]:
            below, above = carried  # how many came from the second block: at the lower end, at the upper one
            a, b = self._load(first, self._minus(i, below)), self._load(second, below)
            smaller = f.compare("icmp slt", b, a)
            self._store(f.select(smaller, b, a), low, i)
            c, d = self._load(first, f.add(self._minus(last, i), above)), self._load(second, self._minus(last, above))
            larger = f.compare("icmp sgt", d, c)
            self._store(f.select(larger, d, c), high, self._minus(0, i))
            return [self._more(below, smaller), self._more(above, larger)]

        f.loop(0, width, 1, step, [f.index(0), f.index(0)], at_least_once=True)

    def _minus(self, a: Index, b: Index) -> Reg:
        return self.f.op("sub", self.f.index(a), self.f.index(b))

    def _more(self, count: Index, by: Reg) -> Reg:
        return self.f.op("add", self.f.index(count), self.f.convert("zext", by, "i64"))
