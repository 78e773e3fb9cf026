"""The workloads in chainrule, as a user writes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, TensorDataset
from chainrule.ir import state
from chainrule.nn import functional as F
from chainrule.runs.lines import Lines
from chainrule.train.assembling import assembled
from chainrule.train.keeper import Keeper
from chainrule.train.loop import Loop, Plan

if TYPE_CHECKING:
    from chainrule.bench.workloads import Workload


Run = tuple[Callable[[], Any], Callable[[Any], float]]


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


def training(workload: Workload, threads: int) -> Callable[[Any, Any], Any]:
    """A step that trains a new model and returns its loss, not compiled."""
    cr.set_num_threads(threads)
    cr.manual_seed(0)
    model: Any = Mlp(workload.sizes) if workload.kind == "mlp" else Gpt(workload)
    optimizer = OPTIMIZERS[workload.optimizer](model.parameters())

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

    return step


def number(loss: Any) -> float:
    """A loss as a number."""
    return float(loss.item())


def make_step(workload: Workload, threads: int, data: list[Any]) -> Run:
    """(a step that returns its loss, what makes a number of it)."""
    step, feed = cr.compile(training(workload, threads)), cycle(data)
    return lambda: step(*next(feed)), number


def make_eager(workload: Workload, threads: int, data: list[Any]) -> Run:
    """The step without the decorator."""
    step, feed = training(workload, threads), cycle(data)
    return lambda: step(*next(feed)), number


def make_epoch(workload: Workload, threads: int, data: list[Any]) -> Run:
    """The compiled step on all batches of a loader, which come in another order each time."""
    step = cr.compile(training(workload, threads))
    x, y = [np.concatenate(part * (EPOCH // len(data))) for part in zip(*data, strict=True)]
    loader = DataLoader(TensorDataset(x, y), batch_size=workload.batch, shuffle=True)

    def epoch() -> Any:
        for x, y in loader:
            loss = step(x, y)
        return loss

    return epoch, number


def make_fit(workload: Workload, threads: int, data: list[Any]) -> Run:
    """Epochs of `fit` with metrics, norms, records and checkpoints, as runs of the command line have them."""
    cr.set_num_threads(threads)
    cr.manual_seed(0)
    x, y = [np.concatenate(part * (EPOCH // len(data))) for part in zip(*data, strict=True)]
    feed, recipe = assembled(
        Mlp(workload.sizes), (x, y), optimizer=OPTIMIZERS[workload.optimizer], batch_size=workload.batch, watch=True
    )
    folder = tempfile.TemporaryDirectory()  # as long as `epoch` is there
    keeper = Keeper(Path(folder.name) / "checkpoints").open()
    loop = Loop(Plan(recipe, feed, None, epochs=MANY), [Lines(Path(folder.name)), keeper])

    def epoch() -> Any:
        assert Path(folder.name).exists()
        loop.run_epoch()
        return loop.history[-1]["train"]["loss"]

    return epoch, float


def make_prediction(workload: Workload, threads: int, data: list[Any]) -> Run:
    """What a compiled mlp says of one sample, of another one each time."""
    cr.set_num_threads(threads)
    model, feed = cr.compile(Mlp(workload.sizes)), cycle([cr.tensor(x[:1]) for x, _ in data])

    def predict() -> Any:
        with cr.no_grad():
            return model(next(feed))

    return predict, lambda y: float(y.sum().item())


EPOCH = 104  # steps
MANY = 10**9  # epochs, of which as many are run as there is time for
# What is timed around the compiled step: how it is made, and how many steps a run of it makes.
AROUND = {
    "step": (make_step, 1),
    "eager": (make_eager, 1),
    "epoch": (make_epoch, EPOCH),
    "fit": (make_fit, EPOCH),
    "prediction": (make_prediction, 1),
}
