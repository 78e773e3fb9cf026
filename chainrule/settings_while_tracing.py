"""Says so where a setting, which a trace must know, is given as a float argument of the compiled function.

Such an argument is an input of the program, so that a learning rate may vary from call to call. Most operations take it
like any number; those that must know a setting while tracing fail on it, each in its own way: huber_loss compares
`delta`, layer_norm makes `eps` a parameter of its primitive. This is found out here, once for all of them: after a
failure by the annotations of the functions that were running, and in what was traced by the parameters.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

from chainrule.ir.errors import ArgumentError, ChainruleError, TracedValueError
from chainrule.ir.origin import Origin, is_ours
from chainrule.ir.value import Node
from chainrule.tensor import Tensor

NUMBER = re.compile(r"(float|int|bool)( \| None)?")  # the annotation of a setting


def explained(error: Exception) -> Exception:
    """The error itself, or a clearer one if it came of a setting that is not known while tracing."""
    if isinstance(error, ChainruleError) and not is_about_a_node(error):
        return error
    user, running = None, []
    for frame, instruction in frames_of(error.__traceback__):
        if is_ours(frame.f_globals.get("__name__", "")):
            running.append(frame)
        else:
            user, running = Origin(frame.f_code, instruction, None), []
    for frame in running:  # outermost first: the function that the user called
        name = traced_setting(frame)
        if name is not None:
            return unknown(frame.f_code.co_name, name, user)
    return error


def refuse_traced_parameters(nodes: Iterable[Node]) -> None:
    """Raises TracedValueError for a primitive that got a number of the trace as a parameter."""
    for node in nodes:
        for name, value in node.params.items():
            if value.__class__ is Node:
                raise unknown(node.primitive.name, name, node.origin)


def unknown(what: str, name: str, where: Origin | None) -> TracedValueError:
    """The error of a setting that is not known while tracing."""
    return TracedValueError(
        f"{what}: `{name}` must be known while a function is compiled, and here it is a number that varies: a float "
        "argument of a compiled function is an input of the program, like a tensor. Take the number from a global or "
        "from a variable around the function instead of passing it.",
        where,
    )


def is_about_a_node(error: ChainruleError) -> bool:
    """Whether an error of ours shows that a node stood where a number was expected."""
    return isinstance(error, TracedValueError) or (isinstance(error, ArgumentError) and "Node(" in error.message)


def frames_of(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """The frames that an error passed through, outermost first, and the instruction that each was at."""
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next


def traced_setting(frame: FrameType) -> str | None:
    """The parameter of a running function that is annotated as a number and holds a scalar of the trace."""
    function: Any = frame.f_globals.get(frame.f_code.co_name)
    annotations = getattr(inspect.unwrap(function), "__annotations__", {})
    for name, annotation in annotations.items():
        if isinstance(annotation, str) and NUMBER.fullmatch(annotation) and is_traced(frame.f_locals.get(name)):
            return str(name)
    return None


def is_traced(thing: Any) -> bool:
    """Whether it is a number of the trace, or a tensor that holds one."""
    carrier = thing._carrier if isinstance(thing, Tensor) else thing
    return carrier.__class__ is Node and not carrier.shape
