"""Graphs as text; `ir.parse` reads it back.

    graph(%0 x: f32[64, 32], %1 w: f32[32, 8]) {
      %2 = matmul(%0, %1) : f32[64, 8]
      %3 = sum(%2; axes=(0, 1), keepdims=False) : f32[]
      return %3; aliases 0->1
    }

Inputs first, then a line per node with its parameters in alphabetical order, so that one program has one text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.ir.errors import GraphError
from chainrule.ir.types import DType, Type

if TYPE_CHECKING:
    from chainrule.ir.graph import Graph
    from chainrule.ir.value import Node

BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def text_of(graph: Graph, *, names: bool = True) -> str:
    """The graph as text; without `names` of inputs it identifies the program."""
    return "\n".join(_lines(graph, names))


def _lines(graph: Graph, names: bool) -> Iterator[str]:
    number = {node: f"%{k}" for k, node in enumerate((*graph.inputs, *graph.nodes))}
    inputs = [f"{number[node]}{_name(node) if names else ''}: {type_text(node.type)}" for node in graph.inputs]
    yield f"graph({', '.join(inputs)}) {{"
    for node in graph.nodes:
        operands = ", ".join([number.get(source, "%?") for source in node.inputs])
        params = node.params
        words = ", ".join([f"{key}={word(params[key])}" for key in sorted(params)]) if params else ""
        call = f"{node.primitive.name}({operands}{'; ' if words else ''}{words})"
        yield f"  {number[node]} = {call} : {type_text(node.type)}"
    aliases = ", ".join(f"{output}->{input}" for output, input in sorted(graph.aliases.items()))
    outputs = ", ".join([number.get(node, "%?") for node in graph.outputs])
    yield f"  return{' ' if outputs else ''}{outputs}{'; aliases ' if aliases else ''}{aliases}"
    yield "}"


def _name(node: Node) -> str:
    name = node.params["name"] if node.primitive.name == "input" else ""  # an input that the trace computed has none
    if not name:
        return ""
    return f" {name}" if BARE_NAME.fullmatch(name) else f" {json.dumps(name)}"


def type_text(type: Any) -> str:
    """f32[2, 3], or (f32[2], i64[2]) for the type of a primitive of several results."""
    return _plain_type_text(type) if type.__class__ is Type else _tuple_text([type_text(part) for part in type])


@functools.lru_cache(4096)
def _plain_type_text(type: Type) -> str:
    return str(type)


def _tuple_text(words: list[str]) -> str:
    return f"({words[0]},)" if len(words) == 1 else f"({', '.join(words)})"


def word(value: Any) -> str:
    """A parameter of a primitive as text."""
    kind = value.__class__
    if kind is int or kind is bool:  # these first: every node asks
        return repr(value)
    if kind is tuple and all([part.__class__ is int for part in value]):
        return repr(value)
    if isinstance(value, np.generic):
        value = value.item()  # a number of NumPy's means the same as Python's
    if value is None or isinstance(value, bool | int | float):
        return repr(value)  # the shortest digits that read back as the same float; inf, nan
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, DType):
        return value.short
    if isinstance(value, Type):
        return str(value)
    if isinstance(value, tuple):
        return _tuple_text([word(part) for part in value])
    if callable(value):
        return f"function({json.dumps(qualified_name(value))})"
    raise GraphError(
        f"graph text: a parameter of class {type(value).__name__} cannot be written: {value!r}. "
        "Parameters are None, numbers, strings, dtypes, types, functions and tuples of these."
    )


def qualified_name(function: Any) -> str:
    """module.name of a function; of another callable, of its class."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
