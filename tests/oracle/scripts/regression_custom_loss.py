"""Regression with a module of one's own, parameters of one's own, and a custom loss."""

import math

import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(1)
x = torch.linspace(-math.pi, math.pi, 64).unsqueeze(1)
noise = torch.from_numpy(rng.normal(size=(64, 1)).astype(np.float32)) * 0.05
y = torch.sin(x) + noise


class Polynomial3(nn.Module):
    """y = a + b x + c x^2 + d x^3"""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(()))
        self.b = nn.Parameter(torch.tensor(0.5))
        self.c = nn.Parameter(torch.zeros(1))
        self.d = nn.Parameter(torch.full((1,), -0.01))

    def forward(self, x):
        return self.a + self.b * x + self.c * x**2 + self.d * x**3

    def string(self):
        return f"y = {self.a.item():.4f} + {self.b.item():.4f} x + {self.c.item():.4f} x^2 + {self.d.item():.4f} x^3"


class LogCoshLoss(nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        error = input - target
        loss = error + nn.functional.softplus(-2.0 * error) - math.log(2.0)
        if self.reduction == "mean":
            return loss.mean()
        elif self.reduction == "sum":
            return loss.sum()
        return loss


model = Polynomial3()
criterion = LogCoshLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2)
losses = []


@torch.compile
def step():
    y_pred = model(x)
    loss = criterion(y_pred, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


for t in range(40):
    loss = step()
    losses.append(loss.item())
    if t % 10 == 9:
        print(t, f"{loss.item():.5f}")

print(f"Result: {model.string()}")
print([name for name, _ in model.named_parameters()], sum(p.numel() for p in model.parameters()))
r2 = 1 - ((y - model(x)) ** 2).sum() / ((y - y.mean()) ** 2).sum()
print(f"R^2 = {float(r2.detach()):.4f}")
