"""PyTorch's path to `chainrule.checkpoint`. Holds no code."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.custom import checkpoint

__all__ = ["checkpoint"]

__getattr__: Callable[[str], Any] = absent("utils.checkpoint", "checkpoint_sequential")
