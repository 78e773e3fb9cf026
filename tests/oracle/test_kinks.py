"""The table of kinks against PyTorch, which must say the same wherever it does not say NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.ops.kinks import KINKS

THEIRS: dict[str, Callable[..., Any]] = {
    "clamp": lambda x: torch.clamp(x, -1, 1),
    "clamp from below": lambda x: torch.clamp(x, -1),
    "clamp from above": lambda x: torch.clamp(x, None, 1),
    "clamp by tensors": torch.clamp,
    "clamp from below by a tensor": lambda x, low: torch.clamp(x, low),
    "clamp from above by a tensor": lambda x, high: torch.clamp(x, None, high),
    "where": lambda a, b: torch.where(a > 0, torch.where(a > 0, a, 1).sqrt(), b),  # PyTorch needs the second `where`
    "amax": lambda x: torch.amax(x, 1),
    "max_with_index": lambda x: torch.max(x, 0)[0],
    "min_with_index": lambda x: torch.min(x, 0)[0],
    "sort": lambda x: torch.sort(x, stable=True)[0],
    "sort descending": lambda x: torch.sort(x, stable=True, descending=True)[0],
    "topk": lambda x: torch.topk(x, 2)[0],
    "logsumexp": lambda x: torch.logsumexp(x, 1),
    "prod": lambda x: torch.prod(x, 1),
    "cumprod": lambda x: torch.cumprod(x, 0),
    "square root as a power": lambda x: x**0.5,
    "power 0": lambda x: x**0,
    "softplus": torch.nn.functional.softplus,
    "gelu": torch.nn.functional.gelu,
}


@pytest.mark.parametrize("name", KINKS)
def test_gradient_at_a_kink_is_pytorchs(name: str) -> None:
    kink = KINKS[name]
    inputs = [torch.tensor(numbers, dtype=torch.float64, requires_grad=True) for numbers in kink.inputs]
    y = (THEIRS.get(name) or getattr(torch, name))(*inputs)
    y.backward(torch.ones_like(y) if kink.weights is None else torch.tensor(kink.weights, dtype=torch.float64))
    for x, ours in zip(inputs, kink.gradients, strict=True):
        theirs = x.grad.numpy()
        known = ~np.isnan(theirs)
        np.testing.assert_allclose(np.array(ours)[known], theirs[known], rtol=1e-15)
