"""Running the same thing eagerly and compiled, and comparing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

Decorate = Callable[[Callable[..., Any]], Any]


def comparable(thing: Any) -> Any:
    """Tensors as type, shape and bytes; anything else as it is."""
    if isinstance(thing, cr.Tensor):
        thing = thing.detach().numpy()
    if isinstance(thing, np.ndarray):
        return str(thing.dtype), thing.shape, thing.tobytes()
    return [comparable(part) for part in thing] if isinstance(thing, list | tuple) else thing


def same_both_ways(run: Callable[[Decorate], Any]) -> None:
    """run(decorate) returns what is to be compared: with `compile` the same bits as without."""
    cr.manual_seed(0)
    eager = comparable(run(lambda function: function))
    cr.manual_seed(0)
    assert comparable(run(cr.compile)) == eager
