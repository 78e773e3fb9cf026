"""What Python asks of a tensor and a traced one cannot give: its numbers. The errors and their repairs."""

from __future__ import annotations

from typing import Any

from chainrule.ir.errors import TracedValueError
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier, Value

BRANCH = (
    "A Python `if`, `while`, `and`, `or`, `not` or `assert` cannot depend on it: choose with "
    "`chainrule.where(condition, a, b)`, combine masks with &, | and ~, or decide outside the compiled function"
)
NUMBER = "Compute with the tensor itself, or return it from the compiled function and take the number there"
SHOWN = "Return it from the compiled function and print it there; `repr(x)` shows its type"
COUNT = "How many there are decides a shape: call this outside the compiled function, or use a mask and `where`"

REPAIRS = {
    "bool": BRANCH,
    "allclose": BRANCH,
    "equal": BRANCH,
    "item": NUMBER,
    "float": NUMBER,
    "int": NUMBER,
    "index": "A size, a range or a place in a list must be an int of Python: pass it to the compiled function",
    "tolist": NUMBER,
    "numpy": "Use chainrule's functions, not NumPy's, or return it from the compiled function and convert it there",
    "print": SHOWN,
    "format": SHOWN,
    "nonzero": COUNT,
    "masked_select": COUNT,
    "unique": COUNT,
    "bincount": "How long the result is depends on the values: add into a tensor of fixed length with scatter_add",
    "one_hot": "How many classes there are decides a shape: give num_classes",
    "repeat_interleave": "How many there are decides a shape: pass `repeats` as an int, or call this outside",
    "contains": BRANCH,
    "pickle": NUMBER,
}


def array_of(what: str, carrier: Carrier) -> Array:
    """The array of a value; of a node, TracedValueError with the repair for `what`."""
    if carrier.__class__ is Value:
        array: Array = carrier.array
        return array
    asked = {"bool": "whether it is true", "print": "its text", "format": "its text", "contains": "what is in it"}
    raise TracedValueError(
        f"{what}: inside a compiled function the tensor {carrier.type} has no value yet, so Python cannot be told "
        f"{asked.get(what, 'its numbers')}. {REPAIRS[what]}."
    )


def python_bool(what: str, carrier: Carrier) -> bool:
    """The bool that a carrier of one element holds."""
    return bool(array_of(what, carrier).reshape(()))


def scalar(what: str, carrier: Carrier) -> Any:
    """The Python number of a carrier of one element."""
    return array_of(what, carrier).item()
