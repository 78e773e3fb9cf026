"""Holds functions on tensors, and modules, to PyTorch's: values, gradients, what they write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import chainrule as cr
from chainrule.ir.types import Array

TOLERANCE = 1e-10


def assert_same_function(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: Any,
    gradient_tolerance: float = TOLERANCE,
    **settings: Any,
) -> None:
    """ours and theirs agree on the arrays, and so do the gradients of a random cotangent by the floating ones.

    What is no array among the positional arguments, and among the settings, is handed on as it is.
    """
    mine = [tensor_of(array) if isinstance(array, np.ndarray) else array for array in arrays]
    others = [torch_of(array) if isinstance(array, np.ndarray) else array for array in arrays]
    mine_named = {k: cr.tensor(v) if isinstance(v, np.ndarray) else v for k, v in settings.items()}
    others_named = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in settings.items()}
    found, expected = ours(*mine, **mine_named), theirs(*others, **others_named)
    assert_equal(found, expected, TOLERANCE)
    leaves = [(x, y) for x, y in zip(mine, others, strict=True) if isinstance(y, torch.Tensor) and y.requires_grad]
    backward(found, expected)
    for x, y in leaves:
        assert_equal(x.grad, y.grad, gradient_tolerance)


def assert_same_module(ours: Any, theirs: Any, *batches: Sequence[Any], tolerance: float = TOLERANCE) -> None:
    """With theirs' weights, both agree on every batch of arguments: output, gradients, buffers. Both become float64."""
    theirs.double()
    ours.double().load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    for arrays in batches:
        ours.zero_grad()
        theirs.zero_grad()
        mine, others = [tensor_of(array) for array in arrays], [torch_of(array) for array in arrays]
        found, expected = ours(*mine), theirs(*others)
        assert_equal(found, expected, tolerance)
        backward(found, expected)
        for x, y in zip(mine, others, strict=True):
            assert_equal(x.grad, y.grad, tolerance)
        parameters = dict(theirs.named_parameters())
        assert [name for name, _ in ours.named_parameters()] == list(parameters)
        for name, parameter in ours.named_parameters():
            assert_equal(parameter.grad, parameters[name].grad, tolerance)
        buffers = dict(theirs.named_buffers())
        assert [name for name, _ in ours.named_buffers()] == list(buffers)
        for name, buffer in ours.named_buffers():
            assert_equal(buffer, buffers[name], tolerance)


def tensor_of(array: Array) -> Any:
    """An array as a leaf of ours, which requires a gradient if it is floating."""
    return cr.tensor(array, requires_grad=array.dtype.kind == "f")


def torch_of(array: Array) -> Any:
    """An array as a leaf of PyTorch's, which requires a gradient if it is floating."""
    return torch.tensor(array, requires_grad=array.dtype.kind == "f")


def backward(found: Any, expected: Any) -> None:
    """Sends one random cotangent back through both results."""
    if expected.requires_grad:
        cotangent = np.random.default_rng(1).standard_normal(tuple(expected.shape))
        found.backward(cr.tensor(cotangent))
        expected.backward(torch.tensor(cotangent))


def assert_equal(found: Any, expected: Any, tolerance: float) -> None:
    """The same shape, element type and values; None where None is, NaN where NaN is."""
    if expected is None:
        assert found is None or not np.any(found.numpy())
        return
    mine, other = found.detach().numpy(), expected.detach().numpy()
    assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
    np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)


def scope_of(library: Any) -> dict[str, Any]:
    """The names that a line of a PyTorch script uses, with either library behind them."""
    return {"lib": library, "nn": library.nn, "F": library.nn.functional}
