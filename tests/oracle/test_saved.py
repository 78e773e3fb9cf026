"""PyTorch opens what we save: names, shapes, bits, and the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

import chainrule as cr
from chainrule import nn


def test_pytorch_loads_a_saved_model_and_gives_its_answers(tmp_path: Path) -> None:
    def build(of: Any) -> list[Any]:
        parts = [("Linear", (4, 8)), ("BatchNorm1d", (8,)), ("ReLU", ()), ("Dropout", (0.5,)), ("Linear", (8, 3))]
        return [getattr(of, name)(*sizes) for name, sizes in parts]

    ours = nn.Sequential(*build(nn))
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 4)).astype(np.float32)
    ours(cr.tensor(x))  # statistics
    cr.save(ours, tmp_path, example=x)

    theirs = torch.nn.Sequential(*build(torch.nn))
    state = load_file(tmp_path / "model.safetensors")
    theirs.load_state_dict(state)
    for name, tensor in ours.state_dict().items():
        assert np.array_equal(tensor.numpy(), state[name].numpy())
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(cr.load(tmp_path).outputs(x), expected, rtol=1e-5, atol=1e-6)
