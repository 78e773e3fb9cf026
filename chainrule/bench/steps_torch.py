"""The workloads in PyTorch, eager, with its fused optimisers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from chainrule.bench.workloads import Workload

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, 1e-3, fused=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 1e-3, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9, fused=True),
}


def mlp(w: Workload) -> tuple[Any, Callable[[Any], Any]]:
    """(the layers, the function of them)."""
    layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(w.sizes)])

    def forward(x: Any) -> Any:
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)

    return layers, forward


def gpt(w: Workload) -> tuple[Any, Callable[[Any], Any]]:
    """(the layers, the function of them)."""

    def block() -> Any:
        layers = {"norm1": nn.LayerNorm(w.width), "norm2": nn.LayerNorm(w.width)}
        sizes = {"qkv": (1, 3), "out": (1, 1), "up": (1, 4), "down": (4, 1)}
        return nn.ModuleDict(layers | {name: nn.Linear(a * w.width, b * w.width) for name, (a, b) in sizes.items()})

    letters, places = nn.Embedding(w.vocabulary, w.width), nn.Embedding(w.block, w.width)
    blocks = nn.ModuleList([block() for _ in range(w.layers)])
    norm, head = nn.LayerNorm(w.width), nn.Linear(w.width, w.vocabulary, bias=False)

    def forward(x: Any) -> Any:
        batch, time = x.shape
        x = letters(x) + places(torch.arange(time))
        for b in blocks:
            parts = b["qkv"](b["norm1"](x)).split(w.width, -1)
            q, k, v = [part.view(batch, time, w.heads, w.width // w.heads).transpose(1, 2) for part in parts]
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + b["out"](attended.transpose(1, 2).reshape(batch, time, w.width))
            x = x + b["down"](F.gelu(b["up"](b["norm2"](x))))
        return head(norm(x))

    return nn.ModuleList([letters, places, blocks, norm, head]), forward


def make_step(workload: Workload, threads: int, data: list[Any]) -> tuple[Callable[[], Any], Callable[[Any], float]]:
    """(a step that returns its loss, what makes a number of it)."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers, forward = mlp(workload) if workload.kind == "mlp" else gpt(workload)
    parameters = list(layers.parameters())
    optimizer = OPTIMIZERS[workload.optimizer](parameters)
    tensors = [tuple(torch.from_numpy(a.astype("int64") if a.dtype.kind == "i" else a) for a in pair) for pair in data]
    feed = cycle(tensors)

    def step() -> Any:
        x, y = next(feed)
        z = forward(x)
        if workload.loss == "mse":
            loss = F.mse_loss(z, y)
        else:
            loss = F.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if workload.kind == "gpt":
            nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss

    return step, lambda loss: float(loss.item())


AROUND = {"eager": (make_step, 1)}  # see steps_chainrule.py
