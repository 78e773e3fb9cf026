"""PyTorch's paths to parts that live elsewhere. Holds no code."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.utils import checkpoint as checkpoint
from chainrule.utils import data as data

__getattr__: Callable[[str], Any] = absent("utils", "benchmark bottleneck dlpack hooks mobile_optimizer tensorboard")
