"""PyTorch's path to `chainrule.checkpoint`. Holds no code."""

from chainrule.custom import checkpoint

__all__ = ["checkpoint"]
