"""Keeps tensors of a trace from being stored where their value would be lost."""

from __future__ import annotations

from typing import Any

from chainrule.compiler import Compiled
from chainrule.ir.errors import LeakedTensorError, RegistrationError
from chainrule.ir.value import Node
from chainrule.tensor import Tensor


def is_traced(value: Any) -> bool:
    """Whether a tensor was made by the trace that is going on."""
    return isinstance(value, Tensor) and value._carrier.__class__ is Node


def refuse_traced(name: str, value: Any) -> None:
    """Raises LeakedTensorError if a tensor made in this trace is about to be kept in a plain attribute."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    for part in parts:
        if is_traced(part):
            made = part._carrier
            raise LeakedTensorError(
                f"self.{name} = ...: a tensor made inside a compiled function has a value only while the program runs, "
                f"so a plain attribute cannot keep it. Register it once, in __init__: `self.register_buffer('{name}', "
                f"chainrule.zeros({list(made.shape)}, dtype={made.dtype!r}))`; then this assignment writes the buffer."
            )


def refuse_compiled(name: str, value: Any) -> None:
    """Raises RegistrationError if a compiled module is about to be assigned, whose parameters nobody would find."""
    if isinstance(value, Compiled) and hasattr(value, "named_parameters"):
        raise RegistrationError(
            f"self.{name} = ...: a compiled module is no child that parameters() and state_dict() find. Assign the "
            "module itself, and compile the outer one (`chainrule.compile(model)`) or the training step."
        )
