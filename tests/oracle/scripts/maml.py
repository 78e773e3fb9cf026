"""MAML on sine waves: inner gradient steps on functional weights with create_graph, one outer optimiser."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim

rng = np.random.default_rng(9)


class MAMLModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1))

    def forward(self, x):
        return self.net(x)

    def parameterised(self, x, weights):
        x = torch.tanh(F.linear(x, weights[0], weights[1]))
        x = torch.tanh(F.linear(x, weights[2], weights[3]))
        return F.linear(x, weights[4], weights[5])


def sample_task():
    amplitude, phase = rng.uniform(0.5, 2.0), rng.uniform(0, np.pi)
    x = rng.uniform(-3, 3, (2, 10, 1))
    return [torch.tensor(a, dtype=torch.float32) for a in (*x, *(amplitude * np.sin(x + phase)))]


model = MAMLModel()
for p in model.parameters():
    p.data = torch.from_numpy(rng.normal(0, 0.4, p.shape).astype(np.float32))
weights = list(model.parameters())
criterion = nn.MSELoss()
meta_optimiser = optim.Adam(weights, 1e-2)
inner_lr, inner_steps = 0.05, 2


def inner_loop(x_spt, y_spt, x_qry, y_qry):
    temp_weights = [w.clone() for w in weights]
    for _ in range(inner_steps):
        loss = criterion(model.parameterised(x_spt, temp_weights), y_spt)
        grad = torch.autograd.grad(loss, temp_weights, create_graph=True)
        temp_weights = [w - inner_lr * g for w, g in zip(temp_weights, grad, strict=True)]
    return criterion(model.parameterised(x_qry, temp_weights), y_qry)


@torch.compile
def outer_step(tasks):
    meta_loss = 0
    for task in tasks:
        meta_loss += inner_loop(*task)
    meta_grads = torch.autograd.grad(meta_loss, weights)
    for w, g in zip(weights, meta_grads, strict=True):
        w.grad = g
    meta_optimiser.step()
    return meta_loss / len(tasks)


losses = []
for _ in range(20):
    loss = outer_step([sample_task() for _ in range(3)])
    losses.append(loss.item())
print(f"{np.mean(losses[:5]):.4f} {np.mean(losses[-5:]):.4f}")
