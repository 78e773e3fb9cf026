"""PyTorch's path to derivatives of functions. Holds no code."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.gradients import hessian, hvp, jacobian, jvp, vjp

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vjp"]

__getattr__: Callable[[str], Any] = absent("autograd.functional", "vhp")
