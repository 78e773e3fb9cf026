"""Contrastive, triplet and InfoNCE losses by hand on one encoder; pairwise distances; cosine similarity."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(11)
centres = rng.normal(size=(4, 6))
y = torch.from_numpy(np.repeat(np.arange(4), 8))
x = torch.tensor(np.repeat(centres, 8, axis=0) + rng.normal(0, 0.3, (32, 6)), dtype=torch.float32)


class Encoder(nn.Module):
    def __init__(self, embed_dim=5):
        super().__init__()
        self.fc1 = nn.Linear(6, 16)
        self.prelu = nn.PReLU()
        self.fc2 = nn.Linear(16, embed_dim)

    def forward(self, x):
        return F.normalize(self.fc2(self.prelu(self.fc1(x))), p=2, dim=-1)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        distance = (output1 - output2).pow(2).sum(1).add(1e-9).sqrt()
        return torch.mean(label * distance.pow(2) + (1 - label) * torch.clamp(self.margin - distance, min=0.0).pow(2))


def batch_hard_triplet_loss(embeddings, labels, margin=0.3):
    dot = torch.matmul(embeddings, embeddings.t())
    square = torch.diag(dot)
    distances = (square.unsqueeze(0) - 2.0 * dot + square.unsqueeze(1)).clamp(min=1e-12)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    eye = torch.eye(labels.size(0), dtype=torch.bool)
    positive = (distances * (same & ~eye)).max(dim=1)[0]
    negative = distances.masked_fill(same, float("inf")).min(dim=1).values
    return F.relu(positive - negative + margin).mean()


def info_nce(queries, keys, temperature=0.1):
    logits = queries @ keys.T / temperature
    labels = torch.arange(len(queries), device=queries.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


model = Encoder()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.4, p.shape)))
contrastive = ContrastiveLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, amsgrad=True)


@torch.compile
def step(x, y, permutation):
    z = model(x)
    other = z[permutation]
    label = (y == y[permutation]).float()
    views = model(x + 0.01), model(x - 0.01)
    terms = contrastive(z, other, label), batch_hard_triplet_loss(z, y), info_nce(*views)
    loss = sum(terms)
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    return (loss, *terms)


losses = []
for _ in range(25):
    loss, *parts = step(x, y, torch.from_numpy(rng.permutation(32)))
    losses.append(loss.item())
print(" ".join(f"{part.item():.4f}" for part in parts))
with torch.no_grad():
    z = model(x)
    similarity = F.cosine_similarity(z.unsqueeze(1), z.unsqueeze(0), dim=-1)
    nearest = (similarity - 2 * torch.eye(32)).argmax(dim=1)
    print("recall@1", (y[nearest] == y).float().mean().item())
