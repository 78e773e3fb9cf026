"""PyTorch's path to the clipping of gradients, and to parameters as one vector. Holds no code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.clipping import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from chainrule.nn.missing import UTILS
from chainrule.nn.vectors import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]

__getattr__: Callable[[str], Any] = absent("nn.utils", UTILS)
