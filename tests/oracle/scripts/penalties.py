"""L1 and L2 penalties over the parameters, soft thresholding by proximal steps, plain gradient descent by hand."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(15)
features = torch.from_numpy(rng.normal(size=(60, 10)).astype(np.float32))
weights = np.zeros((10, 1), dtype=np.float32)
weights[:3] = [[2.0], [-1.0], [0.5]]
labels = features @ torch.as_tensor(weights) + 0.3

model = nn.Linear(10, 1)
with torch.no_grad():
    model.weight.copy_(torch.from_numpy(rng.normal(0, 0.1, (1, 10))))
    model.bias.zero_()
net = nn.Sequential(nn.Linear(10, 8), nn.ELU(), nn.Linear(8, 1))
for p in net.parameters():
    p.data.copy_(torch.from_numpy(rng.normal(0, 0.3, p.shape)))
l1_lambda, l2_lambda, learning_rate = 1e-2, 1e-3, 0.05
optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate)


@torch.compile
def penalised_step(x, y):
    output = net(x)
    loss = F.mse_loss(output, y)
    l1_penalty = sum(p.abs().sum() for p in net.parameters())
    l2_penalty = sum((p**2).sum() for name, p in net.named_parameters() if "bias" not in name)
    l2_norm = torch.norm(net[0].weight) + torch.linalg.norm(net[2].weight)
    loss = loss + l1_lambda * l1_penalty + l2_lambda * l2_penalty + 1e-4 * l2_norm
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@torch.compile
def lasso_step(x, y):
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for param in model.parameters():
            param -= learning_rate * param.grad
            param.grad = None
        w = model.weight
        w.copy_(torch.sign(w) * torch.clamp(w.abs() - learning_rate * 0.05, min=0))
    return loss


# and without any module: two leaves and a loop
w = torch.zeros((10, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)


@torch.compile
def by_hand(x, y):
    loss = (torch.mm(x, w) + b - y).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        w.sub_(learning_rate * w.grad)
        b.data -= learning_rate * b.grad
        w.grad.zero_()
        b.grad.zero_()
    return loss


losses = []
for epoch in range(40):
    losses += [penalised_step(features, labels).item(), lasso_step(features, labels).item()]
    losses.append(by_hand(features, labels).item())
print("zeros", (model.weight == 0).sum().item(), "of", model.weight.nelement())
print(np.round(model.weight.detach().numpy(), 3))
print(torch.count_nonzero(w).item(), w.requires_grad, w.is_leaf, model.bias.data)
