"""Running the same thing eagerly and compiled, and comparing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

Decorate = Callable[[Callable[..., Any]], Any]


def arrays_in(thing: Any) -> Any:
    """Tensors as arrays; anything else as it is."""
    if isinstance(thing, cr.Tensor):
        return np.array(thing.detach().numpy())
    return [arrays_in(part) for part in thing] if isinstance(thing, list | tuple) else thing


def assert_alike(a: Any, b: Any) -> None:
    """Equal bits where compiled functions run on the reference executor; on another, equal but for rounding."""
    a, b = arrays_in(a), arrays_in(b)
    if isinstance(a, list):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_alike(one, other)
        return
    if not isinstance(a, np.ndarray | np.generic | float):
        assert a == b
        return
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    if cr.get_executor() == "reference" or a.dtype.kind != "f":
        assert a.tobytes() == b.tobytes(), f"{a} is not {b}"
    else:
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def same_both_ways(run: Callable[[Decorate], Any]) -> None:
    """run(decorate) returns what is to be compared: with `compile` the same as without."""
    cr.manual_seed(0)
    eager = arrays_in(run(lambda function: function))
    cr.manual_seed(0)
    assert_alike(run(cr.compile), eager)
