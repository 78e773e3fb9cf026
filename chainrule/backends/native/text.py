"""Writes LLVM IR as text, already vectorised: one `Function` builds one function in SSA form.

Values are `Reg`s: a name (or a constant) with its LLVM type. Indices may be Python ints, which fold while emitting, or
i64 `Reg`s. No fast-math flags anywhere: an operation's bits do not depend on what stands around it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from chainrule.backends.native.level import Level


class Reg(NamedTuple):
    """A value: its text and its LLVM type."""

    name: str
    type: str


Index = int | Reg

BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128, "float": 32, "double": 64, "ptr": 64}


def vector(lanes: int, element: str) -> str:
    """<8 x float>; of one lane, the element itself."""
    return f"<{lanes} x {element}>" if lanes > 1 else element


def lanes_of(type: str) -> int:
    """8 for <8 x float>, 1 for float."""
    return int(type[1:].split(" ", 1)[0]) if type.startswith("<") else 1


def element_of(type: str) -> str:
    """float for <8 x float> and for float."""
    return type[1:-1].split(" x ", 1)[1] if type.startswith("<") else type


def with_element(type: str, element: str) -> str:
    """The vector of as many lanes with other elements."""
    return vector(lanes_of(type), element)


def size_of(element: str) -> int:
    """Bytes of an element in memory; a bool takes one."""
    return max(1, BITS[element] // 8)


def number(value: Any, element: str) -> str:
    """A constant of an element type as LLVM writes it: floats by their bits."""
    if element == "i1":
        return "true" if value else "false"
    if element == "float":
        return f"0x{_bits(struct.unpack('f', struct.pack('f', _float32(value)))[0]):016X}"
    if element == "double":
        return f"0x{_bits(float(value)):016X}"
    bits = BITS[element]
    value = int(value) & ((1 << bits) - 1)
    return str(value - (1 << bits) if value >> (bits - 1) else value)


def _float32(value: Any) -> float:
    """A Python number that `struct` can pack as float32: what is too large becomes infinite, as in NumPy."""
    wide = float(value)
    try:
        struct.pack("f", wide)
    except OverflowError:
        return float("inf") if wide > 0 else float("-inf")
    return wide


def _bits(value: float) -> int:
    found: int = struct.unpack(">Q", struct.pack(">d", value))[0]
    return found


class Function:
    """One function in the making. `str()` gives its text; `declarations` what it calls."""

    def __init__(
        self,
        name: str,
        parameters: Sequence[tuple[str, str]],  # (type, name); pointers do not alias each other unless `alias`
        level: Level,
        *,
        result: str = "void",
        internal: bool = False,
        alias: bool = True,
    ) -> None:
        self.name, self.level = name, level
        words = [f"{type}{' noalias' if type == 'ptr' and not alias else ''} %{word}" for type, word in parameters]
        head = "define internal" if internal else "define"
        self._head = f"{head} {result} @{name}({', '.join(words)}) #0 {{"
        self.parameters = {word: Reg(f"%{word}", type) for type, word in parameters}
        self.declarations: set[str] = set()
        self._lines: list[str] = []
        self._count = 0
        self._label = ""
        self.label(self.new_label("entry"))

    def __str__(self) -> str:
        return "\n".join([self._head, *self._lines, "}"])

    # Lines

    def emit(self, line: str) -> None:
        """A line that gives no value."""
        self._lines.append(f"  {line}")

    def value(self, expression: str, type: str) -> Reg:
        """A line that gives a value."""
        self._count += 1
        name = f"%t{self._count}"
        self._lines.append(f"  {name} = {expression}")
        return Reg(name, type)

    def new_label(self, hint: str = "L") -> str:
        """A label nobody has."""
        self._count += 1
        return f"{hint}{self._count}"

    def label(self, name: str) -> None:
        """Starts a block."""
        self._lines.append(f"{name}:")
        self._label = name

    def branch(self, to: str, condition: Reg | None = None, otherwise: str = "") -> None:
        """Ends a block."""
        if condition is None:
            self.emit(f"br label %{to}")
        else:
            self.emit(f"br i1 {condition.name}, label %{to}, label %{otherwise}")

    def end(self, value: Reg | None = None) -> None:
        """Returns."""
        self.emit("ret void" if value is None else f"ret {value.type} {value.name}")

    # Constants

    def const(self, value: Any, type: str) -> Reg:
        """A number; in all lanes of a vector type."""
        text = number(value, element_of(type))
        return Reg(f"splat ({element_of(type)} {text})" if lanes_of(type) > 1 else text, type)

    def consts(self, values: Iterable[Any], element: str) -> Reg:
        """A vector of given numbers."""
        words = [f"{element} {number(value, element)}" for value in values]
        return Reg(f"<{', '.join(words)}>", vector(len(words), element))

    def index(self, value: Index) -> Reg:
        """An index as an i64."""
        return Reg(str(value), "i64") if isinstance(value, int) else value

    # Arithmetic; operands are of one type

    def op(self, name: str, a: Reg, b: Reg) -> Reg:
        """fadd, fsub, fmul, fdiv, frem, add, sub, mul, and, or, xor, shl, lshr, ashr, sdiv, srem, ..."""
        return self.value(f"{name} {a.type} {a.name}, {b.name}", a.type)

    def neg(self, a: Reg) -> Reg:
        """-a of a float, the sign bit alone."""
        return self.value(f"fneg {a.type} {a.name}", a.type)

    def compare(self, predicate: str, a: Reg, b: Reg) -> Reg:
        """ "fcmp olt", "icmp eq", ... -> i1s."""
        return self.value(f"{predicate} {a.type} {a.name}, {b.name}", with_element(a.type, "i1"))

    def select(self, condition: Reg, a: Reg, b: Reg) -> Reg:
        """a where the condition holds, else b."""
        return self.value(f"select {condition.type} {condition.name}, {a.type} {a.name}, {b.type} {b.name}", a.type)

    def convert(self, how: str, a: Reg, element: str) -> Reg:
        """sitofp, fptosi, fpext, fptrunc, zext, sext, trunc, bitcast, ... to lanes of another element type."""
        type = with_element(a.type, element)
        return a if type == a.type else self.value(f"{how} {a.type} {a.name} to {type}", type)

    def intrinsic(self, name: str, *operands: Reg, result: str = "", overloads: Sequence[str] | None = None) -> Reg:
        """A call of llvm.NAME, overloaded by its first operand's type (or `overloads`); its result is of that type."""
        result = result or operands[0].type
        types = [operands[0].type] if overloads is None else overloads
        full = ".".join([f"llvm.{name}", *map(_mangled, types)])
        return self.call(full, *operands, result=result)

    def call(self, name: str, *operands: Reg, result: str = "void", declared: bool = False) -> Reg:
        """A call. What the module does not define itself is declared (unless `declared`)."""
        if not declared:
            self.declarations.add(f"declare {result} @{name}({', '.join(o.type for o in operands)})")
        words = ", ".join(f"{o.type} {o.name}" for o in operands)
        if result == "void":
            self.emit(f"call void @{name}({words})")
            return Reg("", "void")
        return self.value(f"call {result} @{name}({words})", result)

    def define(self, definition: Function | str) -> None:
        """A constant or a function (with what it needs) that this one uses: the module has it once, by its text."""
        if isinstance(definition, Function):
            self.declarations |= definition.declarations
        self.declarations.add(str(definition))

    def fma(self, a: Reg, b: Reg, c: Reg) -> Reg:
        """a b + c: with one rounding where the level has it, else with two."""
        if self.level.fma:
            return self.intrinsic("fma", a, b, c)
        return self.op("fadd", self.op("fmul", a, b), c)

    # Lanes

    def splat(self, a: Reg, lanes: int) -> Reg:
        """A scalar in all lanes."""
        if lanes == 1:
            return a
        type = vector(lanes, a.type)
        one = self.value(f"insertelement {type} poison, {a.type} {a.name}, i64 0", type)
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self.value(f"shufflevector {type} {one.name}, {type} poison, {zeros}", type)

    def shuffle(self, a: Reg, b: Reg, lanes: Sequence[int]) -> Reg:
        """Lanes picked from a (0..) and b (behind a's)."""
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        type = vector(len(lanes), element_of(a.type))
        return self.value(f"shufflevector {a.type} {a.name}, {b.type} {b.name}, <{len(lanes)} x i32> <{mask}>", type)

    def lane(self, a: Reg, k: Index) -> Reg:
        """One lane."""
        return self.value(f"extractelement {a.type} {a.name}, i64 {self.index(k).name}", element_of(a.type))

    def with_lane(self, a: Reg, k: Index, b: Reg) -> Reg:
        """a with one lane replaced."""
        return self.value(f"insertelement {a.type} {a.name}, {b.type} {b.name}, i64 {self.index(k).name}", a.type)

    # Indices: i64, never negative where they are multiplied; Python ints fold

    def add(self, a: Index, b: Index) -> Index:
        """a + b."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(a, int):
            a, b = b, a
        if isinstance(b, int) and b == 0:
            return a
        return self.value(f"add nsw i64 {self.index(a).name}, {self.index(b).name}", "i64")

    def mul(self, a: Index, b: Index) -> Index:
        """a b."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if isinstance(a, int):
            a, b = b, a
        if isinstance(b, int) and b in (0, 1):
            return a if b else 0
        return self.value(f"mul nsw i64 {self.index(a).name}, {self.index(b).name}", "i64")

    def divmod(self, a: Index, by: int) -> tuple[Index, Index]:
        """(a // by, a % by) for a >= 0."""
        if isinstance(a, int):
            return divmod(a, by)
        if by == 1:
            return a, 0
        q = self.value(f"udiv i64 {a.name}, {by}", "i64")
        return q, self.value(f"urem i64 {a.name}, {by}", "i64")

    def minimum(self, a: Index, b: Index) -> Index:
        """The smaller of two indices."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.intrinsic("smin", self.index(a), self.index(b))

    def below(self, a: Index, b: Index) -> Reg:
        """a < b as an i1."""
        return self.compare("icmp slt", self.index(a), self.index(b))

    # Memory

    def pointer(self, base: Reg, index: Index, element: str) -> Reg:
        """The address of base[index], in elements."""
        if isinstance(index, int) and index == 0:
            return base
        stored = "i8" if element == "i1" else element
        return self.value(f"getelementptr inbounds {stored}, ptr {base.name}, i64 {self.index(index).name}", "ptr")

    def load(self, pointer: Reg, type: str, align: int = 0) -> Reg:
        """A value from memory. Bools are bytes there."""
        element = element_of(type)
        stored = with_element(type, "i8") if element == "i1" else type
        found = self.value(f"load {stored}, ptr {pointer.name}, align {align or size_of(element)}", stored)
        return self.convert("trunc", found, "i1") if element == "i1" else found

    def store(self, a: Reg, pointer: Reg, align: int = 0) -> None:
        """A value to memory."""
        if element_of(a.type) == "i1":
            a = self.convert("zext", a, "i8")
        self.emit(f"store {a.type} {a.name}, ptr {pointer.name}, align {align or size_of(element_of(a.type))}")

    def load_first(self, pointer: Reg, type: str, count: int) -> Reg:
        """The first `count` lanes from memory, zero in the others; nothing behind them is touched."""
        lanes, element = lanes_of(type), element_of(type)
        if count >= lanes:
            return self.load(pointer, type)
        if element == "i1":
            return self.convert("trunc", self.load_first(pointer, with_element(type, "i8"), count), "i1")
        mask = self.consts([lane < count for lane in range(lanes)], "i1")
        zero = self.const(0, type)
        call = f"call {type} @llvm.masked.load.{_mangled(type)}.p0(ptr align {size_of(element)} {pointer.name}, "
        self.declarations.add(f"declare {type} @llvm.masked.load.{_mangled(type)}.p0(ptr, {mask.type}, {type})")
        return self.value(f"{call}{mask.type} {mask.name}, {type} {zero.name})", type)

    def store_first(self, a: Reg, pointer: Reg, count: int) -> None:
        """The first `count` lanes to memory."""
        lanes, element = lanes_of(a.type), element_of(a.type)
        if count >= lanes:
            return self.store(a, pointer)
        if element == "i1":
            return self.store_first(self.convert("zext", a, "i8"), pointer, count)
        mask = self.consts([lane < count for lane in range(lanes)], "i1")
        self.declarations.add(f"declare void @llvm.masked.store.{_mangled(a.type)}.p0({a.type}, ptr, {mask.type})")
        self.emit(
            f"call void @llvm.masked.store.{_mangled(a.type)}.p0({a.type} {a.name}, "
            f"ptr align {size_of(element)} {pointer.name}, {mask.type} {mask.name})"
        )
        return None

    # Loops

    def loop(
        self,
        start: Index,
        stop: Index,
        step: int,
        body: Callable[[Reg, list[Reg]], Sequence[Reg] | None],
        carried: Sequence[Reg] = (),
        *,
        at_least_once: bool = False,
    ) -> list[Reg]:
        """for i in range(start, stop, step): carried = body(i, carried). Returns what is carried at the end.

        With `at_least_once` (the caller knows that start < stop) no test stands before the first round.
        """
        once = at_least_once or (isinstance(start, int) and isinstance(stop, int) and start < stop)
        if isinstance(start, int) and isinstance(stop, int) and start >= stop:
            return list(carried)
        before, head, done = self._label, self.new_label("loop"), self.new_label("done")
        if once:
            self.branch(head)
        else:
            self.branch(head, self.below(start, stop), done)
        self.label(head)
        place = len(self._lines)
        self._count += 1
        i = Reg(f"%t{self._count}", "i64")
        held = []
        for one in carried:
            self._count += 1
            held.append(Reg(f"%t{self._count}", one.type))
        after = list(body(i, held) or ())
        assert len(after) == len(held), f"the loop carries {len(held)} values, its body returned {len(after)}"
        further = self.value(f"add nsw i64 {i.name}, {step}", "i64")
        again = self.below(further, stop)
        last = self._label
        self.branch(head, again, done)
        phis = [f"  {i.name} = phi i64 [ {self.index(start).name}, %{before} ], [ {further.name}, %{last} ]"]
        for register, first, new in zip(held, carried, after, strict=True):
            phis.append(f"  {register.name} = phi {register.type} [ {first.name}, %{before} ], [ {new.name}, %{last} ]")
        self._lines[place:place] = phis
        self.label(done)
        if once:
            return after
        return [  # nothing may have run
            self.value(f"phi {first.type} [ {first.name}, %{before} ], [ {new.name}, %{last} ]", first.type)
            for first, new in zip(carried, after, strict=True)
        ]

    def range(self, start: Index, stop: Index, step: int, body: Callable[[Index], Any]) -> None:
        """A loop that carries nothing; one round of known bounds is written out."""
        if isinstance(start, int) and isinstance(stop, int) and 0 < stop - start <= step:
            body(start)
        else:
            self.loop(start, stop, step, lambda i, _: (body(i), None)[1])

    def when(self, condition: Reg, body: Callable[[], Any]) -> None:
        """if condition: body()."""
        inside, after = self.new_label("then"), self.new_label("after")
        self.branch(inside, condition, after)
        self.label(inside)
        body()
        self.branch(after)
        self.label(after)

    def choose(self, condition: Reg, then: Callable[[], Reg], otherwise: Callable[[], Reg]) -> Reg:
        """The value of one of two pieces of code; only that one runs. Both values are of one type."""
        labels = self.new_label("then"), self.new_label("else")
        after = self.new_label("after")
        self.branch(labels[0], condition, labels[1])
        found = []
        for label, body in zip(labels, (then, otherwise), strict=True):
            self.label(label)
            found.append((body(), self._label))
            self.branch(after)
        self.label(after)
        pairs = ", ".join(f"[ {value.name}, %{label} ]" for value, label in found)
        return self.value(f"phi {found[0][0].type} {pairs}", found[0][0].type)


def _mangled(type: str) -> str:
    """v8f32 for <8 x float>, as the names of intrinsics have it."""
    element = {"float": "f32", "double": "f64", "ptr": "p0"}.get(element_of(type), element_of(type))
    return f"v{lanes_of(type)}{element}" if lanes_of(type) > 1 else element


def module_text(functions: Iterable[Function | str], level: Level, declarations: Iterable[str] = ()) -> str:
    """Functions as one module of LLVM IR; strings are taken as they are."""
    functions = list(functions)
    declared = set(declarations).union(*(f.declarations for f in functions if isinstance(f, Function)))
    return "\n".join(
        [
            f'target triple = "{level.triple}"',
            *sorted(declared),
            *map(str, functions),
            f"attributes #0 = {{ {level.attributes} }}",
        ]
    )
