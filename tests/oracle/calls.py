"""Holds one call `name(*arguments, **settings)` to PyTorch's: as a function, as a method, and in place."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.functions import FUNCTIONS, METHODS


class Call(NamedTuple):
    """A row of a table. Arrays become tensors (floating ones require a gradient), NumPy dtypes the library's."""

    name: str
    arguments: tuple[Any, ...]
    settings: dict[str, Any]
    function_too: bool = True


def call(name: str, *arguments: Any, **settings: Any) -> Call:
    """A row."""
    return Call(name, arguments, settings)


def method(name: str, *arguments: Any, **settings: Any) -> Call:
    """A row of which PyTorch has only the method."""
    return Call(name, arguments, settings, function_too=False)


def rows(calls: list[Call]) -> list[Any]:
    """The parameters of a test that is run for each row."""
    return [pytest.param(row, id=f"{row.name}-{position}") for position, row in enumerate(calls)]


class Numbers:
    """Arrays of random numbers, the same for every run of a test."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)

    def normal(self, *shape: int) -> np.ndarray[Any, Any]:
        """Normal numbers."""
        return np.asarray(self._generator.standard_normal(shape))

    def between(self, low: float, high: float, *shape: int) -> np.ndarray[Any, Any]:
        """Uniform numbers."""
        return np.asarray(self._generator.uniform(low, high, shape))

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray[Any, Any]:
        """Integers from low to high - 1."""
        return np.asarray(self._generator.integers(low, high, shape))


def converted(thing: Any, library: Any, leaves: list[Any]) -> Any:
    """Arguments as one library has them; floating tensors are appended to `leaves`."""
    if isinstance(thing, np.ndarray):
        made = library.tensor(thing, requires_grad=thing.dtype.kind == "f")
        if thing.dtype.kind == "f":
            leaves.append(made)
        return made
    if isinstance(thing, np.dtype):
        return getattr(library, thing.name)
    if isinstance(thing, list | tuple):
        return type(thing)([converted(part, library, leaves) for part in thing])
    if isinstance(thing, dict):
        return {key: converted(part, library, leaves) for key, part in thing.items()}
    return thing


def flat(result: Any) -> list[Any]:
    """The tensors of a result."""
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, list | tuple) else [result]


def assert_same_results(found: Any, expected: Any, tolerance: float, what: str) -> None:
    """The same structure, shapes, element types and values."""
    mine, others = flat(found), flat(expected)
    assert len(mine) == len(others), what
    for x, y in zip(mine, others, strict=True):
        if not isinstance(y, torch.Tensor):
            assert type(x) is type(y), what
            assert x == y, what
            continue
        assert isinstance(x, cr.Tensor), what
        assert (tuple(x.shape), x.dtype.name) == (tuple(y.shape), str(y.dtype).removeprefix("torch.")), what
        assert x.requires_grad == y.requires_grad or what.endswith("_"), what  # for PyTorch a written constant too
        a, b = x.detach().numpy(), y.detach().numpy(force=True)
        bound = max(tolerance, 1e-6) if b.dtype == np.float32 else tolerance
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound, err_msg=what)
    for field in getattr(expected, "_fields", ()) or []:
        assert hasattr(found, field), what


def assert_same_gradients(
    found: Any, expected: Any, mine: list[Any], others: list[Any], tolerance: float, what: str
) -> None:
    """Random cotangents of the results lead to the same gradients of the leaves."""
    rng = np.random.default_rng(1)
    pairs = [(x, y) for x, y in zip(flat(found), flat(expected), strict=True) if isinstance(y, torch.Tensor)]
    pairs = [(x, y) for x, y in pairs if y.requires_grad and x.requires_grad]
    if not pairs:
        return
    cotangents = [rng.standard_normal(tuple(y.shape)) for _, y in pairs]
    try:
        sum((y * torch.tensor(g)).sum() for (_, y), g in zip(pairs, cotangents, strict=True)).backward()
    except (NotImplementedError, RuntimeError) as error:
        if "not implemented" not in str(error):
            raise
        return
    sum((x * cr.tensor(g)).sum() for (x, _), g in zip(pairs, cotangents, strict=True)).backward()
    for x, y in zip(mine, others, strict=True):
        if y.grad is None:
            assert x.grad is None or not np.any(x.grad.numpy()), what
            continue
        gradient = np.zeros(tuple(y.shape)) if x.grad is None else x.grad.numpy()
        narrow = any(tensor.dtype == torch.float32 for tensor in (y, *(result for _, result in pairs)))
        bound = max(tolerance, 1e-6) if narrow else tolerance
        np.testing.assert_allclose(
            gradient, y.grad.numpy(force=True), rtol=bound, atol=bound, err_msg=f"gradient, {what}"
        )


def assert_same(row: Call, tolerance: float = 1e-10, of_gradients: float | None = None) -> None:
    """The call agrees with PyTorch's in every form that PyTorch has; what is float32 agrees to 1e-6 at least.

    of_gradients: their tolerance, where PyTorch itself does not compute them to the last digits.
    """
    forms = 0
    name = row.name
    bounds = tolerance, tolerance if of_gradients is None else of_gradients
    if row.function_too and name in FUNCTIONS and hasattr(torch, name):
        forms += compare(row, lambda library, *a, **k: getattr(library, name)(*a, **k), bounds, name)
    first = row.arguments[0] if row.arguments else None
    # the method of `where` takes its arguments in another order
    if name != "where" and isinstance(first, np.ndarray) and name in METHODS and hasattr(torch.Tensor, name):
        forms += compare(row, lambda library, x, *a, **k: getattr(x, name)(*a, **k), bounds, f"x.{name}")
        if f"{name}_" in METHODS and hasattr(torch.Tensor, f"{name}_") and keeps_type(row):
            forms += compare(row, lambda library, x, *a, **k: written(x, f"{name}_", a, k), bounds, f"x.{name}_")
    assert forms, f"{name} is nowhere"


def keeps_type(row: Call) -> bool:
    """Whether PyTorch's result has the first argument's shape and can be stored in it."""
    (first, *rest), settings = (converted(part, torch, []) for part in (row.arguments, row.settings))
    result = getattr(first, row.name)(*rest, **settings)
    return (
        isinstance(result, torch.Tensor) and result.shape == first.shape and torch.can_cast(result.dtype, first.dtype)
    )


def written(x: Any, name: str, arguments: Any, settings: Any) -> Any:
    """What a copy of x is after an in-place method."""
    copy = x.clone()
    returned = getattr(copy, name)(*arguments, **settings)
    assert returned is copy
    return copy


def compare(row: Call, form: Any, bounds: tuple[float, float], what: str) -> int:
    """One form of the call."""
    mine: list[Any] = []
    others: list[Any] = []
    try:
        expected = form(torch, *converted(row.arguments, torch, others), **converted(row.settings, torch, others))
    except NotImplementedError:  # PyTorch has no derivative of some in-place methods
        return 1
    found = form(cr, *converted(row.arguments, cr, mine), **converted(row.settings, cr, mine))
    assert_same_results(found, expected, bounds[0], what)
    assert_same_gradients(found, expected, mine, others, bounds[1], what)
    return 1
