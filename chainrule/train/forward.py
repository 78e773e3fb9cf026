"""An exported forward pass that runs: rows in, rows out, as many at a time as the graph has.

Rows that are missing in the last chunk are filled up and cut off again. So the bits of a row do not depend on how many
others are asked with it, nor on whether the model is in memory or came from a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.executor import Executor, compile_graph
from chainrule.ir.errors import ArgumentError, ChainruleError, GraphError
from chainrule.ir.types import BY_NUMPY, Type
from chainrule.tensor import Tensor
from chainrule.train.exporting import Exported, filled

Array = npt.NDArray[Any]


class Forward:
    """What a model computes of rows. tensors: those of its state by name, as arrays, or as the model's own, which are
    read anew at each call."""

    def __init__(self, exported: Exported, tensors: Mapping[str, Array | Tensor]) -> None:
        self.exported = exported
        self.arguments = exported.arguments
        places: dict[str, Mapping[str, Any]] = {"tensor": tensors, "constant": exported.constants}
        self._sources = [int(name) if kind == "argument" else places[kind][name] for kind, name in exported.inputs]
        self._run: Executor | None = None

    def __call__(self, *arguments: Any) -> Array:
        """The result for arrays or tensors with one row for each sample. ArgumentError if they are not such as the
        model was exported for."""
        if len(arguments) != len(self.arguments):
            raise ArgumentError(f"the model takes {len(self.arguments)} inputs, not {len(arguments)}.")
        arrays = [fitting(given, wanted) for given, wanted in zip(arguments, self.arguments, strict=True)]
        rows = {len(array) for array in arrays}
        if len(rows) != 1:
            raise ArgumentError(f"the model's inputs must have as many rows as each other, not {sorted(rows)}.")
        result = self.exported.graph.outputs[0].type
        out = np.empty((rows.pop(), *result.shape[1:]), result.dtype.numpy)
        for start in range(0, len(out), self.exported.rows):
            part = out[start : start + self.exported.rows]
            part[...] = self._chunk([array[start : start + self.exported.rows] for array in arrays])[: len(part)]
        return out

    def _chunk(self, arrays: Sequence[Array]) -> Array:
        full = [filled(array, self.exported.rows) for array in arrays]
        values = [full[source] if isinstance(source, int) else value_of(source) for source in self._sources]
        if self._run is not None:
            return self._run(values)[0]
        try:
            run = compile_graph(self.exported.graph)
            result = run(values)[0]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, ChainruleError):
                raise
            raise GraphError(f"the model's graph cannot be run: {error!r}.") from error
        self._run = run
        return result


def value_of(source: Array | Tensor) -> Array:
    """The array that a tensor holds now."""
    return source.read_outside().array if isinstance(source, Tensor) else source


def fitting(given: Any, wanted: Type) -> Array:
    """An argument as an array of the element type that the model takes."""
    if isinstance(given, Tensor):
        array: Array = given.read_outside().array
    else:
        array = np.asarray(given.to_numpy() if hasattr(given, "to_numpy") else given)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"the model takes numbers: {error}.") from None
    if array.ndim != len(wanted.shape) or array.shape[1:] != wanted.shape[1:]:
        shape = ", ".join(map(str, ("n", *wanted.shape[1:])))
        raise ArgumentError(f"the model takes rows of shape [{shape}], not {list(array.shape)}.")
    if array.dtype.kind not in "fiub" or (array.dtype.kind == "f" and not wanted.dtype.is_floating_point):
        raise ArgumentError(f"the model takes {wanted.dtype.name}, not {array.dtype}.")
    return array if BY_NUMPY.get(array.dtype) is wanted.dtype else array.astype(wanted.dtype.numpy)
