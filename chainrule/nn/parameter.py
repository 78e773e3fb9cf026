"""PyTorch's path to Parameter and Buffer. Holds no code."""

from chainrule.tensor import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
