"""What is timed: one whole training step each, forward, loss, backward and update. No system is imported here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

BATCHES = 8  # a step is called with another batch each time, as in training


@dataclass(frozen=True)
class Workload:
    """A model, its batch and its optimiser. Rates are 0.001 for Adam and AdamW, 0.01 and momentum 0.9 for SGD."""

    name: str
    kind: str  # mlp, gpt
    batch: int
    optimizer: str  # adam, adamw, sgd
    loss: str = "cross_entropy"  # or mse, of an mlp with one output
    sizes: tuple[int, ...] = ()  # an mlp's widths, from input to output
    vocabulary: int = 65
    layers: int = 4
    heads: int = 4
    width: int = 128
    block: int = 64  # positions that a gpt sees


WORKLOADS = {
    found.name: found
    for found in (
        # small regression: overhead decides
        Workload("mlp_tabular", "mlp", 64, "adam", "mse", sizes=(32, 64, 64, 1)),
        # a classifier of images of 28 x 28: products decide
        Workload("mlp_mnist", "mlp", 128, "sgd", sizes=(784, 512, 256, 10)),
        # a transformer that learns letters; gradients are clipped to norm 1
        Workload("gpt_char", "gpt", 12, "adamw"),
        # a wider one
        Workload("gpt_mid", "gpt", 8, "adamw", heads=6, width=384, block=128),
    )
}


def of_parameters(count: int) -> Workload:
    """An mlp of three equal layers with about so many parameters, for overhead against size."""
    width = max(1, round(math.sqrt(count / 3 + 0.25) - 0.5))  # 3 (w w + w) parameters
    return Workload(f"mlp_{count}", "mlp", 32, "adam", "mse", sizes=(width, width, width, width))


def of_depth(blocks: int) -> Workload:
    """A gpt of so many equal blocks, for compile time against depth."""
    return replace(WORKLOADS["gpt_char"], name=f"gpt_{blocks}", layers=blocks, width=64, batch=4)


def batches(workload: Workload) -> list[tuple[Any, Any]]:
    """Made-up batches of the right shapes: (inputs, targets), arrays."""
    return [_batch(workload, np.random.default_rng(seed)) for seed in range(BATCHES)]


def _batch(workload: Workload, draw: np.random.Generator) -> tuple[Any, Any]:
    if workload.kind == "gpt":
        letters = draw.integers(0, workload.vocabulary, (workload.batch, workload.block + 1)).astype(np.int32)
        return letters[:, :-1].copy(), letters[:, 1:].copy()
    x = draw.standard_normal((workload.batch, workload.sizes[0]), dtype=np.float32)
    if workload.loss == "mse":
        return x, draw.standard_normal((workload.batch, workload.sizes[-1]), dtype=np.float32)
    return x, draw.integers(0, workload.sizes[-1], workload.batch).astype(np.int32)


def flops(workload: Workload) -> int:
    """The multiply-adds of a step, two each: forward, gradients of weights and of inputs (not of the first one's)."""
    if workload.kind == "mlp":
        layers = [2 * workload.batch * a * b for a, b in pairwise(workload.sizes)]
        return 3 * sum(layers) - layers[0]
    positions, width = workload.batch * workload.block, workload.width
    linear = workload.layers * 12 * width * width + width * workload.vocabulary
    attention = workload.layers * 2 * 2 * positions * workload.block * width  # all of the square
    return 3 * (2 * positions * linear + attention)
