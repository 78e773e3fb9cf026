"""Early stopping on a deepcopy of the best state dict; weights through safetensors; optimiser and schedule resumed."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn, optim

rng = np.random.default_rng(18)
x = torch.tensor(rng.normal(size=(40, 4)), dtype=torch.float32)
y = torch.tensor(rng.normal(size=(40, 2)), dtype=torch.float32)
x_train, x_valid = torch.split(x, [24, 16])
y_train, y_valid = y[:24], y[24:]


def build():
    return nn.Sequential(nn.Linear(4, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 2))


def prepare(model):
    optimizer = optim.Adam(model.parameters(), lr=2e-2, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.97)

    @torch.compile
    def step(x, y):
        loss = nn.functional.huber_loss(model(x), y, delta=0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return optimizer, scheduler, step


class EarlyStopping:
    def __init__(self, patience=5, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.counter, self.best_loss, self.best_state, self.early_stop = 0, None, None, False

    def __call__(self, valid_loss, model):
        if self.best_loss is None or valid_loss < self.best_loss - self.min_delta:
            self.best_loss = valid_loss
            self.best_state = copy.deepcopy(model.state_dict())
            self.counter = 0
        else:
            self.counter += 1
            self.early_stop = self.counter >= self.patience


@torch.no_grad()
def evaluate(model):
    model.eval()
    loss = nn.functional.mse_loss(model(x_valid), y_valid)
    model.train()
    return loss.item()


model = build()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.from_numpy(rng.normal(0, 0.5, p.shape)))
optimizer, scheduler, step = prepare(model)
stopper = EarlyStopping(patience=4)
losses = []
for epoch in range(60):
    losses.append(step(x_train, y_train).item())
    scheduler.step()
    losses.append(evaluate(model))
    stopper(losses[-1], model)
    if stopper.early_stop:
        print("Early stopping at epoch", epoch)
        break

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.safetensors"
    save_file({k: v.numpy() for k, v in model.state_dict().items()}, path)
    checkpoint = {
        "epoch": epoch,
        "model_state_dict": load_file(path),
        "optimizer_state_dict": copy.deepcopy(optimizer.state_dict()),
        "scheduler_state_dict": scheduler.state_dict(),
    }

resumed = build()
keys = resumed.load_state_dict({k: torch.from_numpy(v) for k, v in checkpoint["model_state_dict"].items()})
print(keys)
resumed_optimizer, resumed_scheduler, resumed_step = prepare(resumed)
resumed_optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
resumed_scheduler.load_state_dict(checkpoint["scheduler_state_dict"])
for _ in range(8):
    first, second = step(x_train, y_train).item(), resumed_step(x_train, y_train).item()
    assert first == second
    losses.append(first)

model.load_state_dict(stopper.best_state)
print(f"best {stopper.best_loss:.4f}, restored {evaluate(model):.4f}")
missing = resumed.load_state_dict({"0.weight": model[0].weight}, strict=False)
print(len(missing.missing_keys), missing.unexpected_keys)
