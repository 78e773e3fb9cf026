"""Tables that are looked up by number, and numbers as one-hot codes."""

from __future__ import annotations

from chainrule.functions.table import on_tensors
from chainrule.ir.errors import ArgumentError, NotYetError, OutOfRangeError, ShapeError, TracedValueError
from chainrule.ir.value import Carrier, Value
from chainrule.ops import masking
from chainrule.ops.control import detach
from chainrule.ops.elementwise import eq, where
from chainrule.ops.indexing import as_indices, index_select


@on_tensors
def embedding(
    input: Carrier,
    weight: Carrier,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Carrier:
    """The rows of a weight (rows, width) that integers (*) name: (*, width).

    padding_idx: the row that gets no gradient. `sparse` is accepted; gradients are dense.
    """
    if max_norm is not None or scale_grad_by_freq:
        raise NotYetError("embedding: max_norm and scale_grad_by_freq are not available yet.")
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: the weight must be (rows, width), not {weight.type}.")
    index = as_indices("embedding", input)
    flat = index.reshape((index.type.size,))
    rows = index_select(weight, flat, 0)
    if padding_idx is not None:
        padding = eq(flat, row_number(padding_idx, weight.shape[0])).reshape((flat.shape[0], 1))
        rows = where(padding, detach(rows), rows)
    return rows.reshape((*index.shape, weight.shape[1]))


def row_number(padding_idx: int, rows: int) -> int:
    """padding_idx counted from the front."""
    if not -rows <= padding_idx < rows:
        raise OutOfRangeError(f"embedding: padding_idx {padding_idx} is none of the {rows} rows.")
    return padding_idx % rows


@on_tensors
def one_hot(tensor: Carrier, num_classes: int = -1) -> Carrier:
    """1 at the class that each integer names, 0 elsewhere, along a new last dimension.

    num_classes: -1 takes the largest class plus one, which a compiled function cannot know: name it there.
    """
    if num_classes == -1:
        if tensor.__class__ is not Value:
            raise TracedValueError(
                "one_hot: inside a compiled function the largest class is not known, and it decides the shape. "
                "Say it: `one_hot(x, num_classes=10)`."
            )
        num_classes = int(tensor.array.max()) + 1 if tensor.array.size else 0
    if num_classes < 1:
        raise ArgumentError(f"one_hot: num_classes must be at least 1, not {num_classes}; say it for an empty tensor.")
    return masking.one_hot(tensor, num_classes)
