"""Floor 4: PyTorch's functions and tensor methods over the primitives, as tables; one file per family.

Each family enters its functions in FUNCTIONS and its methods in METHODS when it is imported. This is the one place
where methods are attached to Tensor.
"""

from __future__ import annotations

from chainrule.functions import (
    arithmetic,
    attributes,
    casting,
    comparison,
    contraction,
    conversion,
    elementwise,
    factories,
    filled,
    filling,
    generator,
    gradient,
    indexing,
    joining,
    legacy,
    norms,
    not_yet,
    ordering,
    parts,
    random,
    reduction,
    settings,
    shape,
    text,
)
from chainrule.functions.norms import LINALG
from chainrule.functions.table import FUNCTIONS, METHODS
from chainrule.tensor import Tensor

FAMILIES = (
    arithmetic, attributes, casting, comparison, contraction, conversion, elementwise, factories, filled, filling,
    generator, gradient, indexing, joining, legacy, norms, not_yet, ordering, parts, random, reduction,
    settings, shape, text,
)  # fmt: skip

for name, method in METHODS.items():
    setattr(Tensor, name, method)

__all__ = ["FAMILIES", "FUNCTIONS", "LINALG", "METHODS"]
