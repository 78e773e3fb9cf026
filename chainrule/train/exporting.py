"""A model's forward pass as a graph that needs no Python of the user's: for a fixed number of rows, in evaluation mode.

Its inputs are the model's own inputs, its parameters and buffers by their names, and constants that the forward met.
Saved as text (`ir/text.py`) it is read back without running anything (`ir/parse.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.graph import Graph
from chainrule.ir.trace import make_input
from chainrule.ir.tree import flatten
from chainrule.ir.types import Type
from chainrule.ir.value import Node, Value
from chainrule.ops.control import CUSTOM, ITEM
from chainrule.program import Source, sources_of
from chainrule.tensor import Tensor
from chainrule.tracing import Tracing

Array = npt.NDArray[Any]

FEW = 4  # rows, to see whether they keep apart
ROWS = 256  # a graph's rows; fewer where its values would take more memory than this:
MOST_BYTES = 256 << 20


class Input(NamedTuple):
    """What an input of the graph stands for: an "argument" of the model by number, a "tensor" of its state by name, or
    a "constant" by name."""

    kind: str
    name: str


@dataclass(frozen=True)
class Exported:
    """The forward pass of a model. inputs: what each input of the graph stands for; rows: of each argument and of the
    result; constants: arrays by name."""

    graph: Graph
    inputs: tuple[Input, ...]
    rows: int
    constants: Mapping[str, Array | Tensor]

    @property
    def arguments(self) -> tuple[Type, ...]:
        """The types of the model's arguments, with this graph's number of rows."""
        found = {
            int(given.name): node.type
            for given, node in zip(self.inputs, self.graph.inputs, strict=True)
            if given.kind == "argument"
        }
        return tuple(found[position] for position in sorted(found))


def export(model: nn.Module, example: Sequence[Any], rows: int = ROWS) -> Exported:
    """The forward pass of a model in evaluation mode, for arguments like the example: arrays or tensors with a row for
    each sample, one row at least. The model is left as it was.

    Raises TracedValueError and the like where the forward cannot be traced, ArgumentError where it does not give one
    tensor with a row for each row, changes its own state, or has rows that depend on one another.
    """
    arrays = rows_of(example)
    row_bytes = sum(array[:1].nbytes for array in arrays)
    while rows > 1 and rows * row_bytes > MOST_BYTES:
        rows //= 2
    exported = _export(model, arrays, rows)
    while rows > 1 and peak_bytes(exported.graph) > MOST_BYTES:
        rows //= 2
        exported = _export(model, arrays, rows)
    _refuse_mixing(model, arrays)
    return exported


def rows_of(example: Sequence[Any]) -> list[Array]:
    """An example as arrays; ArgumentError if a part has no rows."""
    arrays = [part.read_outside().array if isinstance(part, Tensor) else np.asarray(part) for part in example]
    for position, array in enumerate(arrays):
        if array.ndim == 0 or not len(array):
            raise ArgumentError(
                f"the example's part {position} must hold rows, one at least; its shape is {list(array.shape)}."
            )
    return arrays


def _export(model: nn.Module, arrays: Sequence[Array], rows: int) -> Exported:
    results: list[Node] = []

    def forward(*arguments: Tensor) -> None:
        result = model(*arguments)
        if not isinstance(result, Tensor):
            raise ArgumentError(
                f"the forward of a model to predict with must return one tensor, not {type(result).__name__}."
            )
        results.append(result.read())

    arguments = [Tensor(Value(np.resize(array, (rows, *array.shape[1:])))) for array in arrays]
    leaves, structure = flatten((tuple(arguments), {}))
    with _evaluating(model), state.using(state.executor, "reference"):  # traced only, so no machine code is made
        tracing = Tracing(forward, leaves, structure, keep_grads=False)
        _refuse_writes(model, tracing)
        (result,) = results
        if result.shape[:1] != (rows,):
            raise ArgumentError(
                f"the forward of a model to predict with must return a row for each row: of {rows} rows it made "
                f"{result.type}."
            )
        return _named(result, sources_of(tracing), names_of(model), rows)


def _refuse_mixing(model: nn.Module, arrays: Sequence[Array]) -> None:
    """Raises ArgumentError if what the model says of a row is another beside other rows."""
    exported = _export(model, arrays, FEW)
    run = reference.compile(exported.graph)
    beside_itself = [np.resize(array[:1], (FEW, *array.shape[1:])) for array in arrays]
    beside_others = [np.concatenate([rows[:1], _other(rows[1:])]) for rows in beside_itself]
    one, other = [run(_values(model, exported, given))[0][0] for given in (beside_itself, beside_others)]
    if not np.allclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise ArgumentError(
            f"what {type(model).__name__} says of a row in evaluation mode depends on the rows beside it (statistics "
            "of the batch?), so it has no answer for a row alone."
        )


def _other(rows: Array) -> Array:
    """Rows that differ from these; whole numbers may be places in a table, where 0 is one."""
    return rows + rows.dtype.type(1) if rows.dtype.kind == "f" else np.zeros_like(rows)


def filled(array: Array, rows: int) -> Array:
    """The rows, and zeros up to the number that is needed."""
    if len(array) == rows:
        return np.ascontiguousarray(array)
    whole = np.zeros((rows, *array.shape[1:]), array.dtype)
    whole[: len(array)] = array
    return whole


def _values(model: nn.Module, exported: Exported, arguments: Sequence[Array]) -> list[Array]:
    tensors = model.state_dict(keep_vars=True)
    found = []
    for kind, name in exported.inputs:
        place: Any = arguments[int(name)] if kind == "argument" else None
        given = place if place is not None else tensors[name] if kind == "tensor" else exported.constants[name]
        found.append(given.read_outside().array if isinstance(given, Tensor) else given)
    return found


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; afterwards each module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with state.using(state.gradients_enabled, False):
            yield
    finally:
        for module, mode in modes:
            if module.training is not mode:
                module.training = mode


def names_of(model: nn.Module) -> dict[int, str]:
    """The names of the tensors of a model's state dict, by the identity of the parameter or buffer."""
    found: dict[int, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor):
            found.setdefault(id(tensor), name)
    return found


