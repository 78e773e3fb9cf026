"""The errors that chainrule raises on purpose; `docs/errors/` has a page for each. Holds no code."""

from chainrule.ir.errors import (
    ArgumentError,
    ChainruleError,
    DivergedError,
    DTypeError,
    FileError,
    GradientError,
    GradientNotKeptError,
    GraphError,
    InPlaceError,
    LeakedTensorError,
    NotYetError,
    OutOfRangeError,
    RegistrationError,
    ShapeError,
    StateDictError,
    TracedValueError,
)

__all__ = [
    "ArgumentError",
    "ChainruleError",
    "DTypeError",
    "DivergedError",
    "FileError",
    "GradientError",
    "GradientNotKeptError",
    "GraphError",
    "InPlaceError",
    "LeakedTensorError",
    "NotYetError",
    "OutOfRangeError",
    "RegistrationError",
    "ShapeError",
    "StateDictError",
    "TracedValueError",
]
