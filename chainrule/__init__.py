"""chainrule: neural networks by backpropagation, on an engine of its own, with PyTorch's interface."""

from __future__ import annotations

import importlib
from math import e, inf, nan, pi
from typing import Any

from chainrule.compiler import compile
from chainrule.custom import checkpoint, custom_vjp
from chainrule.eager import ACCELERATOR
from chainrule.executor import get_executor, set_executor
from chainrule.functions import FUNCTIONS
from chainrule.functions.not_yet import absent_function
from chainrule.gradients import (
    enable_grad,
    hessian,
    hvp,
    inference_mode,
    is_grad_enabled,
    jacobian,
    jvp,
    no_grad,
    set_grad_enabled,
    value_and_grad,
    vjp,
)
from chainrule.ir.state import set_accelerator
from chainrule.ir.types import DType, float32, float64, int8, int16, int32, int64, uint8
from chainrule.ir.types import bool_ as bool
from chainrule.tensor import Buffer, Parameter, Size, Tensor
from chainrule.threads import get_num_threads, set_num_threads
from chainrule.version import __version__ as __version__

tensor: Any = FUNCTIONS["tensor"]  # the function, not the file of that name
dtype = DType
float = float32
double = float64
int = int32
long = int64
short = int16
newaxis = None

set_accelerator(ACCELERATOR)
globals().update(FUNCTIONS)  # chainrule.relu, chainrule.zeros, ...: one table, no list to keep

_SUBPACKAGES = (
    "accelerator", "autograd", "backends", "cuda", "data", "errors", "linalg", "nn", "optim", "train", "utils",
)  # loaded at first use  # fmt: skip

_OF_TRAINING = ("fit", "load", "lr_find", "save")  # functions of chainrule.train, loaded at first use


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"chainrule.{name}")
    if name in _OF_TRAINING:
        return getattr(importlib.import_module("chainrule.train"), name)
    raise absent_function(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBPACKAGES, *_OF_TRAINING} - {"annotations", "importlib", "Any"})


__all__ = [
    "Buffer",
    "DType",
    "Parameter",
    "Size",
    "Tensor",
    "bool",
    "checkpoint",
    "compile",
    "custom_vjp",
    "double",
    "dtype",
    "e",
    "enable_grad",
    "float",
    "float32",
    "float64",
    "get_executor",
    "get_num_threads",
    "hessian",
    "hvp",
    "inf",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "long",
    "nan",
    "newaxis",
    "no_grad",
    "pi",
    "set_executor",
    "set_grad_enabled",
    "set_num_threads",
    "short",
    "tensor",
    "uint8",
    "value_and_grad",
    "vjp",
]
