"""PyTorch's path to the functions of `chainrule.gradients`. Holds no code."""

from chainrule.autograd import functional
from chainrule.gradients import enable_grad, grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "functional", "grad", "inference_mode", "no_grad", "set_grad_enabled"]
