"""The workloads in chainrule, as a user writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import chainrule as cr
from chainrule import nn, optim
from chainrule.ir import state
from chainrule.nn import functional as F

if TYPE_CHECKING:
    from chainrule.bench.workloads import Workload


class Mlp(nn.Module):
    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])

    def forward(self, x: Any) -> Any:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        batch, time, width = x.shape
        parts = self.qkv(self.norm1(x)).split(width, -1)
        q, k, v = [part.view(batch, time, self.heads, width // self.heads).transpose(1, 2) for part in parts]
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, time, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self, w: Workload) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(w.vocabulary, w.width), nn.Embedding(w.block, w.width)
        self.blocks = nn.Sequential(*[Block(w.width, w.heads) for _ in range(w.layers)])
        self.norm, self.head = nn.LayerNorm(w.width), nn.Linear(w.width, w.vocabulary, bias=False)

    def forward(self, x: Any) -> Any:
        x = self.letters(x) + self.places(cr.arange(x.shape[1]))
        return self.head(self.norm(self.blocks(x)))


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": lambda parameters: optim.Adam(parameters, 1e-3),
    "adamw": lambda parameters: optim.AdamW(parameters, 1e-3),
    "sgd": lambda parameters: optim.SGD(parameters, 0.01, momentum=0.9),
}


def use_cache(folder: str) -> None:
    """Keeps compiled code there."""
    state.set_cache_folder(folder)


def make_step(workload: Workload, threads: int, data: list[Any]) -> tuple[Callable[[], Any], Callable[[Any], float]]:
    """(a step that returns its loss, what makes a number of it)."""
    cr.set_num_threads(threads)
    cr.manual_seed(0)
    model: Any = Mlp(workload.sizes) if workload.kind == "mlp" else Gpt(workload)
    optimizer = OPTIMIZERS[workload.optimizer](model.parameters())
    feed = cycle(data)

    @cr.compile
    def step(x: Any, y: Any) -> Any:
        z = model(x)
        if workload.loss == "mse":
            loss = F.mse_loss(z, y)
        else:
            loss = F.cross_entropy(z.reshape(-1, z.shape[-1]), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        if workload.kind == "gpt":
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return lambda: step(*next(feed)), lambda loss: float(loss.item())
