"""Holds a function on carriers to PyTorch's: values, gradients, gradients of gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from chainrule.autodiff.reverse import reverse
from chainrule.ir.types import Array
from chainrule.ir.value import Carrier, Value
from tests.gradients import is_float, normal_like, variables


def assert_agrees(
    ours: Callable[..., Carrier],
    theirs: Callable[..., Any],
    *arrays: Array,
    orders: int = 2,
    tolerance: float = 1e-10,
    rounded: Mapping[int, float] | None = None,
) -> None:
    """ours(*carriers) and theirs(*tensors) agree, and so do their derivatives by the floating inputs up to `orders`.

    rounded: the tolerances of those orders that PyTorch itself does not compute to the last digits.
    """
    rng = np.random.default_rng(0)
    arrays = tuple(map(np.asarray, arrays))  # without dimensions, NumPy's functions return scalars
    xs, tensors = variables(arrays), [torch.tensor(array, requires_grad=is_float(array)) for array in arrays]
    wanted = [x for x in xs if x.needs_grad]
    wanted_tensors = [x for x in tensors if x.requires_grad]
    found: list[Carrier] = [ours(*xs)]
    expected: list[Any] = [theirs(*tensors)]
    for order in range(orders + 1):
        for carrier, tensor in zip(found, expected, strict=True):
            bound = (rounded or {}).get(order, tolerance)
            assert_equal(carrier.array, tensor, bound, f"derivative {order}" if order else "value")
        if order == orders or not any(tensor.requires_grad for tensor in expected):
            return
        cotangents = normal_like(rng, [tensor.detach().numpy() for tensor in expected])
        found = derivatives(found, cotangents, wanted)
        expected = torch_derivatives(expected, cotangents, wanted_tensors)


def derivatives(outputs: Sequence[Carrier], cotangents: Sequence[Array], wanted: Sequence[Carrier]) -> list[Carrier]:
    """The cotangents of `wanted`, differentiable again; zeros where nothing flows."""
    kept = reverse(outputs, [Value(g) for g in cotangents], wanted, create_graph=True)
    return [kept[x] if x in kept else Value(np.zeros_like(x.array)) for x in wanted]


def torch_derivatives(outputs: Sequence[Any], cotangents: Sequence[Array], wanted: Sequence[Any]) -> list[Any]:
    """The same by PyTorch."""
    pairs = [(y, torch.from_numpy(g)) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
    flows = torch.autograd.grad(
        [y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True
    )
    return [torch.zeros_like(x) if flow is None else flow for x, flow in zip(wanted, flows, strict=True)]


def assert_equal(found: Array, expected: Any, tolerance: float, what: str = "") -> None:
    """The same shape, element type and values; NaN where NaN is."""
    wanted = expected.detach().numpy()
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype), what
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance, err_msg=what)