def _refuse_writes(model: nn.Module, tracing: Tracing) -> None:
    known = dict(_all_names(model))
    written = [cell.handle for cell in tracing.trace.cells.values() if cell.writes and cell.current is not cell.input]
    if written:
        name = known.get(id(written[0]))
        what = f"it writes to {name}" if name else "it draws random numbers, or writes to a tensor from outside"
        raise ArgumentError(
            f"the forward of {type(model).__name__} does more in evaluation mode than to compute a result: {what}. "
            "Do that in training mode only (`if self.training: ...`)."
        )


def _all_names(model: nn.Module) -> Iterator[tuple[int, str]]:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        yield id(tensor), name


def _named(result: Node, sources: dict[Node, Source], names: dict[int, str], rows: int) -> Exported:
    """The graph of a result, with inputs that are called after what they stand for."""
    order = Graph((), (result,)).nodes
    read = {result, *(source for node in order for source in node.inputs)}
    found = [node for node in sources if node in read]
    inputs: list[Input] = []
    constants: dict[str, Array | Tensor] = {}
    new: dict[Node, Node] = {}
    for node in found:
        kind, thing = sources[node]
        if kind == "argument":
            given = Input("argument", str(thing))
        elif kind == "cell" and id(thing) in names:
            given = Input("tensor", names[id(thing)])
        else:
            given = Input("constant", f"constant{len(constants)}")
            constants[given.name] = thing if isinstance(thing, Tensor) else np.asarray(thing)
        inputs.append(given)
        new[node] = make_input(f"x{given.name}" if kind == "argument" else given.name, node.type)
    for node in order:
        new[node] = _renewed(node, new)
    return Exported(Graph(tuple(new[node] for node in found), (new[result],)), tuple(inputs), rows, constants)


def _renewed(node: Node, new: dict[Node, Node]) -> Node:
    """The node on new inputs. Derivatives that results were given are left out: nothing is differentiated."""
    if node.primitive is ITEM and node.inputs[0].primitive is CUSTOM:
        return new[node.inputs[0].inputs[node.params["index"]]]
    return Node(node.primitive, tuple(new[operand] for operand in node.inputs), node.params, node.type, node.origin)


def bytes_of(type: Any) -> int:
    """The memory of a value, or of the values of a primitive of several results."""
    return type.size * type.dtype.itemsize if isinstance(type, Type) else sum(map(bytes_of, type))


def peak_bytes(graph: Graph) -> int:
    """The most memory that the values of a graph take at one time, inputs left out, if each is made whole."""
    last = {source: k for k, node in enumerate(graph.nodes) for source in node.inputs}
    ends: dict[int, list[Node]] = {}
    for node in graph.nodes:
        ends.setdefault(last.get(node, len(graph.nodes)), []).append(node)
    held = most = 0
    for k, node in enumerate(graph.nodes):
        held += bytes_of(node.type)
        most = max(most, held)
        held -= sum(bytes_of(gone.type) for gone in ends.get(k, ()))
    return most
