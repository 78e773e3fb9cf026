"""A model in one file: tensors under PyTorch's names and in its shapes, and beside them, as words, what it computes.

The words hold the forward pass as the text of a graph, the preprocessing as JSON, and no code: whoever reads them runs
nothing. What they claim is held against the file before memory is taken for it. PyTorch opens the tensors:
`model.load_state_dict(safetensors.torch.load_file("model.safetensors"))`.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.ir.errors import ChainruleError, FileError, GraphError
from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.text import text_of
from chainrule.ir.types import BY_NUMPY, Type, dtype_of
from chainrule.ir.value import Node
from chainrule.ir.verify import verify
from chainrule.tensor import Tensor
from chainrule.train.exporting import Array, Exported, Input, bytes_of, peak_bytes
from chainrule.train.forward import value_of
from chainrule.train.sealed import read_sealed, write_sealed
from chainrule.version import __version__

FORMAT = "chainrule model 1"
_NAME = "chainrule model "
_FREE_BYTES = 1 << 29  # what a graph may take whatever the size of its file
_TIMES = 16  # and as many times that size besides


@dataclass(frozen=True)
class Saved:
    """What a model's file holds.

    tensors: the state dict. exported: the forward pass, None if it could not be traced; then `untraced` says why.
    encoding, labels: how tables become inputs, and outputs answers, as JSON; None if the model was trained on arrays.
    task: "classification", "regression" or None. description: whatever else is worth keeping, JSON.
    """

    tensors: dict[str, Array]
    exported: Exported | None
    untraced: str = ""
    encoding: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    task: str | None = None
    description: dict[str, Any] = field(default_factory=dict)


def write_model(path: Path, saved: Saved) -> None:
    """Writes a model's file, whole or not at all. FileError if the disk refuses."""
    content = {
        "chainrule": __version__,
        "task": saved.task,
        "forward": None if saved.exported is None else _forward_json(saved.exported),
        "untraced": saved.untraced,
        "encoding": saved.encoding,
        "labels": saved.labels,
        "description": saved.description,
    }
    write_sealed(path, saved.tensors, {"format": FORMAT, "model": json.dumps(content)})


def _forward_json(exported: Exported) -> dict[str, Any]:
    return {
        "rows": exported.rows,
        "inputs": [list(given) for given in exported.inputs],
        "constants": {name: _constant_json(value_of(given)) for name, given in exported.constants.items()},
        "graph": text_of(exported.graph),
    }


def _constant_json(array: Array) -> dict[str, Any]:
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    data = base64.b64encode(plain.tobytes()).decode("ascii")
    return {"dtype": BY_NUMPY[array.dtype].name, "shape": list(array.shape), "data": data}


# Reading --------------------------------------------------------------------------------------------------------------


