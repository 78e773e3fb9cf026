"""Reads the text of a graph back: what `ir.text` writes, with any white space and `# comments` between the words.

A parsed graph has the form of one; whether its types hold is for `ir.verify` to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from chainrule.ir.errors import GraphError
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.text import BARE_NAME
from chainrule.ir.trace import make_input
from chainrule.ir.types import DTYPES, DType, Type
from chainrule.ir.value import Node

T = TypeVar("T")

_DTYPES = {dtype.short: dtype for dtype in DTYPES}
_WORDS = {"None": None, "True": True, "False": False, "inf": float("inf"), "nan": float("nan")}
_TOKEN = re.compile(
    r"(?P<space>\s+|\#[^\n]*)|(?P<node>%[0-9]+)|(?P<number>-inf\b|-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?)"
    rf'|(?P<word>{BARE_NAME.pattern})|(?P<string>"([^"\\\n]|\\.)*")|(?P<symbol>->|[][(){{}},;:=])|(?P<end>\Z)'
)
_MOST_DIGITS = 400  # more than any float or size needs
_DEEPEST = 50  # tuples within tuples


class Token(NamedTuple):
    """A word of the text and the line it stands in."""

    kind: str
    text: str
    line: int


def parse(text: str) -> Graph:
    """The graph that a text describes; GraphError with the line and what was expected there."""
    return _Parser(tokens_of(text)).graph()


def tokens_of(text: str) -> list[Token]:
    """The words of a text; the last one is empty, of kind "end"."""
    tokens, position, line = [], 0, 1
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise GraphError(f"graph text, line {line}: no word starts with {text[position]!r}.")
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(Token(kind, match.group(), line))
        if kind == "end":
            return tokens
        line += match.group().count("\n")
        position = match.end()


class _Parser:
    """One method per rule of the grammar; each takes the words that belong to it."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.nodes: dict[str, Node] = {}

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def take(self, expected: str, *, kind: str = "", text: str = "") -> Token:
        """The next word, which must be of this kind or text."""
        token = self.next
        if (kind and token.kind != kind) or (text and token.text != text):
            raise self.error(f"expected {expected}, found {token.text or 'the end'}")
        self.position += 1
        return token

    def symbol(self, text: str) -> None:
        self.take(f"'{text}'", text=text)

    def skip(self, symbol: str) -> bool:
        """Takes the next word if it is this symbol."""
        found = self.next.text == symbol and self.next.kind == "symbol"
        self.position += found
        return found

    def error(self, message: str, line: int | None = None) -> GraphError:
        return GraphError(f"graph text, line {line or self.next.line}: {message}.")

    def several(self, rule: Callable[[], T], closing: str) -> list[T]:
        """rule, rule, ... up to the closing symbol, which is left in place; a comma may follow the last."""
        found = []
        while self.next.text != closing:
            found.append(rule())
            if self.next.text != closing:
                self.take(f"',' or '{closing}'", text=",")
        return found

    # The rules, from the whole to the parts

    def graph(self) -> Graph:
        self.take("'graph'", text="graph")
        self.symbol("(")
        inputs = self.several(self.input, ")")
        self.symbol(")")
        self.symbol("{")
        while self.next.kind == "node":
            self.statement()
        self.take("'%<number> = ...' or 'return'", text="return")
        outputs, aliases = self.operands(), {}
        if self.skip(";"):
            self.take("'aliases'", text="aliases")
            aliases = dict(self.several(self.alias, "}"))
        self.symbol("}")
        self.take("nothing after '}'", kind="end")
        return Graph(tuple(inputs), tuple(outputs), aliases)

    def input(self) -> Node:
        token = self.take("an input '%<number> name: type'", kind="node")
        name = ""
        if self.next.kind == "string":
            name = self.string()
        elif self.next.kind == "word":
            name = self.take("a name", kind="word").text
        self.symbol(":")
        return self.define(token, make_input(name, self.array_type()))

    def statement(self) -> None:
        token = self.take("'%<number> = ...'", kind="node")
        self.symbol("=")
        word = self.take("the name of a primitive", kind="word")
        if word.text not in REGISTRY:
            raise self.error(f"there is no primitive {word.text}", word.line)
        self.symbol("(")
        operands, params = self.operands(), {}
        if self.skip(";"):
            params = dict(self.several(self.param, ")"))
        self.take("an operand, ';' or ')'", text=")")
        self.symbol(":")
        self.define(token, Node(REGISTRY[word.text], tuple(operands), params, self.type()))

    def define(self, token: Token, node: Node) -> Node:
        if token.text in self.nodes:
            raise self.error(f"{token.text} is defined twice", token.line)
        self.nodes[token.text] = node
        return node

    def operands(self) -> list[Node]:
        """%1, %2, ...; there may be none."""
        found = [self.operand()] if self.next.kind == "node" else []
        while found and self.skip(","):
            found.append(self.operand())
        return found

    def operand(self) -> Node:
        token = self.take("an operand", kind="node")
        if token.text not in self.nodes:
            raise self.error(f"{token.text} is not defined before it is used", token.line)
        return self.nodes[token.text]

    def alias(self) -> tuple[int, int]:
        output = self.integer("the number of an output")
        self.symbol("->")
        return output, self.integer("the number of an input")

    def param(self) -> tuple[str, Any]:
        name = self.take("the name of a parameter", kind="word").text
        self.symbol("=")
        return name, self.value()

    def value(self) -> Any:
        token = self.next
        if token.kind == "number":
            return self.number()
        if token.kind == "string":
            return self.string()
        if token.text == "(":
            return self.nested(self.value)
        if token.text in _DTYPES:
            dtype = self.dtype()
            return Type(self.shape(), dtype) if self.next.text == "[" else dtype
        if token.text == "function":
            raise self.function_error()
        if token.kind == "word" and token.text in _WORDS:
            self.position += 1
            return _WORDS[token.text]
        raise self.error(
            f"expected a number, a string, a dtype, a tuple, True, False or None, found {token.text or 'the end'}"
        )

    def function_error(self) -> GraphError:
        line = self.take("'function'", kind="word").line
        self.symbol("(")
        return self.error(
            f"the Python function {self.string()} stands in a text by name only; it cannot be read back", line
        )

    def number(self) -> int | float:
        token = self.take("a number", kind="number")
        if len(token.text) > _MOST_DIGITS:
            raise self.error(f"a number has {len(token.text)} digits", token.line)
        return int(token.text) if token.text.lstrip("-").isdigit() else float(token.text)

    def integer(self, expected: str) -> int:
        value = self.number() if self.next.kind == "number" else None
        if not isinstance(value, int) or value < 0:
            raise self.error(f"expected {expected}, found {self.tokens[self.position - (value is not None)].text}")
        return value

    def string(self) -> str:
        token = self.take("a string", kind="string")
        try:
            return str(json.loads(token.text))
        except json.JSONDecodeError as error:
            raise self.error(f"{token.text} is no string: {error.msg}", token.line) from None

    def nested(self, rule: Callable[[], T]) -> tuple[T, ...]:
        """(rule, rule, ...)"""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"tuples are nested more than {_DEEPEST} deep")
        self.symbol("(")
        found = tuple(self.several(rule, ")"))
        self.symbol(")")
        self.depth -= 1
        return found

    def type(self) -> Any:
        """A type, or a tuple of them in parentheses."""
        return self.nested(self.type) if self.next.text == "(" else self.array_type()

    def array_type(self) -> Type:
        dtype = self.dtype()
        return Type(self.shape(), dtype)

    def dtype(self) -> DType:
        word = self.take("a type like f32[2, 3]", kind="word").text
        if word not in _DTYPES:
            raise self.error(f"expected a type like f32[2, 3], found {word}")
        return _DTYPES[word]

    def shape(self) -> tuple[int, ...]:
        self.symbol("[")
        lengths = self.several(lambda: self.integer("the length of a dimension"), "]")
        self.symbol("]")
        return tuple(lengths)
