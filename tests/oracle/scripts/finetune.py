"""Custom initialisation by apply, freezing, a new head, parameter groups with their own rates, thawing later."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import lr_scheduler

rng = np.random.default_rng(17)
x = torch.tensor(rng.normal(size=(48, 6)), dtype=torch.float32)
y = torch.from_numpy(rng.integers(0, 3, 48))


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc(self.features(x))


def init_weights(m):
    if type(m) is nn.Linear:
        torch.nn.init.xavier_uniform_(m.weight)
        torch.nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        m.weight.data = torch.tensor(rng.normal(0, 0.3, m.weight.shape), dtype=torch.float32)
        m.bias.data.fill_(0.01)
    elif isinstance(m, nn.BatchNorm1d):
        nn.init.constant_(m.weight, 1)
        nn.init.constant_(m.bias, 0)


model_ft = Backbone()
model_ft.apply(init_weights)
for param in model_ft.parameters():
    param.requires_grad = False
num_ftrs = model_ft.fc.in_features
model_ft.fc = nn.Linear(num_ftrs, 3)
model_ft.fc.apply(init_weights)
print(sum(p.numel() for p in model_ft.parameters() if p.requires_grad), "trainable")

optimizer = torch.optim.SGD(
    [{"params": model_ft.fc.parameters()}, {"params": model_ft.features.parameters(), "lr": 1e-2}],
    lr=1e-1,
    momentum=0.9,
)
scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.5)


@torch.compile
def step(inputs, labels):
    outputs = model_ft(inputs)
    loss = F.cross_entropy(outputs, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss, torch.max(outputs, 1)[1]


losses = []
for epoch in range(24):
    if epoch == 8:  # thaw
        for name, param in model_ft.named_parameters():
            if name.startswith("features.3"):
                param.requires_grad_(True)
    if epoch == 16:
        for param in model_ft.features.parameters():
            param.requires_grad = True
        optimizer.add_param_group({"params": [scale := nn.Parameter(torch.ones(1))], "lr": 1e-3})
        model_ft.scale = scale
    loss, preds = step(x, y)
    scheduler.step()
    losses.append(loss.item())
    if epoch % 6 == 0:
        model_ft.eval()
        with torch.inference_mode():
            losses.append(F.cross_entropy(model_ft(x), y).item())
        model_ft.train()
        print(epoch, [round(lr, 6) for lr in scheduler.get_last_lr()], torch.sum(preds == y).item())
