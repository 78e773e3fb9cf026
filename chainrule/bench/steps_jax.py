"""The workloads in JAX: one jitted function, which takes over the memory of the state that it is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from chainrule.bench.workloads import Workload

Forward = Callable[[Any, Any], Any]


def linear(key: Any, inputs: int, outputs: int) -> dict[str, Any]:
    """The parameters of a layer, drawn as PyTorch does."""
    bound = 1 / math.sqrt(inputs)
    w, b = [jax.random.uniform(k, s, minval=-bound, maxval=bound)
            for k, s in zip(jax.random.split(key), ((inputs, outputs), (outputs,)), strict=True)]  # fmt: skip
    return {"w": w, "b": b}


def applied(layer: dict[str, Any], x: Any) -> Any:
    """x w + b."""
    return x @ layer["w"] + layer["b"]


def norm(p: dict[str, Any], x: Any) -> Any:
    """Layer norm."""
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p["w"] + p["b"]


def mlp(w: Workload, key: Any) -> tuple[Any, Forward]:
    """(the parameters, the function of them and of the inputs)."""
    sizes = list(pairwise(w.sizes))
    layers = [linear(k, a, b) for k, (a, b) in zip(jax.random.split(key, len(sizes)), sizes, strict=True)]

    def forward(layers: Any, x: Any) -> Any:
        for layer in layers[:-1]:
            x = jax.nn.relu(applied(layer, x))
        return applied(layers[-1], x)

    return layers, forward


def gpt(w: Workload, key: Any) -> tuple[Any, Forward]:
    """(the parameters, the function of them and of the inputs)."""
    width, head = w.width, w.width // w.heads
    keys = iter(jax.random.split(key, 4 * w.layers + 3))

    def normed() -> dict[str, Any]:
        return {"w": jnp.ones(width), "b": jnp.zeros(width)}

    def block() -> dict[str, Any]:
        sizes = {"qkv": (width, 3 * width), "out": (width, width), "up": (width, 4 * width), "down": (4 * width, width)}
        layers = {name: linear(next(keys), a, b) for name, (a, b) in sizes.items()}
        return layers | {"norm1": normed(), "norm2": normed()}

    parameters = {
        "letters": jax.random.normal(next(keys), (w.vocabulary, width)),
        "places": jax.random.normal(next(keys), (w.block, width)),
        "blocks": [block() for _ in range(w.layers)],
        "norm": normed(),
        "head": linear(next(keys), width, w.vocabulary)["w"],
    }

    def attention(b: Any, x: Any) -> Any:
        batch, time, _ = x.shape
        q, k, v = [t.reshape(batch, time, w.heads, head) for t in jnp.split(applied(b["qkv"], x), 3, -1)]
        scores = jnp.einsum("bthd,bshd->bhts", q, k) / math.sqrt(head)
        scores = jnp.where(jnp.tril(jnp.ones((time, time), bool)), scores, -jnp.inf)
        mixed = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores, -1), v)
        return applied(b["out"], mixed.reshape(batch, time, width))

    def forward(p: Any, x: Any) -> Any:
        x = p["letters"][x] + p["places"][: x.shape[1]]
        for b in p["blocks"]:
            x = x + attention(b, norm(b["norm1"], x))
            x = x + applied(b["down"], jax.nn.gelu(applied(b["up"], norm(b["norm2"], x)), approximate=False))
        return norm(p["norm"], x) @ p["head"]

    return parameters, forward


def updated(w: Workload, parameters: Any, slots: Any, count: Any, gradients: Any) -> tuple[Any, Any]:
    """(parameters, slots) after a step of the optimiser."""
    each = jax.tree.map
    if w.optimizer == "sgd":
        (m,) = slots
        m = each(lambda m, g: 0.9 * m + g, m, gradients)
        return each(lambda p, m: p - 0.01 * m, parameters, m), (m,)
    m, v = slots
    m = each(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    size, root = 1e-3 / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
    decay = 1 - 1e-3 * 0.01 if w.optimizer == "adamw" else 1.0
    return each(lambda p, m, v: p * decay - size * m / (jnp.sqrt(v) / root + 1e-8), parameters, m, v), (m, v)


def make_step(workload: Workload, threads: int, data: list[Any]) -> tuple[Callable[[], Any], Callable[[Any], float]]:
    """(a step that returns its loss, what makes a number of it). The threads are those of the process's cores."""
    make = mlp if workload.kind == "mlp" else gpt
    parameters, forward = make(workload, jax.random.key(0))

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        z = forward(parameters, x)
        if workload.loss == "mse":
            return jnp.square(z - y).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[..., None], -1).mean()

    def whole(held: Any, x: Any, y: Any) -> tuple[Any, Any]:
        parameters, slots, count = held
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        if workload.kind == "gpt":
            length = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(gradients)))
            gradients = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (length + 1e-6)), gradients)
        count = count + 1
        parameters, slots = updated(workload, parameters, slots, count, gradients)
        return (parameters, slots, count), loss

    run = jax.jit(whole, donate_argnums=0)
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(1 if workload.optimizer == "sgd" else 2)]
    held: list[Any] = [(parameters, tuple(zeros), jnp.zeros(()))]
    feed = cycle(data)

    def step() -> Any:
        held[0], loss = run(held[0], *next(feed))
        return loss

    return step, float
