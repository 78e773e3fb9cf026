"""PyTorch's path to the functions of `chainrule.gradients` and `chainrule.custom_function`. Holds no code."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.autograd import functional
from chainrule.custom_function import Function
from chainrule.gradients import backward, enable_grad, grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["Function", "backward", "enable_grad", "functional", "grad", "inference_mode", "no_grad", "set_grad_enabled"]

__getattr__: Callable[[str], Any] = absent(
    "autograd",
    "Variable anomaly_mode detect_anomaly forward_ad gradcheck gradgradcheck graph profiler set_detect_anomaly",
)
