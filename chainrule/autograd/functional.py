"""PyTorch's path to derivatives of functions. Holds no code."""

from chainrule.gradients import hessian, hvp, jacobian, jvp, vjp

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vjp"]
