"""PyTorch's paths to parts that live elsewhere. Holds no code."""

from chainrule.utils import checkpoint as checkpoint
from chainrule.utils import data as data
