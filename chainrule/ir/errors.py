"""What goes wrong at the user's hands: one class per kind of mistake; docs/errors/ has a page for each.

A message says what was required, what was received and how to repair it; the base class adds where.
"""

from __future__ import annotations

from chainrule.ir import origin


class ChainruleError(RuntimeError):
    """Base of all errors that chainrule raises on purpose. Its text ends with the user's line and the layer path."""

    def __init__(self, message: str, where: origin.Origin | None = None) -> None:
        self.message = message
        place = where if where is not None else origin.here()
        super().__init__(message if place is None else f"{message}\n  at {place}")

    def at(self, where: origin.Origin | None) -> ChainruleError:
        """The same error with another place: one that was raised where the user's frame or layer cannot be seen."""
        return type(self)(self.message, where)


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit together, or a dimension that does not exist."""


class DTypeError(ChainruleError, TypeError):
    """An element type that is not supported, or that the operation does not take."""


class ArgumentError(ChainruleError, ValueError):
    """An argument outside its range, or arguments that contradict each other."""


class OutOfRangeError(ChainruleError, IndexError):
    """An index, class number or position that points outside its dimension."""


class GradientError(ChainruleError):
    """A derivative that cannot be taken: nothing requires it, the tape is freed, the output is no scalar."""


class GradientNotKeptError(ChainruleError):
    """`.grad` was read after a compiled step that does not store gradients."""


class InPlaceError(ChainruleError):
    """A write in place that cannot be carried out faithfully."""


class TracedValueError(ChainruleError, TypeError):
    """Inside `@compile`, Python asked for the number behind a traced tensor."""


class LeakedTensorError(ChainruleError):
    """A tensor made inside a compiled function was stored outside it, or used after the trace ended."""


class StateDictError(ChainruleError, KeyError):
    """A state dict that does not fit the module: entries missing, unexpected or misshapen."""

    __str__ = RuntimeError.__str__  # KeyError would show the message quoted


class RegistrationError(ChainruleError, TypeError, KeyError, AttributeError):
    """A module was given a name or a thing that it cannot register."""

    __str__ = RuntimeError.__str__


class FileError(ChainruleError):
    """A file that could not be written or read, or that is damaged, of another format, or in use."""


class GraphError(ChainruleError):
    """A graph that breaks the rules of the intermediate representation, or text that is none."""


class NotYetError(ChainruleError, NotImplementedError, AttributeError):
    """A part of PyTorch's interface that chainrule does not have yet, by name."""


class DivergedError(ChainruleError, ArithmeticError):
    """A training run whose loss is no longer a finite number."""

    def __init__(
        self,
        message: str,
        where: origin.Origin | None = None,
        *,
        step: int = 0,
        epoch: int = 0,
        layer: str | None = None,
    ) -> None:
        self.step = step
        self.epoch = epoch
        self.layer = layer
        super().__init__(message, where)
