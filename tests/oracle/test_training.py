"""Two hundred steps of the same network from the same weights on the same batches, here and in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule.data.shipped import load_digits

STEPS, BATCH = 200, 32


def batches() -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    digits = load_digits()
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, len(digits.x_train), BATCH) for _ in range(STEPS)]
    return [(digits.x_train[k] / 16.0, digits.y_train[k]) for k in rows]


def network(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(64, 48), nn.ReLU(), nn.LayerNorm(48), nn.Linear(48, 32), nn.Tanh(), nn.Linear(32, 10)
    )


def initial_weights(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    torch.manual_seed(seed)
    model = network(torch.nn).double()
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def losses(lib: Any, make_optimizer: Any, dtype: str, seed: int, compiled: bool = False) -> np.ndarray[Any, Any]:
    model = network(lib.nn).to(getattr(lib, dtype))
    state = {name: lib.tensor(value.astype(dtype)) for name, value in initial_weights(seed).items()}
    model.load_state_dict(state)
    optimizer = make_optimizer(lib.optim, model.parameters())

    def step(x: Any, y: Any) -> Any:
        loss = lib.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    run = lib.compile(step) if compiled else step
    return np.array([run(lib.tensor(x.astype(dtype)), lib.tensor(y)).item() for x, y in batches()])


OPTIMIZERS = {
    "sgd": lambda optim, p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "adamw": lambda optim, p: optim.AdamW(p, lr=3e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_mlp_trains_as_in_pytorch(name: str) -> None:
    make = OPTIMIZERS[name]
    ours32, theirs32 = [], []
    for seed in range(3):  # rounding errors are luck: three starts, the worst of each
        exact = losses(torch, make, "float64", seed)
        assert exact[-1] < exact[0] / 2, "it does not learn, so the comparison shows little"
        np.testing.assert_allclose(losses(cr, make, "float64", seed, compiled=True), exact, rtol=1e-10, atol=0)
        theirs32.append(np.abs(losses(torch, make, "float32", seed) - exact).max())
        ours32.append(np.abs(losses(cr, make, "float32", seed, compiled=True) - exact).max())
    print(name, "float32 off by", max(ours32), "PyTorch's by", max(theirs32))
    assert max(ours32) <= 3 * max(theirs32)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_and_eager_losses_have_the_same_bits(name: str) -> None:
    make = OPTIMIZERS[name]
    eager, compiled = (losses(cr, make, "float32", 0, compiled=flag) for flag in (False, True))
    np.testing.assert_array_equal(eager, compiled)
