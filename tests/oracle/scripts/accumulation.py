"""Gradient accumulation over micro-batches, clipping by norm and value, a one-cycle and a warm-up schedule."""

import numpy as np
import torch
import torch.nn as nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(13)
X = torch.tensor(rng.normal(size=(96, 5)), dtype=torch.float32)
Y = (X @ torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0]) + 0.1 > 0).long()
loader = DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=False, drop_last=True)

model = nn.Sequential(nn.Linear(5, 12), nn.SiLU(), nn.Linear(12, 2))
for param in model.parameters():
    param.data = torch.tensor(rng.normal(0, 0.5, param.shape), dtype=torch.float32)
criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))
accumulation_steps = 4
epochs = 8
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.2, steps_per_epoch=len(loader) // accumulation_steps, epochs=epochs
)


@torch.compile
def micro_step(inputs, labels):
    outputs = model(inputs)
    loss = criterion(outputs, labels) / accumulation_steps
    loss.backward()
    return loss, outputs


@torch.compile
def update():
    total_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    torch.nn.utils.clip_grad_value_(model.parameters(), clip_value=0.5)
    optimizer.step()
    optimizer.zero_grad()
    return total_norm


losses = []
optimizer.zero_grad()
for epoch in range(epochs):
    correct = total = 0
    for i, data in enumerate(loader, 0):
        inputs, labels = data
        loss, outputs = micro_step(inputs, labels)
        losses.append(loss.item() * accumulation_steps)
        _, predicted = torch.max(outputs.data, 1)
        total += labels.size(0)
        correct += (predicted == labels).sum().item()
        if (i + 1) % accumulation_steps == 0:
            norm = update()
            losses.append(norm.item())
            scheduler.step()
    print(f"epoch {epoch}: accuracy {correct / total:.3f} lr {optimizer.param_groups[0]['lr']:.5f}")
