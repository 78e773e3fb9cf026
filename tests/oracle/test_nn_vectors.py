"""Parameters as one vector, and back, as PyTorch does it."""

from __future__ import annotations

import numpy as np
import torch

import chainrule as cr
from chainrule import nn


def test_parameters_as_one_vector_are_pytorchs() -> None:
    ours, theirs = (
        nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)),
        torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)),
    )
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    found, expected = (
        nn.utils.parameters_to_vector(ours.parameters()),
        torch.nn.utils.parameters_to_vector(theirs.parameters()),
    )
    np.testing.assert_array_equal(found.detach().numpy(), expected.detach().numpy())
    numbers = np.arange(11, dtype=np.float32)
    nn.utils.vector_to_parameters(cr.tensor(numbers), ours.parameters())
    torch.nn.utils.vector_to_parameters(torch.tensor(numbers), theirs.parameters())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())