def read_model(path: Path) -> Saved:
    """What `write_model` wrote; FileError, in a line, for every other file."""
    tensors, words = read_sealed(path)
    form = words.get("format", "")
    if form != FORMAT:
        what = f"has format {form!r}; this version reads {FORMAT!r}" if form.startswith(_NAME) else "holds no model"
        raise FileError(f"{path} {what}{' (it is a checkpoint)' if 'checkpoint' in form else ''}.")
    try:
        content = json.loads(words["model"])
        writer = str(content["chainrule"])
        forward = content["forward"]
        return Saved(
            tensors=tensors,
            exported=None if forward is None else _exported(forward, tensors, path, writer),
            untraced=str(content["untraced"]),
            encoding=_dict_or_none(content["encoding"]),
            labels=_dict_or_none(content["labels"]),
            task=None if content["task"] is None else str(content["task"]),
            description=dict(content["description"]),
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise FileError(f"{path} is damaged: what it says of the model cannot be read ({error!r}).") from None


def _dict_or_none(value: Any) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _exported(stored: Mapping[str, Any], tensors: Mapping[str, Array], path: Path, writer: str) -> Exported:
    """The forward pass, if it is one, is about these tensors, and takes no more memory than such a file may ask."""
    try:
        graph = parse(str(stored["graph"]))
        allowed = _FREE_BYTES + _TIMES * path.stat().st_size
        _refuse_size(graph, allowed)
        verify(graph)
        constants = {str(name): _constant(given) for name, given in stored["constants"].items()}
        exported = Exported(
            graph, tuple(Input(str(k), str(n)) for k, n in stored["inputs"]), int(stored["rows"]), constants
        )
        _check(exported, tensors)
    except FileError as error:
        raise FileError(f"{path} {error.message}") from None
    except (ChainruleError, binascii.Error, OverflowError) as error:
        reason = error.message if isinstance(error, ChainruleError) else str(error)
        raise FileError(
            f"{path} holds a model that this version does not understand ({__version__}; it was written by {writer}): "
            f"{reason}"
        ) from None
    return exported


def _refuse_size(graph: Graph, allowed: int) -> None:
    """Before anything is done with its types: what it would need."""
    needed = peak_bytes(graph) + sum(bytes_of(node.type) for node in graph.inputs)
    if needed > allowed:
        raise FileError(f"asks for {needed:,} bytes of memory, more than a model of its size may ({allowed:,}).")


def _constant(stored: Mapping[str, Any]) -> Array:
    type = Type(tuple(map(int, stored["shape"])), dtype_of(str(stored["dtype"])))
    data = base64.b64decode(stored["data"], validate=True)
    if len(data) != bytes_of(type) or min(type.shape, default=0) < 0:
        raise GraphError(f"a constant has {len(data)} bytes, and {type} takes {bytes_of(type)}.")
    return np.frombuffer(data, type.dtype.numpy).reshape(type.shape).copy()


def _check(exported: Exported, tensors: Mapping[str, Array]) -> None:
    """Raises GraphError unless the graph's inputs are what it says, and its result has a row for each row."""
    graph, rows = exported.graph, exported.rows
    for node in graph.nodes:
        _check_call(node)
    if len(exported.inputs) != len(graph.inputs) or len(graph.outputs) != 1 or graph.aliases:
        raise GraphError(f"its graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs.")
    if rows < 1 or graph.outputs[0].shape[:1] != (rows,):
        raise GraphError(f"its result must have {rows} rows and is {graph.outputs[0].type}.")
    positions = sorted(int(given.name) for given in exported.inputs if given.kind == "argument")
    if positions != list(range(len(positions))):
        raise GraphError(f"its arguments are numbered {positions}.")
    places: dict[str, Mapping[str, Any]] = {"tensor": tensors, "constant": exported.constants}
    for given, node in zip(exported.inputs, graph.inputs, strict=True):
        if given.kind == "argument":
            if node.shape[:1] != (rows,):
                raise GraphError(f"its argument {given.name} must have {rows} rows and is {node.type}.")
            continue
        found = places.get(given.kind, {}).get(given.name)
        if found is None or found.shape != node.shape or BY_NUMPY.get(found.dtype) is not node.dtype:
            held = "is not there" if found is None else f"is {found.dtype}{list(found.shape)}"
            raise GraphError(f"its {given.kind} {given.name} must be {node.type} and {held}.")


def _check_call(node: Node) -> None:
    """Raises GraphError for operands and parameters that the primitive does not take; type rules need not notice."""
    reference = node.primitive.reference
    if isinstance(reference, np.ufunc):  # which would take one more as the place for its result
        fits, reason = len(node.inputs) == reference.nin and not node.params, f"it takes {reference.nin} operands"
    else:
        try:
            inspect.signature(reference).bind(*node.inputs, **node.params)
            return
        except TypeError as error:
            fits, reason = False, str(error)
    if not fits:
        raise GraphError(f"{node.primitive.name} is not called like that: {reason}.")


def tensors_of(state: Mapping[str, Any]) -> dict[str, Array]:
    """A state dict as arrays; extra state that is no tensor is left out."""
    return {name: value_of(tensor) for name, tensor in state.items() if isinstance(tensor, Tensor)}
