"""A transformer encoder that classifies padded sequences: positional sines, multi-head attention with a key mask."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR


class PositionalEncoding(nn.Module):
    pe: Tensor

    def __init__(self, d_model: int, max_len: int = 50):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[:, : x.size(1)]


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(d_model, d_model) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (layer(x).reshape(b, t, self.heads, d // self.heads).permute(0, 2, 1, 3) for layer in
                   (self.q, self.k, self.v))  # fmt: skip
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.out(y.permute(0, 2, 1, 3).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, d_model: int, heads: int, d_ff: int, dropout: float = 0.1):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, heads)
        self.feed_forward = nn.Sequential(nn.Linear(d_model, d_ff), nn.GELU(), nn.Linear(d_ff, d_model))
        self.norms = nn.ModuleList([nn.LayerNorm(d_model, eps=1e-6) for _ in range(2)])
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(self.attention(x, mask)))
        return self.norms[1](x + self.dropout(self.feed_forward(x)))


class Classifier(nn.Module):
    def __init__(self, vocabulary: int, classes: int, d_model: int = 16, layers: int = 2):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, d_model, padding_idx=0)
        self.position = PositionalEncoding(d_model)
        self.layers = nn.ModuleList(EncoderLayer(d_model, 4, 32, dropout=0.0) for _ in range(layers))
        self.head = nn.Linear(d_model, classes)
        self.d_model = d_model

    def forward(self, tokens: Tensor) -> Tensor:
        mask = tokens != 0
        x = self.position(self.embedding(tokens) * math.sqrt(self.d_model))
        for layer in self.layers:
            x = layer(x, mask)
        weights = mask.unsqueeze(-1).float()
        pooled = (x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return self.head(pooled)


rng = np.random.default_rng(5)
lengths = rng.integers(3, 11, size=32)
tokens = torch.zeros(32, 10, dtype=torch.int64)
for row, length in enumerate(lengths):
    tokens[row, :length] = torch.tensor(rng.integers(1, 12, size=length))
targets = (tokens.sum(dim=1) % 3).long()

model = Classifier(12, 3)
for name, p in model.named_parameters():
    if "norms" not in name:
        p.data.copy_(torch.tensor(rng.normal(0, 0.2, size=p.shape)))
model.embedding.weight.data[0].zero_()
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
scheduler = CosineAnnealingLR(optimizer, T_max=30)


@torch.compile
def train_step(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    optimizer.zero_grad()
    output = model(tokens)
    loss = criterion(output, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
    optimizer.step()
    return loss


losses: list[float] = []
model.train()
for _ in range(25):
    loss = train_step(tokens, targets)
    scheduler.step()
    losses.append(loss.item())
print(f"{losses[0]:.4f} -> {losses[-1]:.4f}, lr {scheduler.get_last_lr()[0]:.6f}")
print(model.embedding.weight[0].abs().max().item())
print(model)
