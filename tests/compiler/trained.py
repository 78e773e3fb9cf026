"""A small model with a compiled step and an eager one, and a batch for both."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn import functional as F
from tests.compiler.twins import assert_alike

X = np.random.default_rng(0).standard_normal((8, 4), dtype=np.float32)
Y = np.random.default_rng(1).integers(0, 3, 8)


class Trained:
    """A model with a compiled step, and an eager twin that does the same."""

    def __init__(self, optimizer: Any = None, loss: Any = F.cross_entropy) -> None:
        self.models: list[Any] = []
        self.steps: list[Any] = []
        self.optimizers: list[Any] = []
        for compiled in (True, False):
            cr.manual_seed(0)
            model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
            made = (optimizer or (lambda p: optim.AdamW(p, 0.01)))(model.parameters())

            def step(x: Any, y: Any, model: Any = model, made: Any = made) -> Any:
                error = loss(model(x), y)
                made.zero_grad()
                error.backward()
                made.step()
                return error

            self.models.append(model)
            self.optimizers.append(made)
            self.steps.append(cr.compile(lambda x, y, step=step: step(x, y)) if compiled else step)

    def both(self, calls: int = 1, x: Any = X, y: Any = Y) -> None:
        """Calls both, and compares losses and weights."""
        for _ in range(calls):
            assert_alike(*[step(x, y) for step in self.steps])
        self.compare()

    def compare(self) -> None:
        assert_alike(*[[p.detach().numpy() for p in model.parameters()] for model in self.models])

    @property
    def short(self) -> Any:
        return self.steps[0]._shorts[0]
